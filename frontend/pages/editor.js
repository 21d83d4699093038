// The form of a project: of each question, only what its kind of answer needs.

export function watchEditor(form) {
  for (const row of form.querySelectorAll("[data-field]")) {
    const kind = row.querySelector("select[name$='-type']");
    const show = () => {
      for (const part of row.querySelectorAll("[data-kinds]")) {
        part.hidden = !part.dataset.kinds.split(" ").includes(kind.value);
      }
    };
    kind.addEventListener("change", show);
    show();
  }
}
