/**
 * The one large picture: which event's image is on the wall, how far it has come, and its name for those who
 * cannot see it. `data-state` is `empty | waiting | painting | final | brought`; `data-sha256` is set while a final
 * is shown. It does not keep past pictures: see strip.js.
 */

import { Painting, load } from "./painting.js";

const STEP_FADE_MS = 240;
const FINAL_FADE_MS = 420;

export class PictureView {
  #root;
  #painting;
  #bar;
  #button;
  #newest = 0;
  #start = 0;
  #image = null;
  current = null;

  constructor(root, { onOpen }) {
    this.#root = root;
    this.#painting = new Painting(root.querySelector("button canvas"), document.querySelector("#glow"));
    this.#bar = root.querySelector(".progress span");
    this.#button = root.querySelector("button");
    this.#button.addEventListener("click", () => this.current && onOpen(this.current));
  }

  /** The last whole picture, as a Blob or its address; null before there was one. */
  get image() {
    return this.#image;
  }

  /** The last whole picture, as something to draw from. */
  async source() {
    return this.#image instanceof Blob ? this.#image : load(this.#image);
  }

  /** A picture to start from: it is on the wall until something is painted of it. */
  async brought(blob) {
    this.current = null;
    this.#image = blob;
    this.#progress(0, 0);
    this.#state("brought");
    this.#name("The picture that you brought", false);
    // what is disabled feels no hand, and a part of it may be chosen
    this.#button.disabled = false;
    this.#button.setAttribute("aria-disabled", "true");
    await this.#painting.show(blob, STEP_FADE_MS);
  }

  started(event) {
    this.#start = event.event_id;
    this.#progress(0, event.steps);
    // the former picture stays on the wall until the new one can be seen
    this.#state("waiting");
  }

  /** Previews travel in a slot of their own, so one of an older request may come after the newer one began. */
  async partial(event, image) {
    if (event.event_id < Math.max(this.#start, this.#newest)) return;
    this.#newest = event.event_id;
    this.#progress(event.step, event.steps);
    this.#state("painting");
    this.#name(`${event.prompt}, being painted`, false);
    await this.#painting.show(image, STEP_FADE_MS);
  }

  async completed(event, image, item) {
    if (event.event_id < this.#newest) return;
    this.#newest = event.event_id;
    this.#progress(event.steps, event.steps);
    await this.#final(image, item);
  }

  /**
   * A new connection: what was being painted when the old one broke is not followed up. `item` is the newest stored
   * picture, where it was not on the wall yet. Rejects where it cannot be had.
   */
  async reconnected(item) {
    this.#newest = 0;
    this.#start = 0;
    if (item) await this.#final(item.url, item);
    else if (["waiting", "painting"].includes(this.#root.dataset.state)) await this.abandon();
  }

  /** No picture comes of what was begun: the former one returns. */
  async abandon() {
    if (this.current) await this.#final(this.#image, this.current);
    else if (this.#image) await this.brought(this.#image);
    else this.#state("empty");
  }

  async #final(image, item) {
    this.current = item;
    this.#image = image;
    this.#name(item.prompt, true);
    const shown = await this.#painting.show(image, FINAL_FADE_MS);
    if (!shown) return;
    this.#state("final");
    this.#root.dataset.sha256 = item.sha256;
  }

  #state(state) {
    this.#root.dataset.state = state;
    if (state !== "final") delete this.#root.dataset.sha256;
  }

  #progress(step, steps) {
    this.#root.dataset.step = step;
    this.#bar.style.transform = `scaleX(${steps ? step / steps : 0})`;
  }

  #name(text, openable) {
    this.#button.disabled = !openable;
    this.#button.removeAttribute("aria-disabled");
    this.#button.setAttribute("aria-label", openable ? `Open the picture: ${text}` : `The picture: ${text}`);
  }
}
