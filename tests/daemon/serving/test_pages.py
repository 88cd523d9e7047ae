"""Everything that is served over plain HTTP, by a real server."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.resources
import json
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect

from speakage_daemon.errors import GalleryError
from speakage_daemon.events import Timings
from speakage_daemon.serving import wire

DISPLAY = importlib.resources.files("speakage_clients") / "display"


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(30):
            await scenario()

    asyncio.run(limited())


def error_of(answer: Any) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/json"
    error: dict[str, Any] = json.loads(answer.body)["error"]
    assert error["message"]
    return error


def test_health_and_readiness(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            stand.reason = "the picture model is being compiled"
            assert (await stand.ask("/healthz")).status == 200
            waiting = await stand.ask("/readyz")
            assert waiting.status == 503
            assert error_of(waiting) == {"code": "not_ready", "message": "the picture model is being compiled"}
            stand.reason = None
            assert (await stand.ask("/readyz")).status == 200

    run(scenario)


def test_the_display_and_its_files(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            index = await stand.ask("/")
            assert index.status == 200
            assert index.headers["content-type"].startswith("text/html")
            for file in DISPLAY.iterdir():
                if file.is_file():
                    answer = await stand.ask(f"/display/{file.name}")
                    assert answer.body == file.read_bytes()
                    assert answer.headers["cache-control"] == "no-cache"
                    assert "octet-stream" not in answer.headers["content-type"], file.name

    run(scenario)


@pytest.mark.parametrize(
    "path",
    [
        "/display/nothing.js",
        "/display/..",
        "/display/../sdk.py",
        "/display/%2e%2e%2fsdk.py",
        "/display/",
        "/sdk.py",
        "/x",
    ],
)
def test_nothing_else_is_served(serving: Any, path: str) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            answer = await stand.ask(path)
            assert answer.status == 404
            assert error_of(answer)["code"] == "not_found"

    run(scenario)


@pytest.mark.parametrize("path", ["/", "/healthz", "/v1/pictures", "/nothing"])
def test_every_answer_tells_browsers_what_is_allowed(serving: Any, path: str) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            headers = (await stand.ask(path)).headers
            assert "default-src 'self'" in headers["content-security-policy"]
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert "server" not in headers

    run(scenario)


def test_pictures_are_listed_page_by_page(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            for number in range(1, 6):
                stand.publish_final(number)
            first = json.loads((await stand.ask("/v1/pictures?limit=2")).body)["pictures"]
            assert [picture["id"] for picture in first] == [5, 4]
            assert first[0] == json.loads(json.dumps(dataclasses.asdict(stand.pictures.kept[5])))
            second = json.loads((await stand.ask("/v1/pictures?before=4")).body)["pictures"]
            assert [picture["id"] for picture in second] == [3, 2, 1]

    run(scenario)


@pytest.mark.parametrize(
    ("query", "field"),
    [("limit=0", "limit"), ("limit=201", "limit"), ("limit=x", "limit"), ("before=-1", "before"),
     (f"before={2**63}", "before"), ("limit=1e3", "limit"), ("limit=", "limit"), (f"limit={'9' * 5000}", "limit")],
)  # fmt: skip
def test_a_wrong_parameter_is_named(serving: Any, query: str, field: str) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            answer = await stand.ask(f"/v1/pictures?{query}")
            assert answer.status == 400
            error = error_of(answer)
            assert (error["code"], error["field"]) == ("bad_request", field)

    run(scenario)


def test_a_picture_is_served_and_deleted(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            stand.publish_final(3)
            answer = await stand.ask("/v1/pictures/3.png")
            assert answer.body == serving.encoded(serving.noise(3))
            assert answer.headers["content-type"] == "image/png"
            assert "immutable" in answer.headers["cache-control"]
            assert (await stand.ask("/v1/pictures/3", method="DELETE")).status == 204
            assert (await stand.ask("/v1/pictures/3", method="DELETE")).status == 404
            assert (await stand.ask("/v1/pictures/3.png")).status == 404

    run(scenario)


@pytest.mark.parametrize("name", ["4.png", f"{2**63}.png", "x.png", "-1.png", "3.jpg"])
def test_a_picture_that_is_not_there_is_404(serving: Any, name: str) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            assert (await stand.ask(f"/v1/pictures/{name}")).status in {404, 405}

    run(scenario)


def test_a_file_that_vanished_is_404(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            stand.publish_final(3)
            stand.pictures.png_path(3).unlink()
            assert error_of(await stand.ask("/v1/pictures/3.png"))["code"] == "not_found"
            assert (await stand.ask(f"/v1/pictures/{2**64}", method="DELETE")).status == 404

    run(scenario)


def test_a_gallery_in_trouble_says_so(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            stand.pictures.mistake = GalleryError("pictures: the index cannot be read")
            answer = await stand.ask("/v1/pictures")
            assert answer.status == 503
            assert error_of(answer)["message"] == "pictures: the index cannot be read"

    run(scenario)


def test_a_wrong_method_is_refused(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            answer = await stand.ask("/v1/pictures", method="POST")
            assert answer.status == 405
            assert "GET" in answer.headers["allow"]
            assert error_of(answer)["code"] == "method_not_allowed"

    run(scenario)


def test_the_schema_is_the_wires_own(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            assert json.loads((await stand.ask("/v1/schema")).body) == json.loads(json.dumps(wire.json_schema()))

    run(scenario)


def test_metrics_count_what_happened(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand, connect(stand.url) as client:
            await client.recv()
            stand.hub.publish(serving.partial_image(1), b"one")
            stand.hub.publish(serving.partial_image(2), b"two")
            answer = await stand.ask("/metrics")
            lines = answer.body.decode().splitlines()
            assert answer.headers["content-type"].startswith("text/plain")
            assert "speakage_clients 1.0" in lines
            assert "speakage_dropped_previews_total 1.0" in lines
            assert "speakage_dropped_clients_total 0.0" in lines
            assert 'speakage_events_total{type="image_generation.partial_image"} 2.0' in lines

    run(scenario)


def test_metrics_tell_how_long_finals_took_also_before_the_last_word(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            stand.hub.revisions = {"painted": 3, "wasted": 1}
            stand.hub.rewritings = {"rewritten": 2, "too_slow": 1}
            for number, first in ((1, -1_200.0), (2, 300.0)):
                event = serving.final_image(number, np.zeros((4, 4, 3), np.uint8))
                times = Timings(denoise_ms=80.0, last_voiced_to_first_preview_ms=first, work_after_decision_ms=0.0)
                stand.hub.publish(dataclasses.replace(event, timings=times), b"png")
            lines = (await stand.ask("/metrics")).body.decode().splitlines()
            first = "speakage_last_voiced_to_first_preview_seconds"
            assert f'{first}_bucket{{le="-1.5"}} 0.0' in lines
            assert f'{first}_bucket{{le="-1.0"}} 1.0' in lines
            assert f'{first}_bucket{{le="0.3"}} 2.0' in lines
            assert f"{first}_sum" not in "\n".join(lines), "a sum of both signs means nothing"
            assert 'speakage_work_after_decision_seconds_bucket{le="0.0"} 2.0' in lines
            assert 'speakage_stage_seconds_bucket{le="0.1",stage="denoise"} 2.0' in lines
            assert "speakage_decision_to_final_seconds_count 0.0" in lines
            assert 'speakage_revisions_total{outcome="wasted"} 1.0' in lines
            assert 'speakage_rewritings_total{outcome="too_slow"} 1.0' in lines

    run(scenario)


@pytest.mark.parametrize(
    ("headers", "code"),
    [({"Host": "evil.example"}, "bad_host"), ({"Origin": "http://evil.example"}, "bad_origin"),
     ({"Origin": "null"}, "bad_origin"), ({"Host": "localhost"}, "bad_host")],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
def test_strangers_are_refused(serving: Any, method: str, headers: dict[str, str], code: str) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            stand.publish_final(1)
            answer = await stand.ask("/v1/pictures/1", method=method, **headers)
            assert answer.status == 403
            assert error_of(answer)["code"] == code
            assert 1 in stand.pictures.kept

    run(scenario)


def test_forged_proxy_headers_change_nothing(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand() as stand:
            forged = {"X_Forwarded_Host": f"localhost:{stand.port}", "X_Forwarded_For": "::1", "Host": "evil.example"}
            assert (await stand.ask("/healthz", **forged)).status == 403

    run(scenario)


def test_an_allowed_origin_may_read_answers(serving: Any) -> None:
    async def scenario() -> None:
        async with serving.stand(allowed_origins=("http://localhost:3000",)) as stand:
            answer = await stand.ask("/v1/pictures", Origin="http://localhost:3000")
            assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
            own = await stand.ask("/v1/pictures", Origin=f"http://localhost:{stand.port}")
            assert own.status == 200
            assert "access-control-allow-origin" not in own.headers

    run(scenario)
