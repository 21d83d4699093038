// A key for each button of a part of the page that says so; what is typed into a field stays text.

export function watchKeys(part) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.matches("textarea, select, input:not([type=radio]):not([type=checkbox])")) return;
    const wanted = [...part.querySelectorAll("[data-shortcut]")].find((one) => one.dataset.shortcut === event.key);
    if (!wanted) return;
    event.preventDefault();
    if (wanted.matches("summary")) {
      wanted.parentElement.open = true;
      wanted.parentElement.querySelector("input, textarea, select")?.focus();
    } else {
      wanted.click();
    }
  });
}
