from __future__ import annotations

import pytest

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


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x", "", "1e3", "99999999999", "٣", "1.0"])
async def test_a_wrong_limit(receiver: Receiver, limit: str) -> None:
    body = await receiver.get(f"/api/v1/episodes?limit={limit}", status=400)
    assert body == '{"error":"limit: expected a number from 1 to 1000"}'


@pytest.mark.parametrize("status", ["", "open", "FIRING"])
async def test_a_wrong_status(receiver: Receiver, status: str) -> None:
    body = await receiver.get(f"/api/v1/episodes?status={status}", status=400)
    assert body == '{"error":"status: expected firing or resolved"}'
