/**
 * The words as they settle: committed ones firm, pending ones light, those the picture model does not know struck
 * through, with one sentence that says so. It does not decide what was heard or what is painted.
 */

const SMALLEST_PX = 22;
const NOTHING = {
  no_speech: "No words were heard in that.",
  low_confidence: "That was not clear enough to paint.",
  repetition: "That was not clear enough to paint.",
  not_addressed: "That was not said to Speakage.",
  woken: "Go on: what would you like to see?",
};

const KINDS = { create: "new picture", edit: "change", command: "command" };

export class WordsView {
  #line;
  #note;
  #painted;
  #latency;
  #understood;
  #utterance = null;
  #committed = "";
  #pending = "";
  #unknown = new Set();
  #size = Infinity;

  constructor(root) {
    this.#line = root.querySelector("#words");
    this.#note = root.querySelector("#unknown");
    this.#painted = root.querySelector("#painted");
    this.#latency = root.querySelector("#latency");
    this.#understood = root.querySelector("#understood");
    new ResizeObserver(() => this.#fit(true)).observe(this.#line.parentElement);
    document.fonts.ready.then(() => this.#fit(true));
  }

  /** Somebody began to speak: the former words step back until there are new ones. */
  hearing() {
    this.#line.dataset.state = "hearing";
  }

  /** A picture is there to start from: the former words were not about it. */
  brought() {
    this.#begin(null);
    this.#write("Say what it should become", "", "idle");
  }

  updated({ utterance, committed, pending }) {
    if (utterance !== this.#utterance) this.#begin(utterance);
    this.#write(committed, pending, "growing");
  }

  /** The final words; returns what to tell those who cannot see them. */
  completed({ utterance, text, reason }) {
    if (utterance !== this.#utterance) this.#begin(utterance);
    this.#write(text, "", text ? "settled" : "nothing");
    if (text) return `Heard: ${text}`;
    const sentence = NOTHING[reason] ?? NOTHING.no_speech;
    this.#note.textContent = sentence;
    this.#fit(true);
    return sentence;
  }

  /** What the words mean, in a few words each, and what of it cannot be done; returns what to tell of the latter. */
  understood({ utterance, kind, chips, cannot }) {
    if (utterance !== this.#utterance) this.#begin(utterance);
    const items = [KINDS[kind], ...chips].map((text) => {
      const item = document.createElement("li");
      item.textContent = text;
      return item;
    });
    this.#understood.dataset.cannot = Boolean(cannot);
    this.#understood.replaceChildren(...items);
    const sentence = cannot ? `That is understood, but cannot be done yet: ${cannot}.` : "";
    this.#note.textContent = sentence;
    this.#fit(true);
    return sentence;
  }

  /** Its prompt is being rewritten, and its picture waits for that. */
  rewriting({ utterance, transcript }) {
    if (utterance !== this.#utterance) {
      this.#begin(utterance);
      this.#write(transcript, "", "settled");
    }
    this.#chip("being rewritten…", "asked");
  }

  /** What came of that, beside what was understood; returns what to tell those who cannot see it. */
  rewritten({ utterance, outcome, chip, prompt }) {
    if (utterance !== this.#utterance) return "";
    this.#chip(outcome === "superseded" ? "" : chip, outcome);
    if (outcome === "superseded") return "";
    return outcome === "rewritten" ? `Rewritten: ${prompt}` : chip;
  }

  /** What the painter took up: the words it leaves out, and the text it paints where that differs. */
  painting(event) {
    if (event.utterance !== this.#utterance) {
      this.#begin(event.utterance);
      this.#write(event.transcript, "", "settled");
    }
    this.#explain(event, "Painting");
  }

  /** A finished picture's own words, and how long the person waited for it. */
  finished(item, timings = null) {
    if (this.#line.dataset.state !== "growing") {
      this.#write(item.transcript || item.prompt, "", "settled");
      this.#explain(item, "Painted");
    }
    this.#latency.textContent = timings ? waited(timings) : "";
  }

  /** Utterances are counted anew by a daemon that was started again. */
  reset() {
    this.#utterance = null;
    if (["growing", "hearing"].includes(this.#line.dataset.state)) this.#line.dataset.state = "settled";
  }

  #chip(text, outcome) {
    this.#understood.querySelector("[data-rewriting]")?.remove();
    if (text) {
      const item = document.createElement("li");
      item.textContent = text;
      item.dataset.rewriting = outcome;
      this.#understood.append(item);
    }
    this.#fit(true);
  }

  #begin(utterance) {
    this.#utterance = utterance;
    this.#unknown = new Set();
    this.#size = Infinity;
    this.#understood.dataset.cannot = false;
    for (const part of [this.#note, this.#painted, this.#latency, this.#understood]) part.textContent = "";
  }

  #explain({ prompt, transcript, unknown_words: unknown = [] }, verb) {
    this.#unknown = new Set(unknown.flatMap((phrase) => split(phrase).map(bare)));
    const same =
      split(prompt).map(bare).join(" ") ===
      split(transcript || prompt)
        .map(bare)
        .join(" ");
    this.#painted.textContent = same ? "" : `${verb}: ${prompt}`;
    this.#note.textContent = unknown.length ? explanation(unknown) : "";
    this.#render();
  }

  #write(committed, pending, state) {
    this.#committed = committed;
    this.#pending = pending;
    this.#line.dataset.state = state;
    this.#render();
  }

  /** Words that stay keep their element, so that only new ones fade in. */
  #render() {
    const firm = split(this.#committed).map((word) => [word, "firm"]);
    const words = [...firm, ...split(this.#pending).map((word) => [word, "pending"])];
    const old = [...this.#line.querySelectorAll("[data-word]")];
    const nodes = words.map(([word, kind], index) => this.#node(old[index], word, kind));
    if (nodes.some((node, index) => node !== old[index]) || old.length !== nodes.length) {
      this.#line.replaceChildren(...nodes.flatMap((node, index) => (index ? [" ", node] : [node])));
    }
    this.#fit(false);
  }

  #node(old, word, kind) {
    const name = this.#unknown.has(bare(word)) ? "S" : "SPAN";
    const kept = old?.textContent === word && old.tagName === name;
    const node = kept ? old : document.createElement(name);
    if (!kept) node.textContent = word;
    node.dataset.word = kind;
    return node;
  }

  /** As large as the place allows. While words grow the size only falls: letters that breathe are hard to read. */
  #fit(afresh) {
    const place = this.#line.parentElement;
    this.#line.style.fontSize = "";
    const wanted = parseFloat(getComputedStyle(this.#line).fontSize);
    let size = afresh ? wanted : Math.min(this.#size, wanted);
    const set = () => (this.#line.style.fontSize = `${size}px`);
    const tooLarge = () =>
      this.#line.offsetHeight > place.clientHeight + 1 || this.#line.scrollWidth > this.#line.clientWidth;
    for (set(); size > SMALLEST_PX && tooLarge(); set()) size -= 2;
    this.#size = size;
  }
}

/** "a" → “a”; several → “a”, “b” and “c”. */
export function explanation(unknown) {
  const quoted = unknown.map((word) => `“${word}”`);
  const last = quoted.pop();
  const list = quoted.length ? `${quoted.join(", ")} and ${last}` : last;
  return `The picture model does not know ${list}: ${unknown.length > 1 ? "those words were" : "that word was"} left out.`;
}

/** Fill `element` with `text`, its unknown words struck through. */
export function strike(element, text, unknown) {
  const known = new Set(unknown.flatMap((phrase) => split(phrase).map(bare)));
  const nodes = split(text).map((word) => {
    const node = document.createElement(known.has(bare(word)) ? "s" : "span");
    node.textContent = word;
    return node;
  });
  element.replaceChildren(...nodes.flatMap((node, index) => (index ? [" ", node] : [node])));
}

function waited({ since_last_voiced_ms: voiced, total_ms: total }) {
  if (voiced < 0) return `${seconds(-voiced)} before your last word`;
  if (voiced !== null && voiced !== undefined) return `${seconds(voiced)} after your last word`;
  return total === null || total === undefined ? "" : `painted in ${seconds(total)}`;
}

const seconds = (ms) => `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0)} s`;
const split = (text) => text.split(/\s+/u).filter(Boolean);
const bare = (word) => word.toLowerCase().replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, "");
