// Every page loads this one: htmx, the look of the site, and what makes pages of tasks quick to do.
import htmx from "htmx.org";
import "./site.css";
import { watchEditor } from "./pages/editor.js";
import { watchKeys } from "./pages/keys.js";
import { watchReading } from "./pages/reading.js";
import { watchTasks } from "./pages/tasks.js";
import { countDown } from "./pages/time.js";

window.htmx = htmx;

/** Small images are shown large, with their pixels as they are. */
function enlarge(image) {
  const tiny = () => {
    if (image.naturalWidth > 0 && image.naturalWidth < 100) image.classList.add("tiny");
  };
  if (image.complete) tiny();
  else image.addEventListener("load", tiny, { once: true });
}

/** A form whose button says so is sent once; coming back to the page makes the button work again. */
function sendOnce(button) {
  button.form.addEventListener("submit", (event) => {
    if (event.submitter === button) setTimeout(() => (button.disabled = true));
  });
  window.addEventListener("pageshow", () => (button.disabled = false));
}

document.querySelectorAll("img[data-enlarge]").forEach(enlarge);
document.querySelectorAll("button[data-once]").forEach(sendOnce);
document.querySelectorAll("form[data-editor]").forEach(watchEditor);
document.querySelectorAll("form[data-reading]").forEach(watchReading);
document.querySelectorAll("form[data-page]").forEach(watchTasks);
document.querySelectorAll("[data-shortcuts]").forEach(watchKeys);
countDown(document.querySelectorAll("time[data-until]"));
