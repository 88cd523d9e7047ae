"""Pictures from the web into a folder: each whole or not at all, and none asked for twice.

A picture is kept under the SHA-256 of its address. What a host refuses for good is noted beside it, so that a later run
goes on where this one ended; what failed for now is asked for again. It does *not* look at the pictures.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import http.client
import json
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from email.message import Message
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote, urlsplit, urlunsplit

from typing_extensions import override

from speakage_engines.training.datasets.ordered import in_order
from speakage_engines.training.datasets.pictures import Candidate, Place
from speakage_engines.training.datasets.report import Ledger, Reason, RejectedError
from speakage_engines.training.datasets.settings import DatasetError, FetchSettings
from speakage_engines.training.datasets.table import Entry

_AGENT: Final = "speakage (fetches pictures to train on; honours X-Robots-Tag: noai)"
_OPT_OUT: Final = frozenset({"noai", "noimageai", "noindex", "noimageindex"})
"""Words of ``X-Robots-Tag``, as img2dataset honours them."""
_FOR_NOW: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_PAUSE: Final = 30.0
_OFFLINE_AFTER: Final = 8
"""Tries without any answer, and none answered before: no coincidence, though a third of LAION's links are dead."""
_NO_WAY: Final = frozenset({errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH})
_SCHEMES: Final = frozenset({"http", "https"})
_CHUNK: Final = 65_536


class _TransientError(Exception):
    """May go well at another try."""

    def __init__(self, detail: str, *, reached: bool, pause: float = 0.0) -> None:
        super().__init__(detail)
        self.reached = reached
        """Whether a host answered at all."""
        self.pause = pause
        """Seconds that the host asks for."""


