"""An async client of a Speakage daemon::

    async with connect() as session:
        await session.prompt("a red house in the snow")
        async for message in session:
            if isinstance(message, Image):
                print(message.event.type, message.rgb().shape)

What arrives are the dataclasses of :mod:`speakage_daemon.events`; the two image events come as :class:`Image`, with
their pixels. This module does *not* draw anything: see :mod:`speakage_clients.terminal`.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import ssl as tls
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit, urlunsplit

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_websocket
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from speakage_daemon.errors import SpeakageError, WireError
from speakage_daemon.events import (
    CanvasStart,
    ClientMessage,
    DaemonEvent,
    ImageCompleted,
    ListenStart,
    ListenStop,
    PartialImage,
    Picture,
    PromptCreate,
    SessionCreated,
    SessionUpdate,
)
from speakage_daemon.serving import wire

DEFAULT_URL: Final = "ws://127.0.0.1:8787"
_MAX_FRAME: Final = 64 * 1024 * 1024
"""Bytes; the largest picture a client takes."""
_OPEN_TIMEOUT_S: Final = 10
_FIRST_RETRY_S: Final = 0.25
_LONGEST_RETRY_S: Final = 5.0

_logger = logging.getLogger(__name__)


class ClientError(SpeakageError):
    """The daemon cannot be reached, or what was asked of it cannot be sent; the message says the remedy."""


@dataclass(frozen=True, slots=True)
class Image:
    """A preview or a final picture."""

    event: PartialImage | ImageCompleted
    data: bytes
    """The encoded image, as ``event.image_type`` says."""

    def rgb(self) -> NDArray[np.uint8]:
        """The pixels, shape ``(height, width, 3)``."""
        with PIL.Image.open(io.BytesIO(self.data)) as picture:
            return np.asarray(picture.convert("RGB"))


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection was lost, and is being made again; the next message is a ``SessionCreated``."""

    reason: str


Message: TypeAlias = DaemonEvent | Image | Disconnected


@asynccontextmanager
async def connect(
    url: str = DEFAULT_URL,
    *,
    after: int | None = None,
    reconnect: bool = False,
    ssl: tls.SSLContext | None = None,
) -> AsyncIterator[Session]:
    """A session with the daemon at ``url``; raises :class:`ClientError` when there is none.

    ``after`` is the id of the newest picture known: the first event tells those that came since. With ``reconnect``
    iteration never ends by itself: a lost connection is made again, each time with the newest final. ``ssl`` trusts
    the certificate of a daemon with ``wss://``.
    """
    session = Session(url, after=after, reconnect=reconnect, ssl=ssl)
    await session.open()
    try:
        yield session
    finally:
        await session.close()


