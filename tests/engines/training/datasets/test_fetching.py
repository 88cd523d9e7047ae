"""Pictures from a host on this machine: retried, limited, resumed, and never half written."""

from __future__ import annotations

import dataclasses
import errno
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import BadStatusLine
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError

import pytest
from typing_extensions import override

from speakage_engines.training.datasets import DatasetError, DatasetSettings, FetchSettings, Report, open_pictures
from speakage_engines.training.datasets.fetching import unanswered

Draw = Callable[[int], bytes]


@dataclass
class Answer:
    """What the host says to a path."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "image/png"})
    length: int | None = None
    """Told instead of the true one."""
    drip: float = 0.0
    """Seconds between bytes."""


class Host(ThreadingHTTPServer):
    """Answers from a list for each path, the last for ever."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, list[Answer]] = {}
        self.asked: Counter[str] = Counter()
        self.inside = 0
        self.most = 0
        self.allowed = 0
        self.dripping = threading.Event()
        self.closing = threading.Event()
        self.crowd = threading.Condition()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """Those who hang up do so on purpose here."""


class Handler(BaseHTTPRequestHandler):
    server: Host

    def do_GET(self) -> None:
        host = self.server
        with host.crowd:
            host.asked[self.path] += 1
            host.inside += 1
            host.most = max(host.most, host.inside)
            answers = host.answers.get(self.path, [Answer(status=404)])
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if host.allowed:
                # time for one too many to come
                host.crowd.notify_all()
                host.crowd.wait_for(lambda: host.inside > host.allowed, timeout=0.3)
            # counted out before the answer, so that a client never comes again before it has left
            host.inside -= 1
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
        self.end_headers()
        if answer.drip:
            host.dripping.set()
            for place in range(len(answer.body)):
                self.wfile.write(answer.body[place : place + 1])
                self.wfile.flush()
                if host.closing.wait(answer.drip):
                    return
        else:
            self.wfile.write(answer.body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def host() -> Iterator[Host]:
    with Host() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()


@pytest.fixture
def online(settings: DatasetSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DatasetSettings:
    monkeypatch.setenv("no_proxy", "*")
    fetch = FetchSettings(folder=tmp_path / "cache", backoff=0.0, timeout=5.0, workers=4)
    return dataclasses.replace(settings, fetch=fetch)


def faster(online: DatasetSettings, **changes: object) -> DatasetSettings:
    return dataclasses.replace(online, fetch=dataclasses.replace(online.fetch, **changes))  # type: ignore[arg-type]


def table_of(folder: Path, urls: list[str]) -> Path:
    table = folder / "it.csv"
    rows = [f'"{url}",picture {number}' for number, url in enumerate(urls)]
    table.write_text("\n".join(["URL,TEXT", *rows]) + "\n", encoding="utf-8")
    return table


def reasons(report: Report) -> dict[str, list[str]]:
    return {dropped.reason.value: [line.rpartition(": ")[2] for line in dropped.examples] for dropped in report.dropped}


def test_pictures_are_fetched_in_order_and_once(
    tmp_path: Path, host: Host, online: DatasetSettings, draw: Draw
) -> None:
    for number in range(9):
        host.answers[f"/{number}"] = [Answer(draw(number))]
    table = table_of(tmp_path, [host.url(f"/{number}") for number in range(9)])
    pictures, report = open_pictures(table, online)
    assert (report.kind, report.kept, report.dropped) == ("table", 9, ())
    assert [pictures.example(number).caption for number in range(9)] == [f"picture {number}" for number in range(9)]
    _, report = open_pictures(table, online)
    assert report.kept == 9
    assert set(host.asked.values()) == {1}
    # what was fetched is enough to go on without a network
    _, report = open_pictures(table, faster(online, enabled=False))
    assert report.kept == 9


def test_what_fails_for_now_is_tried_again(tmp_path: Path, host: Host, online: DatasetSettings, draw: Draw) -> None:
    for number, status in enumerate((500, 503, 429)):
        host.answers[f"/{number}"] = [Answer(status=status), Answer(draw(9), length=10_000), Answer(draw(number))]
    host.answers["/gone"] = [Answer(status=503)]
    table = table_of(tmp_path, [host.url(path) for path in ("/0", "/1", "/2", "/gone")])
    _, report = open_pictures(table, online)
    assert report.kept == 3
    assert reasons(report) == {"could not be fetched": ["HTTP 503"]}
    assert set(host.asked.values()) == {3}
    # a later run asks again, and only for what is lacking
    host.answers["/gone"] = [Answer(draw(7))]
    _, report = open_pictures(table, online)
    assert (report.kept, report.dropped) == (4, ())
    assert host.asked == {"/0": 3, "/1": 3, "/2": 3, "/gone": 4}


def test_a_host_that_asks_for_patience_gets_it(tmp_path: Path, host: Host, online: DatasetSettings, draw: Draw) -> None:
    host.answers["/busy"] = [Answer(status=429, headers={"Retry-After": "1"}), Answer(draw(1))]
    began = time.monotonic()
    _, report = open_pictures(table_of(tmp_path, [host.url("/busy")]), online)
    assert report.kept == 1
    assert time.monotonic() - began >= 1.0


def test_what_a_host_refuses_is_not_asked_for_again(
    tmp_path: Path, host: Host, online: DatasetSettings, draw: Draw
) -> None:
    host.answers |= {
        "/good": [Answer(draw(1))],
        "/page": [Answer(b"<html>", headers={"Content-Type": "text/html; charset=utf-8"})],
        "/optout": [Answer(draw(2), headers={"X-Robots-Tag": "otherbot: noindex, NoAI"})],
        "/long": [Answer(bytes(60_000))],
        "/lies": [Answer(bytes(200), length=10**12)],
        "/file": [Answer(status=302, headers={"Location": f"file://{tmp_path}/it.csv"})],
        "/ftp": [Answer(status=302, headers={"Location": "ftp://127.0.0.1/x"})],
        "/loop": [Answer(status=302, headers={"Location": "/loop"})],
        "/moved": [Answer(status=301, headers={"Location": "/good?again"})],
        "/good?again": [Answer(draw(3))],
        "/f%C3%BC%20nf": [Answer(draw(4))],
    }
    paths = ["/good", "/page", "/optout", "/long", "/lies", "/file", "/ftp", "/loop", "/moved", "/fü nf", "/404"]
    others = [f"file://{tmp_path}/it.csv", "data:text/plain,x", "http://[", "http://a:b/", "nothing at all"]
    table = table_of(tmp_path, [*(host.url(path) for path in paths), *others])
    settings = faster(online, tries=1)
    _, report = open_pictures(table, settings)
    assert report.kept == 3
    assert {dropped.reason.value: dropped.count for dropped in report.dropped} == {
        "its host refuses it": 10,
        "its host asks not to train on it": 1,
        "absurdly large": 2,
    }, report
    asked = host.asked.copy()
    _, again = open_pictures(table, settings)
    assert again.kept == 3
    assert host.asked == asked
    assert "(in an earlier run)" in again.to_json()
    host.answers["/page"] = [Answer(draw(5))]
    _, report = open_pictures(table, faster(settings, retry_refused=True, honour_opt_out=False))
    assert report.kept == 5


def test_few_are_fetched_from_one_host_at_once(tmp_path: Path, host: Host, online: DatasetSettings, draw: Draw) -> None:
    for number in range(8):
        host.answers[f"/{number}"] = [Answer(draw(number))]
    host.allowed = 2
    table = table_of(tmp_path, [host.url(f"/{number}") for number in range(8)])
    _, report = open_pictures(table, faster(online, per_host=2, workers=6))
    assert report.kept == 8
    assert host.most == 2


def test_a_picture_that_drips_is_given_up(tmp_path: Path, host: Host, online: DatasetSettings, draw: Draw) -> None:
    host.answers |= {"/slow": [Answer(draw(1), drip=0.05)], "/good": [Answer(draw(2))]}
    table = table_of(tmp_path, [host.url("/slow"), host.url("/good")])
    _, report = open_pictures(table, faster(online, deadline=0.2, tries=1))
    assert reasons(report) == {"could not be fetched": ["it takes too long"]}


def test_a_host_that_says_nothing_is_given_up(tmp_path: Path, host: Host, online: DatasetSettings, draw: Draw) -> None:
    host.answers["/good"] = [Answer(draw(2))]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        _, report = open_pictures(table_of(tmp_path, [url, host.url("/good")]), faster(online, timeout=0.2, tries=1))
    assert reasons(report) == {"could not be fetched": ["timed out"]}


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_a_machine_that_is_offline_says_so_at_once(tmp_path: Path, online: DatasetSettings) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        port = silent.getsockname()[1]
        table = table_of(tmp_path, [f"http://127.0.0.1:{port}/{number}" for number in range(500)])
        began = time.monotonic()
        with pytest.raises(
            DatasetError, match=r"no host can be reached .*connect to the internet .*fetch\.enabled=False"
        ):
            open_pictures(table, faster(online, backoff=60.0, timeout=0.2, workers=16, per_host=30))
        assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("error", "alone"),
    [
        (URLError(socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")), True),
        (URLError(socket.gaierror(socket.EAI_NONAME, "Name or service not known")), False),
        (URLError(OSError(errno.ENETUNREACH, "Network is unreachable")), True),
        (URLError(ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")), False),
        (URLError(TimeoutError("timed out")), True),
        (TimeoutError("timed out"), True),
        (BadStatusLine("x"), False),
    ],
)
def test_dead_hosts_are_told_from_no_network(error: Exception, alone: bool) -> None:
    assert unanswered(error) is alone


def test_dead_links_do_not_stop_a_run(tmp_path: Path, host: Host, online: DatasetSettings, draw: Draw) -> None:
    host.answers["/good"] = [Answer(draw(1))]
    dead = [f"http://127.0.0.1:{closed_port()}/{number}" for number in range(50)]
    table = table_of(tmp_path, [host.url("/good"), *dead])
    # the second time nothing but dead links is left to fetch
    for _ in range(2):
        _, report = open_pictures(table, faster(online, tries=1, workers=1))
        assert (report.kept, report.faults) == (1, 50)
    with pytest.raises(DatasetError, match=r"it\.csv row 2: http.*\(could not be fetched\); mend or remove it"):
        open_pictures(table, dataclasses.replace(online, on_error="stop"))


def test_what_a_killed_run_left_is_cleared(tmp_path: Path, host: Host, online: DatasetSettings, draw: Draw) -> None:
    host.answers["/good"] = [Answer(draw(1))]
    (tmp_path / "cache" / "ab").mkdir(parents=True)
    (tmp_path / "cache" / "ab" / "abcd.1.part").write_bytes(b"half")
    open_pictures(table_of(tmp_path, [host.url("/good"), host.url("/404")]), online)
    left = [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.name != ".lock"]
    assert sorted(path.suffix for path in left) == ["", ".refused"]
    assert next(path for path in left if not path.suffix).read_bytes() == draw(1)


def test_a_killed_run_leaves_nothing_half_and_is_resumed(
    tmp_path: Path, host: Host, online: DatasetSettings, draw: Draw
) -> None:
    for number in range(4):
        host.answers[f"/{number}"] = [Answer(draw(number))]
    # the fifth never ends, so that the run is killed in the midst of it
    host.answers["/4"] = [Answer(draw(4), drip=30.0), Answer(draw(4))]
    table = table_of(tmp_path, [host.url(f"/{number}") for number in range(5)])
    script = (
        "import sys, pathlib; from speakage_engines.training.datasets import *; "
        "fetch = FetchSettings(folder=pathlib.Path(sys.argv[2]), workers=1, timeout=60); "
        "open_pictures(pathlib.Path(sys.argv[1]), DatasetSettings(size=16, min_side=16, fetch=fetch))"
    )
    run = subprocess.Popen([sys.executable, "-c", script, str(table), str(tmp_path / "cache")])
    try:
        assert host.dripping.wait(60)
    finally:
        run.kill()
        run.wait()
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.name != ".lock"]
    assert sorted(path.read_bytes() for path in kept) == sorted(draw(number) for number in range(4))
    _, report = open_pictures(table, online)
    assert (report.kept, report.dropped) == (5, ())
    assert host.asked == {"/0": 1, "/1": 1, "/2": 1, "/3": 1, "/4": 2}


def test_a_full_disk_leaves_nothing_half(tmp_path: Path, host: Host, draw: Draw) -> None:
    host.answers["/0"] = [Answer(draw(0))]
    script = (
        "import sys, pathlib, resource; from speakage_engines.training.datasets import *; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); "
        "open_pictures(pathlib.Path(sys.argv[1]), DatasetSettings(size=16, min_side=16))"
    )
    table = table_of(tmp_path, [host.url("/0")])
    run = subprocess.run([sys.executable, "-c", script, str(table)], capture_output=True, text=True, timeout=60)
    assert "it.fetched: fetched pictures cannot be kept there (File too large); free space" in run.stderr
    assert [path.name for path in (tmp_path / "it.fetched").rglob("*") if path.is_file()] == [".lock"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, host: Host, online: DatasetSettings) -> None:
    (tmp_path / "cache").write_text("a file is in the way")
    with pytest.raises(DatasetError, match=r"cache: fetched pictures cannot be kept there \(.*set fetch\.folder"):
        open_pictures(table_of(tmp_path, [host.url("/good")]), online)


def test_pictures_are_kept_beside_the_table(tmp_path: Path, host: Host, online: DatasetSettings, draw: Draw) -> None:
    host.answers["/good"] = [Answer(draw(1))]
    settings = faster(online, folder=None)
    open_pictures(table_of(tmp_path, [host.url("/good")]), settings)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["it.csv", "it.fetched"]
    _, report = open_pictures(tmp_path, settings)
    assert (report.kind, report.kept) == ("table", 1)


def test_not_fetched_is_told_apart_from_broken(tmp_path: Path, online: DatasetSettings) -> None:
    with pytest.raises(DatasetError, match="1 not fetched yet"):
        open_pictures(table_of(tmp_path, ["http://a/1"]), faster(online, enabled=False))
    assert not (tmp_path / "cache").exists()