class _WebRedirects(urllib.request.HTTPRedirectHandler):
    """Follows to the web only; the usual one follows to FTP too."""

    @override
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme not in _SCHEMES:
            raise urllib.error.HTTPError(newurl, code, msg, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def fetch_all(
    entries: Iterable[Entry], fetcher: Fetcher, ledger: Ledger, workers: int
) -> Generator[Candidate, None, None]:
    """The pictures of all entries in their order; raises :class:`DatasetError` when no host can be reached."""

    def work(entry: Entry) -> Path | RejectedError:
        try:
            return fetcher.fetch(entry.url)
        except RejectedError as rejected:
            return rejected

    with fetcher.alone(), closing(in_order(work, entries, workers)) as fetched:
        try:
            for entry, found in fetched:
                if isinstance(found, RejectedError):
                    ledger.drop(found.reason, entry.name, found.detail)
                else:
                    yield Candidate(entry.name, Place(found), (entry.caption,), entry.done)
        finally:
            fetcher.stop()


class Fetcher:
    """Fetches one picture at a time for each thread that calls it."""

    def __init__(self, folder: Path, settings: FetchSettings, max_bytes: int) -> None:
        self._folder = folder
        self._settings = settings
        self._max_bytes = max_bytes
        self._stopped = threading.Event()
        self._hosts: dict[str, threading.BoundedSemaphore] = {}
        self._lock = threading.Lock()
        self._unanswered: int | None = 0
        """Tries without an answer; ``None`` once any host has answered."""
        self._offline = ""
        """The last failure, when no host can be reached at all."""
        self._opener = urllib.request.OpenerDirector()
        # built by hand: the usual opener reads files and FTP as well, and a table is not to be trusted with those
        for handler in (
            urllib.request.ProxyHandler(),
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(),
            _WebRedirects(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.UnknownHandler(),
        ):
            self._opener.add_handler(handler)

    def stop(self) -> None:
        """No further tries; those that wait give up at once."""
        self._stopped.set()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While this is open no other process fetches into the folder; what dead ones left half done is gone."""
        if not self._settings.enabled:
            yield
            return
        with self._keeping():
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = (self._folder / ".lock").open("a")
        with lock:
            # the ranks of one training open the data set at once: the first fetches, the others find what it fetched
            fcntl.flock(lock, fcntl.LOCK_EX)
            for left in self._folder.glob("*/*.part"):
                left.unlink()
            yield

    def fetch(self, url: str) -> Path:
        """Where the picture lies; raises :class:`RejectedError`, and :class:`DatasetError` when none can be had."""
        digest = hashlib.sha256(url.encode()).hexdigest()
        path = self._folder / digest[:2] / digest
        refused = path.with_suffix(".refused")
        if path.exists():
            return path
        if refused.exists() and not self._settings.retry_refused:
            raise _noted(refused)
        if not self._settings.enabled:
            raise RejectedError(Reason.NOT_FETCHED)
        try:
            data = self._patiently(url)
        except RejectedError as rejected:
            if rejected.reason is not Reason.UNREACHABLE:
                self._keep(refused, json.dumps([rejected.reason.name, rejected.detail]).encode())
            raise
        self._keep(path, data)
        refused.unlink(missing_ok=True)
        return path

    def _patiently(self, url: str) -> bytes:
        """Ask until it goes well or the tries are spent."""
        pause = self._settings.backoff
        for left in range(self._settings.tries - 1, -1, -1):
            if self._stopped.is_set():
                break
            try:
                with self._place_at(url):
                    data = self._once(url)
            except _TransientError as error:
                self._count(str(error), reached=error.reached)
                if not left and not self._offline:
                    raise RejectedError(Reason.UNREACHABLE, str(error)) from None
                self._stopped.wait(min(_LONGEST_PAUSE, max(pause, error.pause)))
                pause *= 2
            else:
                return data
        if self._offline:
            raise DatasetError(
                f"no host can be reached ({self._offline}); connect to the internet and try again, "
                f"or go on with what was fetched into {self._folder} before: fetch.enabled=False"
            )
        raise RejectedError(Reason.UNREACHABLE, "stopped")

    def _place_at(self, url: str) -> threading.BoundedSemaphore:
        """A place in the short queue before each host."""
        try:
            host = urlsplit(url).netloc
        except ValueError:
            host = ""
        with self._lock:
            return self._hosts.setdefault(host, threading.BoundedSemaphore(self._settings.per_host))

    def _count(self, detail: str, *, reached: bool) -> None:
        """Tell many dead links from a machine that is offline; all is stopped at the latter."""
        with self._lock:
            if reached:
                self._unanswered = None
            elif self._unanswered is not None:
                self._unanswered += 1
                if self._unanswered >= max(_OFFLINE_AFTER, self._settings.workers):
                    self._offline = detail
                    self._stopped.set()

    def _once(self, url: str) -> bytes:
        """The bytes of a picture; raises :class:`RejectedError` for good, :class:`_TransientError` for now."""
        request = urllib.request.Request(_ascii(url), headers={"User-Agent": _AGENT})  # noqa: S310 (schemes are checked)
        deadline = time.monotonic() + self._settings.deadline
        try:
            with self._opener.open(request, timeout=self._settings.timeout) as response:
                self._count("", reached=True)
                return self._body(response, deadline)
        except urllib.error.HTTPError as error:
            self._count("", reached=True)
            error.close()
            if error.code in _FOR_NOW:
                asked = error.headers.get("Retry-After", "")
                pause = float(asked) if asked.isdecimal() else 0.0
                raise _TransientError(f"HTTP {error.code}", reached=True, pause=pause) from None
            raise RejectedError(Reason.REFUSED, f"HTTP {error.code}") from None
        except (ValueError, http.client.InvalidURL) as error:
            # a host or port that is none, in the address or in where it leads
            raise RejectedError(Reason.REFUSED, f"no address ({error})") from None
        except (OSError, http.client.HTTPException) as error:
            detail = str(error)[:120] or type(error).__name__
            raise _TransientError(detail, reached=not unanswered(error)) from None

    def _body(self, response: http.client.HTTPResponse, deadline: float) -> bytes:
        self._check_headers(response)
        body = bytearray()
        while chunk := response.read1(_CHUNK):
            body += chunk
            if len(body) > self._max_bytes:
                raise RejectedError(Reason.ABSURDLY_LARGE, f"more than {self._max_bytes} bytes")
            if time.monotonic() > deadline or self._stopped.is_set():
                raise _TransientError("it takes too long", reached=True)
        # chunked answers that are cut short raise by themselves
        if response.length:
            raise _TransientError(f"the connection closed {response.length} bytes too early", reached=True)
        return bytes(body)

    def _check_headers(self, response: http.client.HTTPResponse) -> None:
        told = ",".join(response.headers.get_all("X-Robots-Tag", [])).lower()
        words = {word.rpartition(":")[2].strip() for word in told.split(",")}
        if self._settings.honour_opt_out and words & _OPT_OUT:
            raise RejectedError(Reason.OPTED_OUT, f"X-Robots-Tag: {told}")
        kind = response.headers.get_content_type() if "Content-Type" in response.headers else ""
        if kind.startswith("text/") or kind == "application/json":
            raise RejectedError(Reason.REFUSED, f"it sends {kind} instead of a picture")
        if (response.length or 0) > self._max_bytes:
            raise RejectedError(Reason.ABSURDLY_LARGE, f"{response.length} bytes")

    def _keep(self, path: Path, data: bytes) -> None:
        """Write whole or not at all, also when the power goes."""
        with self._keeping():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.{threading.get_ident()}.part")
            try:
                with part.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                part.rename(path)
            finally:
                part.unlink(missing_ok=True)

    @contextmanager
    def _keeping(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DatasetError(
                f"{self._folder}: fetched pictures cannot be kept there ({error.strerror or error}); free space, make "
                "the folder writable, or set fetch.folder to another one. What was fetched so far is kept"
            ) from None


def unanswered(error: Exception) -> bool:
    """Whether nobody at all answered, as on a machine that is offline.

    A host that refuses and a name that does not exist are answers: a resumed run may have nothing but dead links left.
    """
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, socket.gaierror):
        return cause.errno == socket.EAI_AGAIN
    return isinstance(cause, TimeoutError) or (isinstance(cause, OSError) and cause.errno in _NO_WAY)


def _noted(refused: Path) -> RejectedError:
    """What an earlier run noted."""
    try:
        name, detail = json.loads(refused.read_bytes())
        return RejectedError(Reason[name], f"{detail} (in an earlier run)")
    except (OSError, ValueError, KeyError, TypeError):
        return RejectedError(Reason.REFUSED, "in an earlier run")


def _ascii(url: str) -> str:
    """The address as it may travel; raises :class:`RejectedError` when it is none or of another kind."""
    try:
        parts = urlsplit(url)
        if parts.scheme.lower() not in _SCHEMES or not parts.hostname:
            raise RejectedError(Reason.REFUSED, "no http or https address")
        host = parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode()
    except ValueError as error:
        raise RejectedError(Reason.REFUSED, f"no address ({error})") from None
    safe = "%/:=&?~+!$,;'@()*[]"
    return urlunsplit((parts.scheme, host, quote(parts.path, safe), quote(parts.query, safe), ""))
