from __future__ import annotations

import orjson
import pytest

from receiver.api import OPERATIONS
from tests.receiver.conftest import Receiver
from tests.receiver.support import MINUTE, NOW, alert


async def test_newest_first_and_narrowed(receiver: Receiver) -> None:
    await receiver.send(*(alert(f"A{n}", starts=NOW - n * MINUTE, ends=None if n % 2 else NOW) for n in range(4)))
    assert [found["alertname"] for found in await receiver.episodes()] == ["A0", "A1", "A2", "A3"]
    assert [found["alertname"] for found in await receiver.episodes("?limit=2")] == ["A0", "A1"]
    assert [found["alertname"] for found in await receiver.episodes("?status=firing")] == ["A1", "A3"]
    assert [found["alertname"] for found in await receiver.episodes("?status=resolved&limit=1")] == ["A0"]


async def test_a_resolved_one_has_its_end(receiver: Receiver) -> None:
    await receiver.send(alert(ends=NOW))
    [found] = await receiver.episodes()
    assert (found["status"], found["ends_at"]) == ("resolved", "2026-09-21T14:13:20Z")


async def test_nothing_yet(receiver: Receiver) -> None:
    assert await receiver.get("/api/v1/episodes") == '{"episodes":[]}'


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        *(
            (f"limit={it}", "limit: expected a whole number")
            for it in ("-1", "x", "", "1e3", "٣", "1.0", "%2B1", "1_0", " 1")
        ),
        ("limit=0", "limit: Input should be greater than or equal to 1"),
        ("limit=1001", "limit: Input should be less than or equal to 1000"),
        ("limit=999999999999999999", "limit: Input should be less than or equal to 1000"),
        ("limit=9999999999999999999", "limit: expected a whole number"),
        *((f"status={it}", "status: Input should be 'firing' or 'resolved'") for it in ("", "open", "FIRING")),
        ("colour=red", "colour: Extra inputs are not permitted"),
        ("limit=1&limit=2", "query: a name stands twice"),
    ],
)
async def test_a_wrong_query(receiver: Receiver, query: str, complaint: str) -> None:
    body = orjson.loads(await receiver.get(f"/api/v1/episodes?{query}", status=400))
    assert body == {"error": {"why": "malformed", "message": complaint}}


async def test_one_episode(receiver: Receiver) -> None:
    await receiver.send(alert())
    [listed] = await receiver.episodes()
    assert orjson.loads(await receiver.get(f"/api/v1/episodes/{listed['id']}")) == listed


@pytest.mark.parametrize("number", ["0", "2", "x", "01", "-1", "9" * 19, "1.0", "%00"])
async def test_no_such_episode(receiver: Receiver, number: str) -> None:
    await receiver.send(alert())
    body = orjson.loads(await receiver.get(f"/api/v1/episodes/{number}", status=404))
    assert body["error"]["why"] == "not_found"


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/v1", "/api/v2/episodes", "/api/v1/nowhere", "/api/v1/episodes/"]
)
async def test_what_is_nowhere_is_said_in_json(receiver: Receiver, path: str) -> None:
    assert orjson.loads(await receiver.get(path, status=404))["error"]["why"] == "not_found"


@pytest.mark.parametrize("path", ["/api/v1/episodes", "/api/v1/openapi.json"])
async def test_another_method_is_told_which_there_are(receiver: Receiver, path: str) -> None:
    async with receiver.client.delete(path) as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")
        assert (await response.json())["error"]["why"] == "wrong_method"


ALERTS_ALONE = frozenset({"now", "alert", "health", "episodes", "episode"})
"""What there is to ask where nobody can act."""


async def test_without_people_alerts_can_be_read_and_nothing_else_asked(receiver: Receiver) -> None:
    """Every operation, so that one added later is judged here too."""
    for operation in OPERATIONS:
        path = operation.path.replace("{id}", "0" * 16).replace("{action}", "halt").replace("{episode}", "1")
        path = path.replace("{fingerprint}", "0" * 16)
        async with receiver.client.request(operation.method, f"/api/v1{path}", json={}) as response:
            if operation.name in ALERTS_ALONE:
                assert response.status in (200, 404), path
            else:
                assert (response.status, (await response.json())["error"]["why"]) == (503, "unavailable"), path
