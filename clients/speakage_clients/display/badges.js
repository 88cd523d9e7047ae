/** Troubles a person should see, one sentence each, for as long as they last. It does not find them. */

import { prose } from "./prose.js";

export class Badges {
  #list;
  #standing = [];
  #own = new Map();

  constructor(list) {
    this.#list = list;
  }

  /** The daemon's standing troubles, whole: they replace the former ones. */
  standing(sentences) {
    this.#standing = sentences;
    this.#draw();
  }

  /** One trouble of our own by `key`; an empty sentence ends it. */
  set(key, sentence) {
    if (sentence) this.#own.set(key, sentence);
    else this.#own.delete(key);
    this.#draw();
  }

  #draw() {
    // the daemon's own sentence about its microphone says more than the one derived from the event
    const told = this.#standing.some((sentence) => /microphone/i.test(sentence));
    const own = [...this.#own]
      .filter(([key]) => !(told && aboutMicrophone(key)))
      .map(([key, sentence]) => [sentence, key]);
    const wanted = new Map([...this.#standing.map((sentence) => [sentence, null]), ...own]);
    for (const node of [...this.#list.children]) if (!wanted.has(node.dataset.sentence)) node.remove();
    const shown = new Set([...this.#list.children].map((node) => node.dataset.sentence));
    for (const [sentence, key] of wanted) if (!shown.has(sentence)) this.#list.append(this.#node(sentence, key));
  }

  #node(sentence, key) {
    const node = document.createElement("li");
    const text = document.createElement("span");
    node.dataset.sentence = sentence;
    prose(text, sentence);
    node.append(text);
    if (key !== null && !aboutMicrophone(key)) node.append(this.#dismiss(key));
    return node;
  }

  #dismiss(key) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.textContent = "Dismiss";
    button.addEventListener("click", () => this.set(key, ""));
    return button;
  }
}

/** These end when the microphone is back, not when someone is tired of reading them. */
const aboutMicrophone = (key) => key.startsWith("microphone");