class Session:
    """One conversation with a daemon; made by :func:`connect`. Iterate it once, in one task."""

    def __init__(self, url: str, *, after: int | None, reconnect: bool, ssl: tls.SSLContext | None) -> None:
        self.newest = after
        """The id of the newest final picture that was told."""
        self._url = stream_url(url)
        self._reconnect = reconnect
        self._ssl = ssl
        self._announced: SessionUpdate | None = None
        self._connection: ClientConnection | None = None

    async def open(self) -> None:
        """Connect; raises :class:`ClientError`."""
        query = urlencode({} if self.newest is None else {"after": self.newest})
        address = urlunsplit(urlsplit(self._url)._replace(query=query))
        try:
            self._connection = await connect_websocket(
                address,
                # a context of one's own, or for wss:// what the system trusts
                ssl=self._ssl or self._url.startswith("wss:") or None,
                max_size=_MAX_FRAME,
                compression=None,
                open_timeout=_OPEN_TIMEOUT_S,
                # a daemon on this machine is not behind a proxy, whatever the environment says
                proxy=None,
            )
        except (OSError, InvalidHandshake, InvalidURI, ValueError) as error:
            raise ClientError(f"{self._url}: {_explained(error)}") from error
        if self._announced is not None:
            await self._say(self._announced)

    async def close(self) -> None:
        """End the connection; iteration ends too."""
        self._reconnect = False
        if self._connection is not None:
            await self._connection.close()

    async def prompt(self, text: str, *, seed: int | None = None, steps: int | None = None) -> None:
        """Ask for a picture of these words."""
        await self._say(PromptCreate(prompt=text, seed=seed, steps=steps))

    async def upload(self, picture: bytes) -> str:
        """Send an encoded PNG, JPEG or WebP, or a mask (white is painted anew); its id for :meth:`start_from`.

        Raises :class:`ClientError` with what the daemon says of a picture that it does not take.
        """
        request = urllib.request.Request(  # noqa: S310 - the scheme is http or https
            f"{self._http()}/v1/uploads", data=picture, headers={"Content-Type": _kind_of(picture)}
        )
        answer = await asyncio.to_thread(_answer, request, self._ssl, "was not taken")
        return str(json.loads(answer)["id"])

    async def start_from(
        self, image_id: str | None, *, mask_id: str | None = None, strength: float | None = None
    ) -> None:
        """Start from an uploaded picture from now on, or, for ``None``, let it go. Ids are those of :meth:`upload`."""
        await self._say(CanvasStart(image_id=image_id, mask_id=mask_id, strength=strength))

    async def listen_start(self) -> None:
        """Un-mute in ``open`` mode, press the button in ``push`` mode."""
        await self._say(ListenStart())

    async def listen_stop(self) -> None:
        """Stop listening; audio of this client must be announced again after it."""
        self._announced = None
        await self._say(ListenStop())

    async def announce_audio(
        self, rate: int, audio_format: Literal["pcm_s16le", "pcm_f32le"] = "pcm_s16le", name: str = "client"
    ) -> None:
        """Take the floor: say what :meth:`send_audio` will send, mono, at ``rate`` Hz."""
        message = SessionUpdate(audio_rate=rate, audio_format=audio_format, name=name)
        await self._say(message)
        self._announced = message

    async def send_audio(self, pcm: bytes) -> None:
        """The next piece of audio; 20 to 100 ms at a time are good."""
        if self._announced is None:
            raise ClientError("announce_audio() comes before send_audio(): the daemon must know rate and format")
        await self._send(pcm)

    async def fetch(self, picture: Picture) -> bytes:
        """The PNG of a picture that was told of, as it is kept."""
        request = urllib.request.Request(f"{self._http()}{picture.url}")  # noqa: S310 - the scheme is http or https
        return await asyncio.to_thread(_answer, request, self._ssl, "cannot be had")

    async def __aiter__(self) -> AsyncIterator[Message]:
        while True:
            reason = "the daemon closed the connection"
            try:
                async for frame in self._open_connection():
                    if (message := self._read(frame)) is not None:
                        yield message
            except ConnectionClosed as closed:
                reason = str(closed)
                if not self._reconnect:
                    raise ClientError(f"{self._url}: the connection was lost ({reason}); connect again") from None
            if not self._reconnect:
                return
            yield Disconnected(reason)
            await self._open_again()

    def _http(self) -> str:
        parts = urlsplit(self._url)
        return f"{'https' if parts.scheme == 'wss' else 'http'}://{parts.netloc}"

    def _open_connection(self) -> ClientConnection:
        if self._connection is None:
            raise ClientError("the session is not open: use `async with connect() as session`")
        return self._connection

    async def _open_again(self) -> None:
        delay = _FIRST_RETRY_S
        while True:
            await asyncio.sleep(delay)
            try:
                await self.open()
            except ClientError as error:
                # a refusal is an answer: asking again will not change it
                if isinstance(error.__cause__, InvalidHandshake | InvalidURI | tls.SSLError):
                    raise
                delay = min(2 * delay, _LONGEST_RETRY_S)
            else:
                return

    def _read(self, frame: str | bytes) -> Message | None:
        try:
            if isinstance(frame, bytes):
                image = Image(*wire.decode_image(frame))
                if isinstance(image.event, ImageCompleted) and image.event.picture is not None:
                    self._told(image.event.picture)
                return image
            event = wire.decode_event(frame)
        except WireError as error:
            _logger.warning("a message was skipped that this version does not understand: %s", error)
            return None
        if isinstance(event, SessionCreated):
            for picture in event.pictures:
                self._told(picture)
        return event

    def _told(self, picture: Picture) -> None:
        self.newest = max(picture.id, self.newest or 0)

    async def _say(self, message: ClientMessage) -> None:
        text = wire.encode_message(message)
        try:
            # the daemon would say the same, but as an event, later, and to someone else's code
            wire.decode_message(text)
        except WireError as error:
            raise ClientError(str(error)) from None
        await self._send(text)

    async def _send(self, data: str | bytes) -> None:
        try:
            await self._open_connection().send(data)
        except ConnectionClosed as closed:
            raise ClientError(f"{self._url}: the connection was lost ({closed}); connect again") from None


def stream_url(url: str) -> str:
    """The address of the stream, for an address as people write it: ``http://…`` or ``HOST:PORT``, path or not."""
    parts = urlsplit(url if "://" in url else f"ws://{url}")
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    if scheme not in {"ws", "wss"} or not parts.netloc:
        raise ClientError(f"{url}: not the address of a daemon; it looks like {DEFAULT_URL}")
    path = parts.path if parts.path not in {"", "/"} else "/v1/stream"
    return urlunsplit((scheme, parts.netloc, path, "", ""))


def _explained(error: Exception) -> str:
    match error:
        case InvalidStatus():
            body = (error.response.body or b"").decode(errors="replace")
            return f"the daemon refused with status {error.response.status_code}: {body or 'no reason given'}"
        case TimeoutError():
            return f"no answer within {_OPEN_TIMEOUT_S} s; is it a Speakage daemon?"
        case tls.SSLCertVerificationError():
            return f"its certificate is not trusted ({error.verify_message}); trust the daemon's own speakage.pem"
        case OSError():
            return "no daemon answers; start one with `speakage run`, or name the address of another"
        case _:
            return f"no Speakage daemon answers there ({error})"


def _kind_of(picture: bytes) -> str:
    try:
        with PIL.Image.open(io.BytesIO(picture)) as opened:
            kind = opened.get_format_mimetype()
    except (OSError, PIL.Image.DecompressionBombError) as error:
        raise ClientError(f"this is no picture ({error}); send a PNG, a JPEG or a WebP") from None
    return str(kind)


def _answer(request: urllib.request.Request, context: tls.SSLContext | None, failed: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=_OPEN_TIMEOUT_S) as response:
            body: bytes = response.read()
    except HTTPError as error:
        said = error.read().decode(errors="replace")
        raise ClientError(f"{request.full_url}: the picture {failed} ({error}): {said}") from None
    except (URLError, TimeoutError) as error:
        raise ClientError(f"{request.full_url}: the picture {failed} ({error})") from None
    return body
