"""A daemon's serving part on a free port, with fakes behind it: for the tests of serving and of the clients."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import io
import itertools
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from speakage_daemon.config import ServerSettings
from speakage_daemon.errors import SourceError
from speakage_daemon.events import CanvasStart, ImageCompleted, PartialImage, Picture, PromptCreate, Timings
from speakage_daemon.serving.hub import Hub
from speakage_daemon.serving.server import Server
from speakage_daemon.uploads import Upload, Uploads


@dataclass
class FakeInlet:
    """Keeps what one client said."""

    name: str
    rate: int
    audio_format: str
    heard: bytearray = field(default_factory=bytearray)
    closed: bool = False

    def feed(self, data: bytes) -> None:
        if self.audio_format == "pcm_s16le" and len(data) % 2:
            raise SourceError(f"client {self.name}: {len(data)} bytes are no whole number of 16-bit samples")
        self.heard += data

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeDesk:
    """Keeps what clients asked for; ``asked`` holds one entry for each."""

    asked: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    prompts: list[PromptCreate] = field(default_factory=list)
    inlets: list[FakeInlet] = field(default_factory=list)
    starts: list[CanvasStart] = field(default_factory=list)
    uploads: Uploads = field(default_factory=lambda: Uploads(16, 16))
    mistake: Exception | None = None

    def listen_start(self) -> None:
        self.asked.put_nowait("listen_start")

    def listen_stop(self) -> None:
        self.asked.put_nowait("listen_stop")

    def paint(self, message: PromptCreate) -> None:
        if self.mistake is not None:
            raise self.mistake
        self.prompts.append(message)
        self.asked.put_nowait("paint")

    def keep_picture(self, rgb: np.ndarray) -> Upload:
        if self.mistake is not None:
            raise self.mistake
        return self.uploads.keep(rgb)

    def start_from(self, message: CanvasStart) -> None:
        if self.mistake is not None:
            raise self.mistake
        self.starts.append(message)
        self.asked.put_nowait("start_from")

    def take_floor(self, name: str, rate: int, audio_format: str) -> FakeInlet:
        if rate == 8_001:
            raise SourceError("8001 Hz cannot be resampled")
        self.inlets.append(FakeInlet(name, rate, audio_format))
        self.asked.put_nowait("take_floor")
        return self.inlets[-1]


class FakePictures:
    """The gallery's interface over a folder of files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept: dict[int, Picture] = {}
        self.mistake: Exception | None = None

    def add(self, picture: Picture, png: bytes) -> None:
        self.kept[picture.id] = picture
        self._file(picture.id).write_bytes(png)

    def latest(self, limit: int, before: int | None = None) -> Sequence[Picture]:
        if self.mistake is not None:
            raise self.mistake
        numbers = sorted((number for number in self.kept if before is None or number < before), reverse=True)
        return [self.kept[number] for number in numbers[:limit]]

    def after(self, picture_id: int, limit: int) -> Sequence[Picture]:
        return [picture for picture in self.latest(10**6) if picture.id > picture_id][:limit]

    def get(self, picture_id: int) -> Picture | None:
        return self.kept.get(picture_id)

    def png_path(self, picture_id: int) -> Path | None:
        return self._file(picture_id) if picture_id in self.kept else None

    def delete(self, picture_id: int) -> bool:
        return self.kept.pop(picture_id, None) is not None

    def _file(self, picture_id: int) -> Path:
        return self.folder / f"{picture_id}.png"


@dataclass
class Answer:
    """What came back over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Stand:
    """A running server and what stands behind it."""

    settings: ServerSettings
    hub: Hub
    desk: FakeDesk
    pictures: FakePictures
    server: Server
    stopped: Callable[[], object]
    reason: str | None = None

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/stream"

    async def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        context: ssl.SSLContext | None = None,
        **headers: str,
    ) -> Answer:
        """One HTTP request; header names with ``_`` for ``-``."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await asyncio.to_thread(self._ask, path, method, body, named, context)

    def _ask(
        self, path: str, method: str, body: bytes | None, headers: dict[str, str], context: ssl.SSLContext | None
    ) -> Answer:
        if context is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        else:
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=context)
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def publish_final(self, number: int, *, utterance: int = 1, rgb: np.ndarray | None = None) -> ImageCompleted:
        """Store a picture, then announce it."""
        rgb = noise(number) if rgb is None else rgb
        png = encoded(rgb)
        event = final_image(number, rgb, utterance=utterance)
        assert event.picture is not None
        self.pictures.add(event.picture, png)
        self.hub.publish(event, png)
        return event


