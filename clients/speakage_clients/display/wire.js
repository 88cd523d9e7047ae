/**
 * The wire's frames as a browser sees them: text frames are JSON events, binary frames carry an image.
 * Pure: it opens no socket. The layout is that of speakage_daemon/serving/wire.py.
 */

const IMAGE_FRAME = 4;
const HEADER_BYTES = 8;

/** Any frame as `{event, image}`; `image` is a Blob or null. Throws RangeError on a frame of any other form. */
export function decode(data) {
  return typeof data === "string" ? { event: JSON.parse(data), image: null } : decodeImage(data);
}

function decodeImage(buffer) {
  if (buffer.byteLength < HEADER_BYTES) {
    throw new RangeError(`a binary frame has at least ${HEADER_BYTES} bytes; this one has ${buffer.byteLength}`);
  }
  const header = new DataView(buffer);
  const kind = header.getUint32(0);
  const length = header.getUint32(4);
  if (kind !== IMAGE_FRAME || HEADER_BYTES + length > buffer.byteLength) {
    throw new RangeError(`not an image frame: type ${kind}, ${length} bytes of metadata in ${buffer.byteLength}`);
  }
  const metadata = new TextDecoder().decode(new Uint8Array(buffer, HEADER_BYTES, length));
  const event = JSON.parse(metadata);
  return { event, image: new Blob([new Uint8Array(buffer, HEADER_BYTES + length)], { type: event.image_type }) };
}
