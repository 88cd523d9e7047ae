"""A daemon that hears and paints nothing: it serves the real display and plays events that a test or a person scripts.

It speaks the real wire (:mod:`speakage_daemon.serving.wire`) over a real port, with pictures that the embedded model
painted. It does *not* decide anything: what is sent is what the caller sends. Run it to look at the display:
``python tests/clients/dummy_daemon.py 8790``.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import json
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import numpy as np
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from speakage_daemon import events
from speakage_daemon.serving import wire
from speakage_daemon.serving.guard import SECURITY_HEADERS
from speakage_daemon.uploads import Uploads, decode

PICTURES = Path(__file__).parent / "pictures"
DISPLAY = files("speakage_clients") / "display"
BACKEND = "openvino"
MESSAGE = TypeVar("MESSAGE")

ENGINES = events.Engines(
    speech_model="embedded ears",
    speech_reason="no Whisper model is on disk; `speakage models get whisper-small` gets one",
    picture_model="embedded pilot",
    picture_reason="no Stable Diffusion model is on disk; `speakage models get sd-turbo` gets one",
    backend=BACKEND,
    backend_reason="the default on a machine without a GPU",
    precision="bf16",
    steps=6,
    width=128,
    height=128,
)


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture on disk and the words it was painted from."""

    name: str
    prompt: str

    @property
    def png(self) -> bytes:
        return (PICTURES / f"{self.name}.png").read_bytes()

    @property
    def sha256(self) -> str:
        with Image.open(PICTURES / f"{self.name}.png") as image:
            return hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()


SCENES = {
    scene.name: scene
    for scene in (
        Scene("rocket", "a rocket in space"),
        Scene("boat", "a boat at sunset"),
        Scene("cat", "a cat in a meadow"),
        Scene("robot", "a robot in the forest"),
        Scene("house", "a house at night"),
        Scene("fish", "a fish under water"),
        Scene("balloon", "a balloon on a blue background"),
        Scene("car", "a car on a beach"),
        Scene("castle", "a castle in the snow"),
    )
}