def noise(seed: int, size: int = 16) -> np.ndarray:
    """A picture that compresses badly."""
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def encoded(rgb: np.ndarray) -> bytes:
    """As PNG."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(rgb).save(buffer, "PNG")
    return buffer.getvalue()


def partial_image(step: int, *, utterance: int = 1, revision: int = 1, size: int = 16) -> PartialImage:
    """A preview's event."""
    return PartialImage(
        utterance=utterance, revision=revision, prompt="a red house", seed=1, steps=4, backend="torch", step=step,
        width=size, height=size, image_type="image/png",
    )  # fmt: skip


def final_image(number: int, rgb: np.ndarray, *, utterance: int = 1) -> ImageCompleted:
    """A final's event."""
    height, width, _ = rgb.shape
    digest = hashlib.sha256(rgb.tobytes()).hexdigest()
    picture = Picture(
        id=number, prompt="a red house", transcript="a red haus", unknown_words=("haus",), seed=1, steps=4,
        width=width, height=height, model="tiny", backend="torch", sha256=digest, created="2026-01-01T00:00:00Z",
        url=f"/v1/pictures/{number}.png",
    )  # fmt: skip
    return ImageCompleted(
        utterance=utterance, revision=1, prompt="a red house", seed=1, steps=4, backend="torch", picture=picture,
        transcript="a red haus", unknown_words=("haus",), width=width, height=height, image_type="image/png",
        sha256=digest, promoted=True, timings=Timings(denoise_ms=80.4, since_last_voiced_ms=512.3),
    )  # fmt: skip


class RawClient:
    """A WebSocket client that reads only when it is told to, and can send what no library would."""

    def __init__(self, connection: socket.socket, protocol: ClientProtocol) -> None:
        self.socket = connection
        self.protocol = protocol
        self._frames: list[Frame] = []

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                await self.send(data)

    async def next(self) -> Frame | None:
        """The next frame, or ``None`` when the connection is over."""
        loop = asyncio.get_running_loop()
        while not self._frames:
            try:
                data = await loop.sock_recv(self.socket, 65_536)
            except ConnectionError:
                return None
            if not data:
                return None
            self.protocol.receive_data(data)
            self._frames += [event for event in self.protocol.events_received() if isinstance(event, Frame)]
        return self._frames.pop(0)

    async def rest(self) -> list[Frame]:
        """All that still comes."""
        frames = []
        while (frame := await self.next()) is not None:
            frames.append(frame)
            if frame.opcode is Opcode.CLOSE:
                break
        return frames


@asynccontextmanager
async def raw_client(port: int, receive_buffer: int = 4096) -> AsyncIterator[RawClient]:
    """A connection to the stream whose kernel buffers next to nothing; the handshake is done."""
    connection = socket.socket()
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        protocol = ClientProtocol(parse_uri(f"ws://127.0.0.1:{port}/v1/stream"), max_size=None)
        protocol.send_request(protocol.connect())
        client = RawClient(connection, protocol)
        await client.flush()
        while protocol.state is State.CONNECTING:
            protocol.receive_data(await asyncio.get_running_loop().sock_recv(connection, 1))
            protocol.events_received()
        yield client
    finally:
        connection.close()


@asynccontextmanager
async def running(settings: ServerSettings, folder: Path) -> AsyncIterator[Stand]:
    """Serve for as long as the context lasts."""
    hub = Hub(clock_us=lambda: time.time_ns() // 1000, client_queue=settings.client_queue)
    desk, pictures = FakeDesk(), FakePictures(folder)
    reasons: list[Stand] = []
    server = Server(settings, hub, pictures, desk, lambda: reasons[0].reason)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve())
        stand = Stand(settings, hub, desk, pictures, server, serving.cancel)
        reasons.append(stand)
        try:
            yield stand
        finally:
            serving.cancel()
            # the task may not even have begun
            group.create_task(closed(serving, server))


async def closed(serving: asyncio.Task[None], server: Server) -> None:
    await asyncio.wait([serving])
    server.close()


class Serving:
    """What tests of serving and of clients need, in one fixture."""

    noise = staticmethod(noise)
    encoded = staticmethod(encoded)
    partial_image = staticmethod(partial_image)
    final_image = staticmethod(final_image)
    raw_client = staticmethod(raw_client)

    def __init__(self, folder: Path) -> None:
        self._folders = (folder / f"stand{number}" for number in itertools.count())

    def stand(self, **settings: object) -> AbstractAsyncContextManager[Stand]:
        """A running server; keywords are keys of ``[server]``."""
        folder = next(self._folders)
        folder.mkdir()
        return running(ServerSettings.model_validate({"port": 0, "tls_folder": folder / "tls", **settings}), folder)


@pytest.fixture
def serving(tmp_path: Path) -> Serving:
    return Serving(tmp_path)
