/** Which models run, on what and why, and how long the last picture took, for whoever asks. It does not measure. */

import { prose } from "./prose.js";

const PILOT = /embedded|pilot/i;
const STAGES = [
  ["transcribe_ms", "finishing the words"],
  ["rewrite_ms", "rewriting"],
  ["queue_ms", "waiting"],
  ["encode_prompt_ms", "reading the prompt"],
  ["denoise_ms", "painting"],
  ["decode_ms", "developing"],
  ["encode_image_ms", "wrapping up"],
  ["total_ms", "in all"],
  ["since_last_voiced_ms", "since the last word"],
  ["decision_to_final_ms", "since the end of the sentence was found"],
];

export class Details {
  #dialog;
  #hint;

  constructor(dialog, { button, hint }) {
    this.#dialog = dialog;
    this.#hint = hint;
    for (const opener of [button, hint]) opener.addEventListener("click", () => dialog.showModal());
    dialog.querySelector("#details-close").addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }

  engines(engines) {
    const { speech_model: speech, picture_model: picture, backend } = engines;
    this.#fill("speech", speech, engines.speech_reason);
    this.#fill("picture", picture, engines.picture_reason);
    this.#fill("backend", `${backend}, ${engines.precision}`, engines.backend_reason);
    this.#fill("size", `${engines.width} × ${engines.height}`, `${engines.steps} steps`);
    const pilot = PILOT.test(speech) || PILOT.test(picture);
    this.#hint.hidden = !pilot;
    this.#dialog.querySelector("#details-pilot").hidden = !pilot;
  }

  version(version) {
    this.#dialog.querySelector("#details-version").textContent = `Speakage ${version}`;
  }

  timings(timings) {
    const rows = STAGES.filter(([key]) => timings[key] !== null && timings[key] !== undefined);
    const sentence = rows.map(([key, name]) => `${name} ${Math.round(timings[key])} ms`).join(" · ");
    this.#fill("timings", sentence, "");
  }

  #fill(name, value, reason) {
    this.#dialog.querySelector(`#details-${name}`).textContent = value;
    prose(this.#dialog.querySelector(`#details-${name}-why`), reason);
  }
}
