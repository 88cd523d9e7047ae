/**
 * The part of the picture that someone chooses to have painted anew: dragging draws a rectangle, with Shift held a
 * freehand line. What is drawn adds up until it is cleared. It knows no pictures and sends nothing: `onDrawn` is told
 * when the hand lets go. Pressing without dragging is none of its business.
 */

const MOVED_PX = 6;
/** Of the picture's width. */
const BRUSH = 0.12;

export class Region {
  #root;
  #canvas;
  #context;
  #mask = new OffscreenCanvas(512, 512);
  #last = null;
  #from = null;
  #before = null;
  #enabled = false;
  #onDrawn;
  active = false;

  /** Hears the hand on `root`, and shows on `canvas`, which lies over the picture, what was chosen. */
  constructor(root, canvas, { onDrawn }) {
    this.#root = root;
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    this.#onDrawn = onDrawn;
    root.addEventListener("pointerdown", (event) => this.#press(event));
    root.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) root.addEventListener(end, () => this.#end());
  }

  /** Whether there is a picture to choose a part of. */
  enable(enabled) {
    this.#enabled = enabled;
    this.#canvas.hidden = !enabled;
  }

  /** What was chosen is painted, or being painted: the next stroke begins another part. */
  used() {
    this.#canvas.dataset.used = "";
    this.#draw();
  }

  clear() {
    this.active = false;
    this.#mask.getContext("2d").clearRect(0, 0, this.#mask.width, this.#mask.height);
    delete this.#canvas.dataset.used;
    delete this.#canvas.dataset.active;
    this.#draw();
  }

  /** The mask as PNG of that size: white is chosen, black is not. */
  async mask({ width, height }) {
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { alpha: false });
    context.drawImage(this.#mask, 0, 0, width, height);
    return canvas.convertToBlob({ type: "image/png" });
  }

  #press(event) {
    if (this.#enabled && event.button === 0) this.#from = this.#place(event);
  }

  #move(event) {
    if (!this.#from) return;
    const to = this.#place(event);
    const moved = Math.hypot(to.x - this.#from.x, to.y - this.#from.y) * this.#canvas.clientWidth;
    if (!this.#last && moved < MOVED_PX) return;
    if (!this.#last) this.#begin(event);
    if (event.shiftKey) this.#brush(this.#last, to);
    else this.#rectangle(this.#from, to);
    this.#last = to;
    this.#draw();
  }

  #begin(event) {
    // not before: it would take a mere press away from the picture below
    this.#root.setPointerCapture(event.pointerId);
    if ("used" in this.#canvas.dataset) this.clear();
    this.active = true;
    this.#canvas.dataset.active = "";
    this.#last = this.#from;
    this.#before = new OffscreenCanvas(this.#mask.width, this.#mask.height);
    this.#before.getContext("2d").drawImage(this.#mask, 0, 0);
  }

  #rectangle(from, to) {
    const { width, height } = this.#mask;
    const context = this.#mask.getContext("2d");
    context.clearRect(0, 0, width, height);
    context.drawImage(this.#before, 0, 0);
    context.fillStyle = "#fff";
    context.fillRect(from.x * width, from.y * height, (to.x - from.x) * width, (to.y - from.y) * height);
  }

  #brush(from, to) {
    const { width, height } = this.#mask;
    const context = this.#mask.getContext("2d");
    Object.assign(context, { strokeStyle: "#fff", lineWidth: BRUSH * width, lineCap: "round" });
    context.beginPath();
    context.moveTo(from.x * width, from.y * height);
    context.lineTo(to.x * width, to.y * height);
    context.stroke();
  }

  #end() {
    const drawn = this.#last;
    this.#from = this.#last = null;
    if (drawn) this.#onDrawn();
  }

  #place(event) {
    const box = this.#canvas.getBoundingClientRect();
    const share = (value, length) => Math.min(1, Math.max(0, value / length));
    return { x: share(event.clientX - box.left, box.width), y: share(event.clientY - box.top, box.height) };
  }

  /** A light runs round the part, and all else is dimmed until it is painted. */
  #draw() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    Object.assign(this.#canvas, { width, height });
    if (!this.active) return;
    const context = this.#context;
    context.fillStyle = "rgb(12 11 13 / 62%)";
    if (!("used" in this.#canvas.dataset)) context.fillRect(0, 0, width, height);
    Object.assign(context, { shadowColor: "#ffb46b", shadowBlur: 10 });
    context.drawImage(this.#mask, 0, 0, width, height);
    context.shadowColor = "transparent";
    context.globalCompositeOperation = "destination-out";
    context.drawImage(this.#mask, 0, 0, width, height);
    context.globalCompositeOperation = "source-over";
  }
}
