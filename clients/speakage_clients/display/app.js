/** The composition of the display: builds each view and says which event goes where. Read this first. */

import { Badges } from "./badges.js";
import { Details } from "./details.js";
import { Graph } from "./graph.js";
import { ListeningView } from "./listening.js";
import { PictureView } from "./picture.js";
import { prose } from "./prose.js";
import { Stage } from "./stage.js";
import { Starting } from "./starting.js";
import { Stream } from "./stream.js";
import { Strip } from "./strip.js";
import { TalkButton } from "./talk.js";
import { Viewer } from "./viewer.js";
import { Voice } from "./voice.js";
import { WordsView } from "./words.js";

const NAME = `browser on ${navigator.userAgent.match(/Android|iPhone|iPad|Windows|Mac|Linux/)?.[0] ?? "another screen"}`;
const find = (selector) => document.querySelector(selector);

const stream = new Stream(document.baseURI);
const badges = new Badges(find("#badges"));
const words = new WordsView(find("#wording"));
const listening = new ListeningView(find("#listening"), NAME);
const picture = new PictureView(find("#picture"), { onOpen: (item) => viewer.open(item) });
const starting = new Starting(find("#starting"), {
  stream,
  picture,
  base: document.baseURI,
  onBrought: () => {
    words.brought();
    strip.mark({});
  },
  onTrouble: (sentence) => badges.set("start", sentence),
});
const strip = new Strip(find("#strip"), {
  onOpen: (item) => viewer.open(item),
  onTrouble: (sentence) => badges.set("older", sentence),
});
const viewer = new Viewer(find("#viewer"), { items: () => strip.items, onClose: (item) => strip.focus(item) });
const details = new Details(find("#details"), { button: find("#details-open"), hint: find("#pilot-hint") });
const stage = new Stage(find("#fullscreen"));
const graph = new Graph(find("#timings"));
const voice = new Voice(stream, { name: NAME, onState: showMicrophone });
const talk = new TalkButton(find("#talk"), { onStart: () => voice.start(), onStop: () => voice.stop() });

function announce(sentence) {
  find("#announcer").textContent = sentence;
}

function changed(now) {
  listening.changed(now);
  voice.changed(now);
  talk.set(now);
  document.body.dataset.mode = now.mode;
}

function showMicrophone(state, sentence) {
  const button = find("#browser-microphone");
  button.dataset.state = state;
  button.setAttribute("aria-pressed", state === "on");
  button.querySelector("span").textContent =
    state === "on" ? "Stop using this microphone" : "Use this browser’s microphone";
  prose(find("#microphone-note"), sentence);
}

function engines(now) {
  const loading = now.backend === "loading";
  details.engines(now);
  find("#connection").textContent = loading ? "The models are loading…" : "";
  listening.waiting(loading ? "Getting ready" : "");
  voice.ready(!loading);
  starting.ready(now);
}

function unstored(event, image) {
  const { prompt, transcript, unknown_words, rewritten_from, seed, steps, width, height, backend, sha256 } = event;
  const rest = { id: null, rank: strip.top(), url: URL.createObjectURL(image), model: "", created: "" };
  return { ...rest, prompt, transcript, unknown_words, rewritten_from, seed, steps, width, height, backend, sha256 };
}

async function greet(session) {
  const known = strip.newest;
  badges.set("microphone-silent", "");
  lost("");
  badges.standing(session.badges);
  changed(session.listening);
  engines(session.engines);
  details.version(session.version);
  starting.changed(session.start ?? null);
  strip.add(session.pictures);
  words.reset();
  const [newest] = session.pictures;
  if (!newest || newest.id === known) return picture.reconnected(null);
  words.finished(newest);
  strip.mark(newest);
  if (known !== undefined) announce(`Painted meanwhile: ${newest.prompt}`);
  try {
    await picture.reconnected(newest);
    return starting.pictured();
  } catch (error) {
    if (error.name !== "EncodingError") throw error;
    return badges.set("older", "The newest picture could not be fetched; the next one will be shown.");
  }
}

