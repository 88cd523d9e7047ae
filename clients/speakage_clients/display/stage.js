/** Full screen, and the quiet that follows when nobody touches anything there: only picture and words remain. */

const QUIET_AFTER_MS = 4000;

export class Stage {
  #button;
  #timer = 0;

  constructor(button) {
    this.#button = button;
    button.hidden = !document.fullscreenEnabled;
    button.addEventListener("click", () => this.toggle());
    document.addEventListener("fullscreenchange", () => this.#changed());
    for (const sign of ["pointermove", "pointerdown", "keydown"]) addEventListener(sign, () => this.#stir());
  }

  async toggle() {
    if (document.fullscreenElement) await document.exitFullscreen();
    else if (document.fullscreenEnabled) await document.documentElement.requestFullscreen();
  }

  #changed() {
    const full = document.fullscreenElement !== null;
    document.body.dataset.fullscreen = full;
    this.#button.setAttribute("aria-pressed", full);
    this.#button.setAttribute("aria-label", full ? "Leave full screen (f)" : "Full screen (f)");
    this.#stir();
  }

  #stir() {
    clearTimeout(this.#timer);
    delete document.body.dataset.quiet;
    if (document.fullscreenElement) this.#timer = setTimeout(() => (document.body.dataset.quiet = ""), QUIET_AFTER_MS);
  }
}