class DummyDaemon:
    """Runs in a thread between ``with`` and its end. All methods may be called from any thread."""

    def __init__(self, port: int = 0) -> None:
        self.engines = ENGINES
        self.listening = events.Listening(listening=True, mode="open", source="microphone: Desk")
        self.badges: tuple[str, ...] = ()
        self.gallery: list[tuple[events.Picture, bytes]] = []
        self.messages: list[events.ClientMessage] = []
        self.uploads: dict[str, np.ndarray] = {}
        """Pictures and masks by their ids, as they were sent."""
        self.refusal = ""
        """Why no upload is taken, if so."""
        self.audio = bytearray()
        self.afters: list[int | None] = []
        self._ids = itertools.count(1)
        self._utterances = itertools.count(1)
        self._clients: set[WebSocket] = set()
        self._floor: WebSocket | None = None
        self._changed = threading.Condition()
        self._ready = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        config = uvicorn.Config(
            self._app(), log_level="warning", ws="websockets-sansio", timeout_graceful_shutdown=1, lifespan="on"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(20):
            raise TimeoutError("the dummy daemon did not start within 20 s")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        self._socket.close()

    def store(self, name: str, *, transcript: str = "", unknown: tuple[str, ...] = ()) -> events.Picture:
        """Put a picture into the gallery without telling anyone."""
        scene = SCENES[name]
        number = len(self.gallery) + 1
        picture = events.Picture(
            id=number,
            prompt=scene.prompt,
            transcript=transcript or scene.prompt,
            unknown_words=unknown,
            seed=1000 + number,
            steps=6,
            width=128,
            height=128,
            model=self.engines.picture_model,
            backend=BACKEND,
            sha256=scene.sha256,
            created="2026-11-20T10:15:00Z",
            url=f"/v1/pictures/{number}.png",
        )
        self.gallery.append((picture, scene.png))
        return picture

    def send(self, event: events.DaemonEvent) -> None:
        """A text frame to every client."""
        self._broadcast(wire.encode_event(replace(event, event_id=next(self._ids))))

    def send_image(self, event: wire.ImageFrame, image: bytes) -> None:
        """A binary frame to every client; an event that has an id already keeps it."""
        self._broadcast(wire.encode_image(replace(event, event_id=event.event_id or next(self._ids)), image))

    def begin(self, name: str, transcript: str = "", unknown: tuple[str, ...] = ()) -> Painting:
        """Announce that a picture is being painted."""
        painting = Painting(self, SCENES[name], next(self._utterances), transcript or SCENES[name].prompt, unknown)
        self.send(
            events.ImageStarted(
                **painting.common, transcript=painting.transcript, unknown_words=unknown, width=128, height=128
            )
        )
        return painting

    def drop(self) -> None:
        """Close every connection, as a daemon that restarts does."""
        self._call(self._close)

    def wait_for(self, kind: type[MESSAGE]) -> MESSAGE:
        """The newest message of that kind, once there is one."""
        self.wait_until(lambda: any(isinstance(message, kind) for message in self.messages))
        return next(message for message in reversed(self.messages) if isinstance(message, kind))

    def wait_until(self, holds: Callable[[], bool], timeout_s: float = 15) -> None:
        with self._changed:
            if not self._changed.wait_for(holds, timeout_s):
                raise TimeoutError(
                    f"not within {timeout_s} s; received {self.messages!r}, {len(self.audio)} bytes of audio"
                )

    @property
    def clients(self) -> int:
        return len(self._clients)

    def _broadcast(self, frame: str | bytes) -> None:
        self._call(lambda: self._send(frame))

    async def _send(self, frame: str | bytes) -> None:
        for client in tuple(self._clients):
            # a browser that has just left is no error
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                await (client.send_text(frame) if isinstance(frame, str) else client.send_bytes(frame))

    async def _close(self) -> None:
        for client in tuple(self._clients):
            await client.close(1012)

    def _call(self, action: Callable[[], Any]) -> None:
        asyncio.run_coroutine_threadsafe(action(), self._loop).result(10)

    def _app(self) -> Starlette:
        routes = [
            Route("/", self._page),
            Route("/display/{name}", self._file),
            Route("/v1/pictures", self._pictures),
            Route("/v1/pictures/{number:int}.png", self._picture),
            Route("/v1/uploads", self._upload, methods=["POST"]),
            WebSocketRoute("/v1/stream", self._stream),
        ]
        return Starlette(routes=routes, lifespan=self._lifespan)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        self._ready.set()
        yield

    async def _page(self, _: Request) -> Response:
        return self._display("index.html")

    async def _file(self, request: Request) -> Response:
        return self._display(request.path_params["name"])

    def _display(self, name: str) -> Response:
        return FileResponse(str(DISPLAY / name), headers={**SECURITY_HEADERS, "Cache-Control": "no-cache"})

    async def _pictures(self, request: Request) -> Response:
        limit = int(request.query_params.get("limit", 20))
        before = int(request.query_params.get("before", len(self.gallery) + 1))
        found = [picture for picture, _ in reversed(self.gallery) if picture.id < before][:limit]
        body = events.SessionCreated(version="", engines=self.engines, listening=self.listening, pictures=tuple(found))
        return JSONResponse({"pictures": _json(body)["pictures"]})

    async def _picture(self, request: Request) -> Response:
        return Response(self.gallery[request.path_params["number"] - 1][1], media_type="image/png")

    async def _upload(self, request: Request) -> Response:
        if self.refusal:
            return JSONResponse({"error": {"code": "bad_picture", "message": self.refusal}}, status_code=400)
        rgb = decode(await request.body())
        kept = Uploads(128, 128).keep(rgb)
        self.uploads[kept.id] = rgb
        return JSONResponse({"id": kept.id, "width": kept.width, "height": kept.height}, status_code=201)

    async def _stream(self, client: WebSocket) -> None:
        await client.accept()
        after = client.query_params.get("after")
        pictures = tuple(picture for picture, _ in reversed(self.gallery))
        pictures = tuple(picture for picture in pictures if picture.id > int(after)) if after else pictures[:5]
        session = events.SessionCreated(
            event_id=next(self._ids),
            version="0.1.0",
            engines=self.engines,
            listening=self.listening,
            badges=self.badges,
            pictures=pictures,
        )
        await client.send_text(wire.encode_event(session))
        self.afters.append(int(after) if after else None)
        self._clients.add(client)
        self._note()
        try:
            await self._receive(client)
        finally:
            self._clients.discard(client)
            self._release(client)
            self._note()

    async def _receive(self, client: WebSocket) -> None:
        while (frame := await client.receive())["type"] == "websocket.receive":
            if frame.get("text") is not None:
                message = wire.decode_message(frame["text"])
                self._obey(client, message)
                if isinstance(message, events.CanvasStart):
                    await client.send_text(wire.encode_event(_started(message, next(self._ids))))
            elif self._floor is client:
                self.audio.extend(frame["bytes"])
            else:
                refusal = events.Error(code="bad_audio", message="audio came from a client that has not the floor")
                await client.send_text(wire.encode_event(refusal))
            self._note()

    def _obey(self, client: WebSocket, message: events.ClientMessage) -> None:
        """Keeps the floor as the real daemon does: taken by session.update, given up by listen.stop."""
        self.messages.append(message)
        match message:
            case events.SessionUpdate():
                self._floor = client
            case events.ListenStop():
                self._release(client)
            case _:
                pass

    def _release(self, client: WebSocket) -> None:
        self._floor = None if self._floor is client else self._floor

    def _note(self) -> None:
        with self._changed:
            self._changed.notify_all()


@dataclass(slots=True)
class Painting:
    """One picture in the making."""

    daemon: DummyDaemon
    scene: Scene
    utterance: int
    transcript: str
    unknown: tuple[str, ...]
    revision: int = 1

    @property
    def common(self) -> dict[str, Any]:
        names = {"utterance": self.utterance, "revision": self.revision, "prompt": self.scene.prompt}
        return {**names, "seed": 7, "steps": 6, "backend": BACKEND}

    def step(self, step: int) -> None:
        """The preview of that step; the last one is the whole picture."""
        last = step == 6
        image = self.scene.png if last else (PICTURES / f"{self.scene.name}-{step}.jpg").read_bytes()
        kind: Literal["image/jpeg", "image/png"] = "image/png" if last else "image/jpeg"
        event = events.PartialImage(**self.common, step=step, width=128, height=128, image_type=kind)
        self.daemon.send_image(event, image)

    def complete(
        self, *, stored: bool = True, since_last_voiced_ms: float | None = 640.0, first_preview_ms: float | None = None
    ) -> events.ImageCompleted:
        picture = (
            self.daemon.store(self.scene.name, transcript=self.transcript, unknown=self.unknown) if stored else None
        )
        event = events.ImageCompleted(
            **self.common,
            picture=picture,
            transcript=self.transcript,
            unknown_words=self.unknown,
            width=128,
            height=128,
            image_type="image/png",
            sha256=self.scene.sha256,
            promoted=True,
            timings=events.Timings(
                transcribe_ms=21,
                queue_ms=1,
                encode_prompt_ms=3,
                denoise_ms=182,
                decode_ms=24,
                total_ms=231,
                since_last_voiced_ms=since_last_voiced_ms,
                last_voiced_to_first_preview_ms=first_preview_ms,
                last_voiced_to_final_pixels_ms=since_last_voiced_ms,
            ),
        )
        self.daemon.send_image(event, self.scene.png)
        return event


def _started(message: events.CanvasStart, event_id: int) -> events.StartChanged:
    if message.image_id is None:
        return events.StartChanged(event_id=event_id, start=None)
    strength = message.strength or (1.0 if message.mask_id else 0.6)
    start = events.Start(image_id=message.image_id, mask_id=message.mask_id or "", strength=strength)
    return events.StartChanged(event_id=event_id, start=start)


def _json(event: events.DaemonEvent) -> dict[str, Any]:
    return dict(json.loads(wire.encode_event(event)))


def speak(daemon: DummyDaemon, pause: Callable[[float], None] = time.sleep) -> Iterator[str]:
    """One spoken sentence from first word to final picture, in the pace of life; yields what just happened."""
    daemon.send(events.SpeechStarted(utterance=1, sample=0))
    yield "started"
    words = ["paint", "me", "a", "wonderful", "castle", "in", "the", "snow"]
    for count in range(1, len(words) + 1):
        pause(0.25)
        level = -40.0 + 14 * (count % 3)
        daemon.send(events.AudioLevel(rms_dbfs=level, peak_dbfs=level + 9, speech=0.9))
        committed, pending = " ".join(words[: max(0, count - 2)]), " ".join(words[max(0, count - 2) : count])
        daemon.send(events.TranscriptionUpdated(utterance=1, committed=committed, pending=pending))
        yield "words"
    painting = daemon.begin("castle", " ".join(words), ("wonderful",))
    for step in range(1, 7):
        pause(0.12)
        painting.step(step)
        yield f"step {step}"
    daemon.send(
        events.TranscriptionCompleted(utterance=1, text=" ".join(words), transcribe_ms=21, since_last_voiced_ms=260)
    )
    daemon.send(events.SpeechStopped(utterance=1, sample=48_000, last_voiced_sample=38_400, reason="silence"))
    daemon.send(events.AudioLevel(rms_dbfs=-52, peak_dbfs=-44, speech=0.05))
    painting.complete()
    yield "completed"


def main() -> None:
    with DummyDaemon(int(sys.argv[1]) if len(sys.argv) > 1 else 0) as daemon:
        for name in SCENES:
            daemon.store(name)
        print(f"{daemon.url} plays one sentence every 8 s; stop it with Ctrl-C")
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                for _ in speak(daemon):
                    pass
                time.sleep(8)


if __name__ == "__main__":
    main()
