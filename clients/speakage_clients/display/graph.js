/**
 * The last finals as a small graph. For each of them a bar up to the moment that its pixels came, and a dot where the
 * first image came; the line is the last syllable, and what lies below it came before that. It knows the finals that came
 * while this page was open, spoken ones only: a typed prompt has no syllable. It does not measure.
 */

const KEPT = 30;
const HEIGHT = 112;
const MARGIN = 8;
/** Left of the bars, for the labels. */
const LABELS = 52;
/** Seconds that are always seen on either side of the line, so that a quick run does not fill the graph. */
const LEAST = { above: 1000, below: 500 };
const SVG = "http://www.w3.org/2000/svg";

export class Graph {
  #root;
  #svg;
  #finals = [];

  constructor(root) {
    this.#root = root;
    this.#svg = root.querySelector("svg");
    new ResizeObserver(() => this.#draw()).observe(this.#svg);
  }

  /** One final, with its `timings`. */
  add({ prompt, timings }) {
    const { last_voiced_to_first_preview_ms: first = null, last_voiced_to_final_pixels_ms: final = null } = timings;
    if (final === null) return;
    this.#finals = [...this.#finals, { prompt, first, final }].slice(-KEPT);
    this.#describe();
    this.#draw();
  }

  /** Show or hide it; gives the sentence that says the same as the graph, or an empty one when it was hidden. */
  toggle() {
    this.#root.hidden = !this.#root.hidden;
    this.#draw();
    return this.#root.hidden ? "" : this.#summary();
  }

  #summary() {
    const count = this.#finals.length;
    if (!count) return "No spoken picture yet.";
    const pixels = median(this.#finals.map(({ final }) => final));
    const firsts = this.#finals.flatMap(({ first }) => (first === null ? [] : [first]));
    const begun = firsts.length ? `First image ${around(median(firsts))}, picture` : "Picture";
    return `${begun} ${around(pixels)} the last syllable (median of ${count}).`;
  }

  #describe() {
    const summary = this.#summary();
    this.#root.querySelector("figcaption span").textContent = summary;
    this.#svg.setAttribute("aria-label", summary);
    const rows = this.#finals.map(({ prompt, first, final }) =>
      filled(
        document.createElement("tr"),
        {},
        [prompt, first === null ? "none" : seconds(first), seconds(final)].map(cell),
      ),
    );
    this.#root.querySelector("tbody").replaceChildren(...rows);
  }

  #draw() {
    const width = this.#svg.clientWidth;
    if (this.#root.hidden || !width) return;
    const moments = this.#finals.flatMap(({ first, final }) => [first ?? 0, final]);
    const top = Math.max(LEAST.above, ...moments);
    const bottom = Math.min(-LEAST.below, ...moments);
    const y = (ms) => MARGIN + ((top - ms) / (top - bottom)) * (HEIGHT - 2 * MARGIN);
    const room = (width - LABELS) / KEPT;
    const marks = this.#finals.flatMap(({ first, final }, index) => {
      // the newest stands on the right
      const x = width - (this.#finals.length - index - 0.5) * room;
      const [upper, lower] = [y(Math.max(final, 0)), y(Math.min(final, 0))];
      const bar = { x: x - room * 0.28, y: upper, width: room * 0.56, height: Math.max(1, lower - upper), rx: 2 };
      const dot = first === null ? [] : [svg("circle", { cx: x, cy: y(first), r: Math.min(4, room * 0.3) })];
      return [svg("rect", bar), ...dot];
    });
    const zero = svg("line", { x1: 0, x2: width, y1: y(0), y2: y(0) });
    const labels = [
      [`+${seconds(top)}`, MARGIN + 5],
      [seconds(bottom), HEIGHT - MARGIN],
    ].map(([text, at]) => svg("text", { x: 0, y: at }, [text]));
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.#svg.replaceChildren(...marks, zero, ...labels);
  }
}

function svg(name, attributes, children = []) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function cell(text) {
  return filled(document.createElement("td"), {}, [text]);
}

function around(ms) {
  return ms < 0 ? `${seconds(-ms)} before` : `${seconds(ms)} after`;
}

function median(values) {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const seconds = (ms) => `${(ms / 1000).toFixed(1).replace("-", "−")} s`;
