/**
 * What the talk button and this browser's microphone mean to the daemon: who has the floor, and when sound is sent.
 *
 * Sound is sent only while this browser has the floor: `session.update` takes it, `listen.stop` gives it up. In `open`
 * mode it takes a second `listen.stop` to mute the daemon too. It captures nothing and shows nothing itself.
 */

import { Microphone } from "./microphone.js";

export class Voice {
  #stream;
  #name;
  #microphone;
  #onState;
  #now = { listening: false, mode: "open", source: "none" };
  #ready = false;
  /** Whether this browser has the floor, or takes it as soon as the daemon is ready. */
  #floor = false;
  #mutedBefore = false;

  /** `name` is told to every display while this browser is heard; `onState(state, sentence)` as in microphone.js. */
  constructor(stream, { name, onState }) {
    this.#stream = stream;
    this.#name = name;
    this.#onState = onState;
    this.#microphone = new Microphone({
      onAudio: (pcm) => this.#ready && this.#floor && stream.sendAudio(pcm),
      onState: (state, sentence) => this.#became(state, sentence),
    });
  }

  /** What the daemon last said about listening. */
  changed(now) {
    this.#now = now;
  }

  /** Whether the daemon is there and its models are loaded. With a connection the floor is lost, and taken again. */
  ready(ready) {
    const again = ready && !this.#ready && this.#floor;
    this.#ready = ready;
    if (!again) return;
    this.#take();
    if (!this.#now.listening) this.#send("listen.start");
  }

  /** The talk button: where the daemon has no microphone, it means this browser's. */
  async start() {
    if (this.#now.mode === "open" && this.#now.source === "none" && !this.#microphone.on) return this.toggle();
    if (this.#microphone.on && !this.#floor) this.#take();
    return this.#send("listen.start");
  }

  /** The talk button again: nobody is heard any more. */
  stop() {
    if (this.#floor && this.#now.mode === "open") this.#send("listen.stop");
    this.#floor = false;
    this.#send("listen.stop");
  }

  /** Begin or end using this browser's microphone. */
  async toggle() {
    if (this.#microphone.on) return this.#microphone.stop();
    const { listening, mode } = this.#now;
    this.#mutedBefore = !listening;
    await this.#microphone.start();
    if (!this.#microphone.on || mode === "push") return undefined;
    this.#take();
    return listening || this.#send("listen.start");
  }

  /** The daemon does not take this browser's sound; `taken`: because somebody else has the floor. */
  async refused(sentence, taken) {
    if (taken) this.#floor = false;
    if (this.#microphone.on) await this.#microphone.stop("refused", sentence);
  }

  #take() {
    const { rate } = this.#microphone;
    this.#floor = true;
    if (!this.#ready) return;
    this.#stream.send({ type: "session.update", audio_rate: rate, audio_format: "pcm_s16le", name: this.#name });
  }

  #became(state, sentence) {
    if (state !== "on" && this.#floor) {
      this.#floor = false;
      this.#send("listen.stop");
      if (this.#now.mode === "open" && this.#mutedBefore) this.#send("listen.stop");
    }
    this.#onState(state, sentence);
  }

  #send(type) {
    return this.#stream.send({ type });
  }
}
