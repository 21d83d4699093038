// A text to read before working: the time it takes is told with "I have read it", for it counts as work.

import { countActive } from "./activity.js";

const IDLE_AFTER_S = 120; // who reads touches little

export function watchReading(form) {
  const field = form.elements.active_s;
  let active = 0;
  countActive(() => (field.value = ++active), IDLE_AFTER_S);
}