async function completed(event, image) {
  const item = event.picture ?? unstored(event, image);
  strip.add([item]);
  strip.mark(item);
  words.finished({ ...item, ...event }, event.timings);
  details.timings(event.timings);
  graph.add(event);
  const left = event.unknown_words.length ? ` Not known to the model: ${event.unknown_words.join(", ")}.` : "";
  announce(`Painted: ${event.prompt}.${left}`);
  const shown = picture.completed(event, image, item);
  starting.painted();
  await shown;
}

function connection({ state, reason }) {
  document.body.dataset.connection = state;
  const stopped = `Speakage stopped (${reason}). This page goes on when it is back.`;
  find("#connection").textContent = { online: "", offline: "Connection lost. Trying again…", stopped }[state];
  if (state === "online") return;
  listening.waiting("Not connected");
  voice.ready(false);
}

function lost(sentence) {
  badges.set("microphone", sentence);
  listening.lost(Boolean(sentence));
}

function started(event) {
  badges.set("picture", "");
  picture.started(event);
  words.painting(event);
}

function typed(submit) {
  submit.preventDefault();
  const prompt = find("#prompt").value.trim();
  if (prompt && stream.send({ type: "prompt.create", prompt })) find("#prompt").value = "";
  else if (prompt) announce("Not connected: the prompt was not sent.");
}

function shortcut(event) {
  const typing = event.target.closest("input, textarea");
  if (event.key === "Escape" && starting.choosing && !find("dialog[open]")) starting.letGo();
  if (typing && event.key === "Escape") typing.blur();
  if (typing || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "f") stage.toggle();
  if (event.key === "t") announce(graph.toggle());
  if (event.key === "/" && !find("dialog[open]")) {
    event.preventDefault();
    find("#prompt").focus();
  }
}

stream
  .on("connection", connection)
  .on("session.created", greet)
  .on("listening.changed", changed)
  .on("wake.detected", (event) => listening.woken(event))
  .on("input_audio_buffer.level", (event) => listening.level(event))
  .on("input_audio_buffer.speech_started", () => {
    listening.speaking(true);
    words.hearing();
  })
  .on("input_audio_buffer.speech_stopped", () => listening.speaking(false))
  .on("transcription.updated", (event) => words.updated(event))
  .on("transcription.completed", (event) => announce(words.completed(event)))
  .on("transcription.understood", (event) => {
    const cannot = words.understood(event);
    if (cannot) announce(cannot);
  })
  .on("prompt_rewriting.started", (event) => words.rewriting(event))
  .on("prompt_rewriting.completed", (event) => {
    const told = words.rewritten(event);
    if (told) announce(told);
  })
  .on("canvas.start_changed", ({ start }) => starting.changed(start))
  .on("image_generation.started", started)
  .on("image_generation.partial_image", (event, image) => picture.partial(event, image))
  .on("image_generation.completed", completed)
  .on("image_generation.failed", ({ reason }) => {
    badges.set("picture", `This picture could not be painted: ${reason}`);
    picture.abandon();
  })
  .on("microphone.lost", ({ reason }) =>
    lost(`The microphone is lost: ${reason.replace(/\.$/, "")}. Speakage keeps trying.`),
  )
  .on("microphone.restored", () => lost(""))
  .on("microphone.silent", ({ silent }) =>
    badges.set("microphone-silent", silent ? "The microphone sends only silence: its mute button may be on." : ""),
  )
  .on("status", (event) => {
    engines(event.engines);
    badges.standing(event.badges);
  })
  .on("error", ({ code, message }) => {
    badges.set("error", message);
    if (["floor_taken", "bad_audio"].includes(code)) voice.refused(message, code === "floor_taken");
  });

find("#browser-microphone").addEventListener("click", () => voice.toggle());
find("#prompt-form").addEventListener("submit", typed);
document.addEventListener("keydown", shortcut);
stream.open();
