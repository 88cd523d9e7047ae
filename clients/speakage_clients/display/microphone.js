/**
 * This browser's microphone as 16-bit mono PCM in pieces of 20 ms, at the device's own rate. It does not know the
 * network: pieces go to `onAudio`, its state and one sentence to `onState`.
 */

export const SECURE_REMEDY =
  "Browsers lend a microphone only to secure pages. Open this page on the machine Speakage runs on, as " +
  "http://localhost, or start Speakage with `speakage run --tls self-signed` and open its https address.";

const REFUSALS = {
  NotAllowedError:
    "The browser did not allow the microphone. Allow it in the site settings beside the address, then press again.",
  NotFoundError: "The browser finds no microphone on this device. Connect one, then press again.",
  NotReadableError: "Another program holds this device's microphone. Close it there, then press again.",
};

export class Microphone {
  #onAudio;
  #onState;
  #context = null;
  #media = null;
  state = "off";

  constructor({ onAudio, onState }) {
    this.#onAudio = onAudio;
    this.#onState = onState;
  }

  get on() {
    return this.state === "on";
  }

  /** Hz, as announced to the daemon. */
  get rate() {
    return this.#context?.sampleRate ?? 0;
  }

  async start() {
    if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia)
      return this.#become("unavailable", SECURE_REMEDY);
    this.#become("asking", "The browser is asking for your permission.");
    try {
      await this.#open();
    } catch (error) {
      await this.#close();
      return this.#become("refused", REFUSALS[error.name] ?? `The microphone did not start: ${error.message}`);
    }
    return this.#become("on", "");
  }

  async stop(state = "off", sentence = "") {
    await this.#close();
    this.#become(state, sentence);
  }

  async #open() {
    // speech models are trained on plain recordings: cleaned-up audio costs words
    const audio = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: true };
    this.#media = await navigator.mediaDevices.getUserMedia({ audio });
    // no rate is asked for: some browsers refuse a microphone whose rate is not the context's
    this.#context = new AudioContext({ latencyHint: "interactive" });
    await this.#context.audioWorklet.addModule(new URL("capture-worklet.js", import.meta.url));
    const capture = new AudioWorkletNode(this.#context, "capture", { numberOfOutputs: 0 });
    capture.port.onmessage = ({ data }) => this.on && this.#onAudio(data);
    this.#context.createMediaStreamSource(this.#media).connect(capture);
    await this.#context.resume();
    const gone = "This browser's microphone was disconnected. Connect it, then press again.";
    this.#media.getAudioTracks()[0].addEventListener("ended", () => this.stop("refused", gone));
  }

  async #close() {
    for (const track of this.#media?.getTracks() ?? []) track.stop();
    const context = this.#context;
    this.#media = null;
    this.#context = null;
    await context?.close();
  }

  #become(state, sentence) {
    this.state = state;
    this.#onState(state, sentence);
  }
}
