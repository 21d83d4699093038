// Whether somebody is there: only while the page is seen and was touched lately.

const TOUCHES = ["pointermove", "pointerdown", "keydown", "scroll"];

/** Call `tick` once for every second in which somebody is there; so a gap counts for `idleAfterS` at most. */
export function countActive(tick, idleAfterS) {
  let touched = Date.now();
  for (const kind of TOUCHES) {
    document.addEventListener(kind, () => (touched = Date.now()), { passive: true });
  }
  setInterval(() => {
    if (!document.hidden && Date.now() - touched < idleAfterS * 1000) tick();
  }, 1000);
}
