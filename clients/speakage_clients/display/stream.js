/**
 * The connection to the daemon: it opens the WebSocket, opens it again with growing patience when it closes, and asks
 * for the pictures it missed. It does not know what any event means beyond the ids it needs for that.
 */

import { decode } from "./wire.js";

const FIRST_DELAY_MS = 400;
const LONGEST_DELAY_MS = 8000;
/** Microphone audio waiting to be sent beyond this (about 2 s at 48 kHz) is dropped: late words help nobody. */
const AUDIO_BACKLOG_BYTES = 192_000;

export class Stream {
  #handlers = new Map();
  #socket = null;
  #timer = 0;
  #delay = FIRST_DELAY_MS;
  #newest = null;
  #stopped = null;
  #closed = false;
  droppedAudio = 0;

  /** `base` is the page's own address; the stream lives beside it. */
  constructor(base) {
    this.url = new URL("v1/stream", base);
    this.url.protocol = this.url.protocol === "https:" ? "wss:" : "ws:";
  }

  /** Call `handler(event, image)` for each event of that type; `connection` tells `online | offline | stopped`. */
  on(type, handler) {
    const handlers = this.#handlers.get(type) ?? [];
    this.#handlers.set(type, [...handlers, handler]);
    return this;
  }

  open() {
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.#hurry());
    addEventListener("pagehide", () => this.#leave());
    // a page that comes back out of the browser's cache is alive again
    addEventListener("pageshow", (shown) => shown.persisted && this.#return());
    this.#connect();
  }

  get online() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** True when the message was handed to an open connection. */
  send(message) {
    if (this.online) this.#socket.send(JSON.stringify(message));
    return this.online;
  }

  /** One piece of PCM; dropped and counted where the connection cannot keep up. */
  sendAudio(buffer) {
    if (!this.online || this.#socket.bufferedAmount > AUDIO_BACKLOG_BYTES) this.droppedAudio += 1;
    else this.#socket.send(buffer);
  }

  #connect() {
    const url = new URL(this.url);
    if (this.#newest !== null) url.searchParams.set("after", this.#newest);
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => socket === this.#socket && this.#receive(data));
    socket.addEventListener("close", () => socket === this.#socket && this.#lost());
    this.#socket = socket;
  }

  #receive(data) {
    const { event, image } = decode(data);
    this.#remember(event);
    if (event.type === "session.created") {
      this.#delay = FIRST_DELAY_MS;
      this.#stopped = null;
      this.#emit("connection", { type: "connection", state: "online" });
    }
    if (event.type === "session.stopped") this.#stopped = event.reason;
    this.#emit(event.type, event, image);
  }

  #remember(event) {
    const pictures = event.pictures ?? (event.picture ? [event.picture] : []);
    for (const { id } of pictures) this.#newest = Math.max(this.#newest ?? 0, id);
  }

  #lost() {
    if (this.#closed) return;
    const state = this.#stopped === null ? "offline" : "stopped";
    this.#emit("connection", { type: "connection", state, reason: this.#stopped });
    // a little chance keeps many displays from knocking at the same instant
    this.#timer = setTimeout(() => this.#connect(), this.#delay * (0.8 + 0.4 * Math.random()));
    this.#delay = Math.min(this.#delay * 2, LONGEST_DELAY_MS);
  }

  #hurry() {
    if (this.#closed || this.#socket?.readyState !== WebSocket.CLOSED) return;
    clearTimeout(this.#timer);
    this.#connect();
  }

  #leave() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  #return() {
    this.#closed = false;
    this.#connect();
  }

  #emit(type, event, image = null) {
    for (const handler of this.#handlers.get(type) ?? []) handler(event, image);
  }
}
