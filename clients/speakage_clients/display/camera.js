/** One frame of this browser’s camera. What becomes of it is not known here: `onTake` gets it, `onTrouble` a sentence. */

const SECURE_REMEDY =
  "Browsers lend a camera only to secure pages. Open this page as http://localhost on the machine Speakage runs on, " +
  "or start Speakage with `speakage run --tls self-signed` and open its https address.";
const REFUSALS = {
  NotAllowedError:
    "The browser did not allow the camera. Allow it in the site settings beside the address, then press again.",
  NotFoundError: "The browser finds no camera on this device. Connect one, then press again.",
  NotReadableError: "Another program holds this device's camera. Close it there, then press again.",
};

export class Camera {
  #dialog;
  #video;
  #onTrouble;
  #media = null;

  constructor(dialog, { onTake, onTrouble }) {
    this.#dialog = dialog;
    this.#video = dialog.querySelector("video");
    this.#onTrouble = onTrouble;
    dialog.querySelector("#camera-take").addEventListener("click", async () => {
      const frame = await createImageBitmap(this.#video);
      dialog.close();
      onTake(frame);
    });
    dialog.querySelector("#camera-close").addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => this.#stop());
  }

  async open() {
    if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia) return this.#onTrouble(SECURE_REMEDY);
    try {
      this.#media = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      this.#video.srcObject = this.#media;
      this.#dialog.showModal();
      return await this.#video.play();
    } catch (error) {
      if (this.#dialog.open) this.#dialog.close();
      this.#stop();
      return this.#onTrouble(REFUSALS[error.name] ?? `The camera did not start: ${error.message}`);
    }
  }

  #stop() {
    for (const track of this.#media?.getTracks() ?? []) track.stop();
    this.#media = null;
    this.#video.srcObject = null;
  }
}
