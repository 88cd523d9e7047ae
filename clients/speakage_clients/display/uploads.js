/**
 * Brings pictures to the daemon: cuts them to the shape that is painted, uploads them, and gives back the ids by which
 * messages mean them. It does not say what is done with them.
 */

const KINDS = ["image/png", "image/jpeg", "image/webp"];

/** A sentence for people: what could not be brought, and why. */
export class UploadError extends Error {}

/**
 * A picture as PNG, cut around its middle and resized to what is painted; one of that size stays exactly as it is.
 * Rejects with an UploadError for what is no picture.
 */
export async function fitted(source, { width, height }) {
  if (source instanceof Blob && !KINDS.includes(source.type))
    throw new UploadError("This is no PNG, JPEG or WebP picture. Save it as one of these, then try again.");
  let image;
  try {
    image = source instanceof Blob ? await createImageBitmap(source) : source;
  } catch {
    throw new UploadError("This picture cannot be read: it may be damaged.");
  }
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  const scale = Math.max(width / image.width, height / image.height);
  const [wide, high] = [image.width * scale, image.height * scale];
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(image, (width - wide) / 2, (height - high) / 2, wide, high);
  return canvas.convertToBlob({ type: "image/png" });
}

/** The id of an uploaded picture; rejects with an UploadError. `base` is the page's own address. */
export async function upload(blob, base) {
  let answer;
  try {
    answer = await fetch(new URL("v1/uploads", base), {
      method: "POST",
      headers: { "Content-Type": blob.type },
      body: blob,
    });
  } catch {
    throw new UploadError("Not connected: the picture was not sent.");
  }
  const body = await answer.json();
  if (!answer.ok) throw new UploadError(`The picture was not taken: ${body.error.message}`);
  return body.id;
}
