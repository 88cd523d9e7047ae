/** Runs on the audio thread: any number of channels to mono, float to int16, 128 samples at a time to 20 ms pieces. */

const PIECE_SECONDS = 0.02;

class Capture extends AudioWorkletProcessor {
  #piece = new Int16Array(Math.round(sampleRate * PIECE_SECONDS));
  #filled = 0;

  process([channels]) {
    const length = channels[0]?.length ?? 0;
    for (let index = 0; index < length; index += 1) {
      let sum = 0;
      for (const channel of channels) sum += channel[index];
      this.#push(sum / channels.length);
    }
    return true;
  }

  #push(value) {
    this.#piece[this.#filled] = Math.max(-32768, Math.min(32767, Math.round(value * 32768)));
    this.#filled += 1;
    if (this.#filled < this.#piece.length) return;
    const { buffer } = this.#piece;
    this.port.postMessage(buffer, [buffer]);
    this.#piece = new Int16Array(Math.round(sampleRate * PIECE_SECONDS));
    this.#filled = 0;
  }
}

registerProcessor("capture", Capture);
