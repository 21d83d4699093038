// A page of tasks: what is answered, keys for options, and the lease kept while somebody is there.

import { countActive } from "./activity.js";

const BEAT_S = 15;
const IDLE_AFTER_S = 60;

export function watchTasks(form) {
  showKeys(form);
  form.addEventListener("keydown", (event) => pressKey(form, event));
  form.addEventListener("input", () => showProgress(form));
  form.addEventListener("htmx:afterSettle", () => showProgress(form));
  showProgress(form);
  if (form.dataset.heartbeat) keepLease(form);
}

const tasksOf = (form) => [...form.querySelectorAll("[data-task]")];
const optionsOf = (task) => [...(task.querySelector("[data-keys]")?.querySelectorAll("input") ?? [])];

/** Whether every group of fields in the task that must be answered has something in it. */
function isAnswered(task) {
  if ("done" in task.dataset) return true;
  const fields = [...task.querySelectorAll(".field")];
  return fields.length > 0 && fields.every(isFilled);
}

function isFilled(field) {
  const radios = field.querySelectorAll("input[type=radio]");
  if (radios.length) return !radios[0].required || [...radios].some((radio) => radio.checked);
  const typed = field.querySelector("textarea, input:not([type=checkbox])");
  return !typed || !typed.required || typed.value.trim() !== "";
}

function showProgress(form) {
  const done = tasksOf(form).filter(isAnswered).length;
  form.querySelector("[data-answered]").textContent = done;
  form.querySelector("[data-progress]").value = done;
}

/** Options that are digits have their own key; all others are counted from 1, the tenth is 0. */
function keyOf(options, index) {
  const digits = options.every((option) => /^[0-9]$/.test(option.value));
  if (digits) return options[index].value;
  return index < 10 ? String((index + 1) % 10) : "";
}

function showKeys(form) {
  for (const task of tasksOf(form)) {
    const options = optionsOf(task);
    options.forEach((option, index) => {
      const key = keyOf(options, index);
      if (!key || key === option.value) return;
      const hint = document.createElement("kbd");
      hint.textContent = key;
      hint.ariaHidden = "true";
      option.closest("label").append(hint);
    });
  }
}

/** A digit chooses in the task that has the focus, and the focus goes on to the next one. */
function pressKey(form, event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !/^[0-9]$/.test(event.key)) return;
  if (event.target.matches("textarea, input:not([type=radio]):not([type=checkbox])")) return;
  const task = event.target.closest("[data-task]");
  if (!task) return;
  const options = optionsOf(task);
  const chosen = options.find((_, index) => keyOf(options, index) === event.key);
  if (!chosen) return;
  event.preventDefault();
  chosen.checked = true;
  chosen.focus();
  chosen.dispatchEvent(new Event("input", { bubbles: true }));
  if (task.querySelectorAll(".field").length === 1) goOn(form, task);
}

function goOn(form, task) {
  const tasks = tasksOf(form);
  const next = tasks.slice(tasks.indexOf(task) + 1).find((other) => optionsOf(other).length && !isAnswered(other));
  const target = next ? optionsOf(next)[0] : form.querySelector("button[data-once]");
  target.focus({ preventScroll: true });
  (next ?? target).scrollIntoView({ block: "center", behavior: "instant" });
}

/** Tell the server now and then that somebody is at work: only while the page is seen and was touched lately. */
function keepLease(form) {
  const field = form.elements.active_s;
  let active = Number(form.dataset.active);
  let told = active;
  countActive(() => (field.value = ++active), IDLE_AFTER_S);
  setInterval(async () => {
    if (active === told) return;
    told = active;
    const body = new FormData();
    body.set("active_s", active);
    body.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
    const reply = await fetch(form.dataset.heartbeat, { method: "POST", body }).catch(() => null);
    if (reply?.ok) form.querySelector("time[data-until]").dateTime = (await reply.json()).leased_until;
  }, BEAT_S * 1000);
}
