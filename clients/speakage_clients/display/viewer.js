/** One picture large, over everything else, with its words and a way to keep it. It does not change any picture. */

import { Painting } from "./painting.js";
import { explanation, strike } from "./words.js";

const FADE_MS = 200;

export class Viewer {
  #dialog;
  #painting;
  #items;
  #item = null;
  #onClose;

  /** `items` gives the pictures to step through, newest first. */
  constructor(dialog, { items, onClose }) {
    this.#dialog = dialog;
    this.#items = items;
    this.#onClose = onClose;
    this.#painting = new Painting(dialog.querySelector("canvas"));
    dialog.querySelector("#viewer-newer").addEventListener("click", () => this.#step(-1));
    dialog.querySelector("#viewer-older").addEventListener("click", () => this.#step(1));
    dialog.querySelector("#viewer-close").addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("close", () => this.#onClose(this.#item));
    dialog.addEventListener("keydown", ({ key }) => this.#step({ ArrowLeft: -1, ArrowRight: 1 }[key] ?? 0));
  }

  async open(item) {
    this.#item = item;
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#describe(item);
    delete this.#dialog.dataset.sha256;
    try {
      if (await this.#painting.show(item.url, FADE_MS)) this.#dialog.dataset.sha256 = item.sha256;
    } catch (error) {
      if (error.name !== "EncodingError") throw error;
      this.#say("This picture is no longer kept.");
    }
  }

  #step(by) {
    const index = this.#items().indexOf(this.#item);
    const next = by && this.#items()[index + by];
    if (next) this.open(next);
  }

  #describe(item) {
    const find = (id) => this.#dialog.querySelector(id);
    strike(find("#viewer-words"), item.transcript || item.prompt, item.unknown_words);
    find("canvas").setAttribute("aria-label", item.prompt);
    const rewritten = item.rewritten_from ? `Rewritten: ${item.prompt}.` : "";
    const unknown = item.unknown_words.length ? explanation(item.unknown_words) : "";
    this.#say([rewritten, unknown].filter(Boolean).join(" "));
    const when = item.created
      ? new Date(item.created).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })
      : "";
    const start = item.strength ? `started from a picture, strength ${item.strength}` : "";
    const size = `${item.width} × ${item.height}`;
    const facts = [when, size, `${item.steps} steps`, `seed ${item.seed}`, item.model, start];
    find("#viewer-facts").textContent = facts.filter(Boolean).join(" · ");
    Object.assign(find("#viewer-download"), { href: item.url, download: fileName(item) });
    const index = this.#items().indexOf(item);
    find("#viewer-newer").disabled = index <= 0;
    find("#viewer-older").disabled = index < 0 || index === this.#items().length - 1;
  }

  #say(sentence) {
    this.#dialog.querySelector("#viewer-note").textContent = sentence;
  }
}

function fileName({ id, prompt }) {
  const words = prompt
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "-")
    .replace(/^-|-$/g, "");
  return `speakage-${id ?? "unsaved"}-${words.slice(0, 60)}.png`;
}
