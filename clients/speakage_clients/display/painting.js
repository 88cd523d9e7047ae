/**
 * Paints images on a canvas, large and soft-edged, each fading into the next. It does not know events or the network.
 *
 * A new image fades in over whatever is on the canvas at that instant, so that steps which arrive faster than a fade
 * lasts never flash and never show the wall behind. Small images are doubled repeatedly with the browser's best
 * filter: one big stretch shows the pixel grid (`auto`) or stairs (`pixelated`).
 */

const LARGEST_SIDE = 2048;
const still = matchMedia("(prefers-reduced-motion: reduce)");

export class Painting {
  #canvas;
  #context;
  #glow;
  #image = null;
  #scaled = null;
  #before = null;
  #frame = 0;
  #asked = 0;
  #settle = () => {};

  /** `glow`, where given, receives the picture's light: a very small copy that the style sheet spreads on the wall. */
  constructor(canvas, glow = null) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { alpha: false });
    this.#glow = glow?.getContext("2d") ?? null;
    new ResizeObserver(() => this.#resize()).observe(canvas);
  }

  /**
   * Fade in a Blob or the image at a URL; resolves to true once shown whole, to false when a newer image came first.
   * Rejects where there is no such image.
   */
  async show(source, fadeMs) {
    const turn = ++this.#asked;
    const image = await createImageBitmap(source instanceof Blob ? source : await load(source));
    if (turn !== this.#asked) return false;
    this.#settle(false);
    this.#image = image;
    this.#canvas.style.aspectRatio = `${image.width} / ${image.height}`;
    this.#canvas.style.setProperty("--aspect", image.width / image.height);
    const before = this.#snapshot();
    this.#fit();
    this.#before = before;
    return new Promise((settle) => {
      this.#settle = settle;
      this.#fade(still.matches || document.hidden || !before ? 0 : fadeMs);
    });
  }

  #fade(durationMs) {
    cancelAnimationFrame(this.#frame);
    const start = performance.now();
    const draw = (now) => {
      const t = durationMs ? Math.min(1, Math.max(0, (now - start) / durationMs)) : 1;
      this.#compose(t * t * (3 - 2 * t));
      if (t < 1) this.#frame = requestAnimationFrame(draw);
      else this.#settle(true);
    };
    draw(start);
  }

  #compose(share) {
    const { width, height } = this.#canvas;
    this.#context.globalAlpha = 1;
    if (this.#before && share < 1) this.#context.drawImage(this.#before, 0, 0, width, height);
    this.#context.globalAlpha = share;
    this.#context.drawImage(this.#scaled, 0, 0, width, height);
    this.#shine();
  }

  #shine() {
    if (!this.#glow) return;
    const { width, height } = this.#glow.canvas;
    this.#glow.drawImage(this.#canvas, 0, 0, width, height);
  }

  #snapshot() {
    if (!this.#scaled) return null;
    const copy = new OffscreenCanvas(this.#canvas.width, this.#canvas.height);
    copy.getContext("2d", { alpha: false }).drawImage(this.#canvas, 0, 0);
    return copy;
  }

  /** Match the canvas to the screen's own pixels and scale the image to it once. */
  #fit() {
    const box = this.#canvas.getBoundingClientRect();
    const shrink = Math.min(1, LARGEST_SIDE / Math.max(box.width, box.height, 1) / devicePixelRatio) * devicePixelRatio;
    const width = Math.max(1, Math.round(box.width * shrink));
    const height = Math.max(1, Math.round(box.height * shrink));
    if (width !== this.#canvas.width || height !== this.#canvas.height) Object.assign(this.#canvas, { width, height });
    this.#scaled = enlarge(this.#image, width, height);
  }

  #resize() {
    if (!this.#image) return;
    this.#fit();
    this.#before = null;
    this.#fade(0);
  }
}

/** By an element rather than `fetch`, which the page's policy keeps from `blob:` addresses. */
export async function load(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

function enlarge(image, width, height) {
  let source = image;
  while (source.width * 2 < width && source.height * 2 < height)
    source = stretch(source, source.width * 2, source.height * 2);
  return stretch(source, width, height);
}

function stretch(source, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { alpha: false });
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, width, height);
  return canvas;
}
