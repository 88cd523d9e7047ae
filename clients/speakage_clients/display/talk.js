/**
 * The one large button that begins and ends listening: a switch in `open` mode, held down in `push` mode (pointer,
 * space bar, Enter). It does not send anything: it calls `onStart` and `onStop`.
 */

export class TalkButton {
  #button;
  #onStart;
  #onStop;
  #mode = "open";
  #listening = false;
  #held = false;
  #handled = false;

  constructor(button, { onStart, onStop }) {
    this.#button = button;
    this.#onStart = onStart;
    this.#onStop = onStop;
    button.addEventListener("pointerdown", (event) => this.#press(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
      button.addEventListener(end, () => this.#release());
    button.addEventListener("contextmenu", (event) => this.#mode === "push" && event.preventDefault());
    button.addEventListener("click", () => this.#click());
    addEventListener("keydown", (event) => this.#keydown(event));
    addEventListener("keyup", (event) => (event.key === " " || event.key === "Enter" ? this.#release() : null));
    // a key or a finger that goes up elsewhere is never reported here
    addEventListener("blur", () => this.#release());
  }

  set({ mode, listening, source }) {
    if (mode !== this.#mode) this.#release();
    this.#mode = mode;
    this.#listening = listening && source !== "none";
  }

  #press(event) {
    if (this.#mode !== "push" || event.button !== 0) return;
    this.#button.setPointerCapture(event.pointerId);
    this.#hold();
  }

  #keydown(event) {
    const own = event.target === this.#button;
    const key = event.key === " " || (own && event.key === "Enter");
    if (!key || this.#mode !== "push" || event.ctrlKey || event.altKey || event.metaKey) return;
    if (!own && event.target.closest("input, textarea, button, a, dialog, [role=button]")) return;
    event.preventDefault();
    if (!event.repeat) this.#hold();
  }

  /** Assistive technology clicks without pressing: there the button is a switch in both modes. */
  #click() {
    const handled = this.#handled;
    this.#handled = false;
    if (this.#mode === "push" && handled) return;
    if (this.#listening) this.#onStop();
    else this.#onStart();
  }

  #hold() {
    if (this.#held || this.#button.disabled) return;
    this.#held = true;
    this.#handled = true;
    this.#button.dataset.held = "";
    this.#onStart();
  }

  #release() {
    if (!this.#held) return;
    this.#held = false;
    delete this.#button.dataset.held;
    this.#onStop();
  }
}
