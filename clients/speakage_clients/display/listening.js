/**
 * Says whether Speakage hears, from where and how loud, and what the large button does about it. It does not capture
 * sound: see microphone.js.
 */

const QUIETEST_DBFS = -60;
const LOUDEST_DBFS = -10;
/** Where nothing can hover there is seldom a space bar. */
const keyboard = matchMedia("(hover: hover)");

export class ListeningView {
  #root;
  #button;
  #title;
  #source;
  #meter;
  #bar;
  #now = { listening: false, mode: "open", source: "none", asleep: [] };
  #waiting = "Not connected";
  #speaking = false;
  #lost = false;
  #own;
  #called = "";

  /** `own` is the name under which this browser's microphone is announced. */
  constructor(root, own) {
    this.#root = root;
    this.#own = own;
    this.#button = root.querySelector("#talk");
    this.#title = root.querySelector("#listening-state");
    this.#source = root.querySelector("#listening-source");
    this.#meter = root.querySelector("#level");
    this.#bar = root.querySelector("#level span");
    this.#render();
  }

  /** Nothing can be said to the daemon for now: why, or nothing when it can. */
  waiting(sentence) {
    this.#waiting = sentence;
    this.#speaking &&= !sentence;
    this.#render();
  }

  changed({ listening, mode, source, waiting_for: asleep = [] }) {
    this.#now = { listening, mode, source, asleep };
    if (asleep.length) this.#called = "";
    this.#speaking &&= listening;
    this.#render();
  }

  /** A wake word was heard: who is there, until one is needed again. */
  woken({ word, persona }) {
    this.#called = persona ? `${persona} listens` : `Heard “${word}”`;
    this.#now.asleep = [];
    this.#render();
  }

  speaking(speaking) {
    this.#speaking = speaking;
    this.#render();
  }

  /** The daemon's microphone is away, and it keeps trying. */
  lost(lost) {
    this.#lost = lost;
    this.#speaking &&= !lost;
    this.#render();
  }

  level({ rms_dbfs: rms, speech }) {
    if (this.#now.listening && !this.#away) this.#loud(rms, speech);
  }

  #loud(rms, speech) {
    const share = Math.min(1, Math.max(0, (rms - QUIETEST_DBFS) / (LOUDEST_DBFS - QUIETEST_DBFS)));
    this.#root.style.setProperty("--level", share.toFixed(3));
    this.#bar.style.transform = `scaleX(${share.toFixed(3)})`;
    this.#root.dataset.speech = speech > 0.5;
    this.#meter.setAttribute("aria-valuenow", Math.round(share * 100));
    this.#meter.setAttribute("aria-valuetext", `${Math.round(rms)} dB`);
  }

  #render() {
    const { listening, mode, source } = this.#now;
    const open = !this.#waiting && listening && source !== "none";
    const hears = open && !this.#away;
    Object.assign(this.#root.dataset, { listening: hears, mode, speaking: this.#speaking });
    write(this.#title, this.#sentence(hears, mode, source));
    write(this.#source, this.#waiting ? "" : this.#from(mode, source, hears));
    this.#button.disabled = Boolean(this.#waiting);
    const label = mode === "push" ? "Hold to talk" : open ? "Mute" : "Listen";
    this.#button.setAttribute("aria-label", label);
    this.#button.title = mode === "push" ? "Hold to talk (space bar)" : label;
    if (mode === "push") this.#button.setAttribute("aria-pressed", open);
    else this.#button.removeAttribute("aria-pressed");
    if (!hears) this.#loud(QUIETEST_DBFS, 0);
  }

  /** A client's microphone is not the one that was lost. */
  get #away() {
    return this.#lost && !this.#now.source.startsWith("client");
  }

  #sentence(hears, mode, source) {
    if (this.#waiting) return this.#waiting;
    if (this.#away) return "No sound arrives";
    if (hears && this.#now.asleep.length) return `Say ${this.#now.asleep.map((word) => `“${word}”`).join(" or ")}`;
    if (hears && this.#called) return this.#called;
    if (hears) return this.#speaking ? "Hearing you" : mode === "push" ? "Speak, then let go" : "Listening";
    if (mode === "push") return "Hold to talk";
    return source === "none" ? "No microphone" : "Muted";
  }

  #from(mode, source, hears) {
    const place = this.#place(source);
    return mode === "push" && !hears && keyboard.matches ? `or hold the space bar · ${place}` : place;
  }

  #place(source) {
    if (source === "none") return "this browser's can be used instead";
    const [kind, ...name] = source.split(": ");
    if (kind === "client" && name.join(": ") === this.#own) return "this browser's microphone";
    return kind === "client" ? `microphone of ${name.join(": ")}` : source;
  }
}

/** Assistive technology reads a live text again whenever it is written, changed or not. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
