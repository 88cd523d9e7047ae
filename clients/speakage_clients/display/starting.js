/**
 * What the canvas starts from: a picture that is dropped here, chosen, or taken by the camera, or a part of the picture
 * on the wall. It brings them to the daemon and says what holds now; what is painted of them is the daemon's to say.
 */

import { Camera } from "./camera.js";
import { Region } from "./region.js";
import { fitted, upload, UploadError } from "./uploads.js";

export class Starting {
  #root;
  #stream;
  #picture;
  #base;
  #onBrought;
  #onTrouble;
  #region;
  #size = null;
  #start = null;
  /** The id of the picture that the part is of, until that part is painted. */
  #under = null;
  /** What is brought later is meant, should it be uploaded sooner. */
  #turn = 0;

  /** `root` holds the buttons and the note; `picture` is the PictureView; `base` the page's own address. */
  constructor(root, { stream, picture, base, onBrought, onTrouble }) {
    this.#root = root;
    this.#stream = stream;
    this.#picture = picture;
    this.#base = base;
    this.#onBrought = onBrought;
    this.#onTrouble = onTrouble;
    const wall = document.querySelector("#picture");
    this.#region = new Region(wall, wall.querySelector("#region"), { onDrawn: () => this.#choose() });
    this.#region.enable(false);
    const camera = new Camera(document.querySelector("#camera"), {
      onTake: (frame) => this.bring(frame),
      onTrouble: (sentence) => onTrouble(sentence),
    });
    const file = root.querySelector("#start-file");
    root.querySelector("#start-choose").addEventListener("click", () => file.click());
    file.addEventListener("change", () => {
      if (file.files.length) this.bring(file.files[0]);
      file.value = "";
    });
    root.querySelector("#start-camera").addEventListener("click", () => camera.open());
    root.querySelector("#start-end").addEventListener("click", () => this.letGo());
    this.#catchDrops();
  }

  /** What is painted now has this size; nothing can be brought before. */
  ready({ width, height }) {
    this.#size = width && height ? { width, height } : null;
    for (const button of this.#root.querySelectorAll("button")) button.disabled = !this.#size;
    this.pictured();
  }

  /** There is another picture on the wall. */
  pictured() {
    this.#region.enable(Boolean(this.#size && this.#picture.image));
  }

  /** A part of the picture was painted: what is drawn next is a part of what came of it. */
  painted() {
    this.#under = null;
    if (this.#region.active) this.#region.used();
    this.pictured();
  }

  /** What the daemon starts from. */
  changed(start) {
    this.#start = start;
    if (!start?.mask_id) this.#clear();
    const note = this.#root.querySelector("#start-note");
    const strength = start ? `${Math.round(start.strength * 100)} %` : "";
    if (!start) note.textContent = "";
    else if (start.mask_id) note.textContent = "Say or type what should be in the part you chose. Escape clears it.";
    else note.textContent = `Starting from a picture, of which ${strength} may change.`;
    this.#root.dataset.start = start ? (start.mask_id ? "part" : "whole") : "none";
  }

  /** A picture that someone brought, as a Blob or an image. */
  async bring(source) {
    if (!this.#size) return this.#onTrouble("The picture was not sent: Speakage is not ready yet.");
    const turn = ++this.#turn;
    return this.#attempt(async () => {
      const blob = await fitted(source, this.#size);
      const id = await upload(blob, this.#base);
      if (turn !== this.#turn) return;
      this.#clear();
      this.#onBrought();
      await this.#picture.brought(blob);
      this.pictured();
      this.#send({ image_id: id });
    });
  }

  /** Start from it no longer; true when there was something to let go. */
  letGo() {
    const held = Boolean(this.#start) || this.#region.active;
    this.#turn += 1;
    this.#clear();
    if (this.#start) this.#send({});
    return held;
  }

  get choosing() {
    return this.#region.active;
  }

  async #choose() {
    const turn = ++this.#turn;
    return this.#attempt(async () => {
      this.#under ??= await upload(await fitted(await this.#picture.source(), this.#size), this.#base);
      const mask = await upload(await this.#region.mask(this.#size), this.#base);
      if (turn === this.#turn) this.#send({ image_id: this.#under, mask_id: mask });
    });
  }

  async #attempt(work) {
    try {
      await work();
      this.#onTrouble("");
    } catch (error) {
      if (!(error instanceof UploadError)) throw error;
      this.#clear();
      this.#onTrouble(error.message);
    }
  }

  #send(fields) {
    if (!this.#stream.send({ type: "canvas.start", ...fields })) this.#onTrouble("Not connected: nothing was sent.");
  }

  #clear() {
    this.#under = null;
    this.#region.clear();
  }

  #catchDrops() {
    const carries = (event) => event.dataTransfer?.types.includes("Files");
    addEventListener("dragover", (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      document.body.dataset.dropping = "";
    });
    addEventListener("dragleave", (event) => event.relatedTarget || delete document.body.dataset.dropping);
    addEventListener("drop", (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      delete document.body.dataset.dropping;
      if (event.dataTransfer.files.length) this.bring(event.dataTransfer.files[0]);
    });
  }
}
