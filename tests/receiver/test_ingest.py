from __future__ import annotations

import asyncio
import base64
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from occ.config import load
from receiver import ingest, store
from receiver.config import ReceiverConfig
from receiver.families import ACTIVE, ALERTS, LAST_NOTIFICATION, NOTIFICATIONS
from receiver.ingest import Door
from tests.receiver.conftest import Receiver
from tests.receiver.support import AUTHORIZED, MINUTE, NOW, TOKEN, alert, message


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def door(folder: Path, ingest: str) -> Door:
    path = folder / "receiver.yml"
    path.write_text(f'database: "sqlite:///r.db"\ningest: {{{ingest}}}\n')
    return Door(load(path, ReceiverConfig, {"AM_TOKEN": TOKEN, "PASSWORD": "p:w"}).config.ingest)


@pytest.mark.parametrize(
    ("header", "opens"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer  {TOKEN} ", True),
        (f"Bearer {TOKEN}x", False),
        (f"Bearer {TOKEN[:-1]}", False),
        ("Bearer", False),
        ("Bearer ", False),
        ("", False),
        (TOKEN, False),
        (f"Token {TOKEN}", False),
        (basic("", TOKEN), False),
        ("Bearer \udcff", False),
    ],
)
def test_a_bearer_token_opens(tmp_path: Path, header: str, opens: bool) -> None:  # noqa: FBT001 - a table
    assert door(tmp_path, "bearer: {env: AM_TOKEN}").opens(header) is opens


@pytest.mark.parametrize(
    ("header", "opens"),
    [
        (basic("am", "p:w"), True),
        (basic("am", "p"), False),
        (basic("AM", "p:w"), False),
        ("Basic am:p:w", False),
        ("Basic !!!", False),
        ("Basic", False),
        ("Bearer p:w", False),
        ("", False),
    ],
)
def test_a_user_name_and_password_open(tmp_path: Path, header: str, opens: bool) -> None:  # noqa: FBT001 - a table
    assert door(tmp_path, "basic: {username: am, password: {env: PASSWORD}}").opens(header) is opens


async def test_an_alert_is_there_when_it_is_answered(receiver: Receiver) -> None:
    await receiver.send(alert(starts=NOW - 90_000_001))
    [episode] = await receiver.episodes()
    assert episode == {
        "id": 1,
        "fingerprint": "abc50c1dff69b275",
        "source": "alertmanager",
        "alertname": "NodeLagging",
        "severity": "page",
        "status": "firing",
        "starts_at": "2026-09-21T14:11:49.999999Z",
        "ends_at": None,
        "sight": None,
        "received_at": "2026-09-21T14:13:20Z",
        "updated_at": "2026-09-21T14:13:20Z",
        "labels": {"alertname": "NodeLagging", "severity": "page", "entity": "ethereum/alchemy"},
        "annotations": {"summary": "37 blocks behind"},
        "generator_url": "http://prometheus:9090/graph",
    }


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
async def test_a_stranger_is_refused_and_leaves_nothing(receiver: Receiver, headers: dict[str, str]) -> None:
    async with receiver.client.post("/alertmanager", data=message(alert()), headers=headers) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="occ"'
    assert await receiver.episodes() == []
    assert await receiver.metric('receiver_notifications_total{outcome="unauthorized"}') == 1
    assert await receiver.metric("receiver_last_notification_timestamp_seconds") is None


BAD = {
    "not JSON": b"{",
    "empty": b"",
    "HTML": b"<!doctype html>",
    "invalid UTF-8": b'{"version":"4","alerts":[{"labels":{"a":"\xff"}}]}',
    "a NUL": message(alert(labels={"node": "a\0b"})),
    "an absurd time": message(alert() | {"startsAt": "9999-01-01T00:00:00Z"}),
    "a wrong shape": b'{"version":"4","alerts":[[]]}',
    "deep": b"[" * 1_000_000,
}


@pytest.mark.parametrize("body", BAD.values(), ids=list(BAD))
async def test_what_can_not_be_read_is_kept_and_pages(receiver: Receiver, body: bytes) -> None:
    assert await receiver.post(body) == 200
    [episode] = await receiver.episodes()
    assert (episode["alertname"], episode["severity"]) == ("ReceiverUnreadableNotification", "page")
    assert await receiver.metric('receiver_notifications_total{outcome="unreadable"}') == 1
    assert await receiver.metric('receiver_alerts_active{severity="page"}') == 1
    with receiver.database.reading.begin() as connection:
        assert connection.execute(text("SELECT body FROM deliveries")).scalar_one() == body


async def test_a_body_over_the_limit_is_kept_in_part(receiver: Receiver) -> None:
    assert await receiver.post(message(alert()).ljust(ingest.MAX_BODY_BYTES + 1)) == 200
    assert await receiver.metric('receiver_notifications_total{outcome="unreadable"}') == 1
    with receiver.database.reading.begin() as connection:
        size, whole = connection.execute(text("SELECT length(body), whole FROM deliveries")).one()
    assert (size, whole) == (ingest.KEPT_OF_TOO_LARGE, 0)


async def test_a_body_of_just_the_limit_is_read(receiver: Receiver) -> None:
    assert await receiver.post(message(alert()).ljust(ingest.MAX_BODY_BYTES)) == 200
    assert await receiver.metric('receiver_notifications_total{outcome="accepted"}') == 1


async def test_a_body_that_grows_when_unpacked_is_capped(receiver: Receiver) -> None:
    headers = AUTHORIZED | {"Content-Encoding": "gzip"}
    body = gzip.compress(b" " * (30 * ingest.MAX_BODY_BYTES))
    async with receiver.client.post("/alertmanager", data=body, headers=headers) as response:
        assert response.status == 200
    assert await receiver.metric('receiver_notifications_total{outcome="unreadable"}') == 1


async def test_a_body_that_can_not_be_unpacked_is_asked_for_again(receiver: Receiver) -> None:
    headers = AUTHORIZED | {"Content-Encoding": "gzip"}
    async with receiver.client.post("/alertmanager", data=b"not gzip at all", headers=headers) as response:
        assert response.status >= 400
    assert await receiver.episodes() == []


async def test_a_body_that_does_not_come_is_not_waited_for(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "BODY_WITHIN", 0.01)
    never = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        await never.wait()

    async with receiver.client.post("/alertmanager", data=body(), headers=AUTHORIZED) as response:
        assert response.status == 503
    never.set()
    assert await receiver.metric('receiver_notifications_total{outcome="failed"}') == 1


async def test_too_much_waiting_for_the_disk_asks_for_patience(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "MAX_WAITING_BYTES", -1)
    assert await receiver.post(message(alert())) == 503
    monkeypatch.undo()
    assert await receiver.post(message(alert())) == 200


async def test_a_mistake_of_ours_does_not_lose_the_notification(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(store, "read", lambda *_: 1 // 0)
    assert await receiver.post(message(alert())) == 200
    [episode] = await receiver.episodes()
    assert episode["annotations"]["description"].startswith("Delivery 1: failed here; the log says how.")
    assert "ZeroDivisionError" in caplog.text
    assert await receiver.metric('receiver_notifications_total{outcome="unreadable"}') == 1


async def test_fifty_at_once_are_all_durable(receiver: Receiver) -> None:
    bodies = [message(alert(f"Alert{number}"), groupKey=str(number)) for number in range(50)]
    assert await asyncio.gather(*map(receiver.post, bodies)) == [200] * 50
    assert {episode["alertname"] for episode in await receiver.episodes()} == {f"Alert{n}" for n in range(50)}
    assert await receiver.metric('receiver_alerts_active{severity="page"}') == 50


async def test_the_numbers_follow(receiver: Receiver) -> None:
    page = await receiver.get("/metrics")
    for outcome in ("accepted", "unreadable", "unauthorized", "failed"):
        assert f'receiver_notifications_total{{outcome="{outcome}"}} 0.0' in page
    await receiver.send(alert(), alert("Other", labels={"severity": "critical"}))
    receiver.clock.now += MINUTE
    await receiver.send(alert(ends=NOW))
    assert await receiver.metric('receiver_alerts_total{outcome="opened"}') == 2
    assert await receiver.metric('receiver_alerts_total{outcome="resolved"}') == 1
    assert await receiver.metric('receiver_alerts_active{severity="page"}') == 0
    assert await receiver.metric('receiver_alerts_active{severity="other"}') == 1
    assert await receiver.metric("receiver_last_notification_timestamp_seconds") == (NOW + MINUTE) / 1e6
    assert "occ_build_info{" in page
    assert 'occ_config_info{exporter="receiver"' in page


async def test_the_families_about_alerts_are_on_the_page(receiver: Receiver) -> None:
    """Those about acting are where people can: see test_process of the API."""
    await receiver.send(alert())
    page = await receiver.get("/metrics")
    of_alerts = (NOTIFICATIONS, ALERTS, ACTIVE, LAST_NOTIFICATION)
    assert [family.name for family in of_alerts if f"# TYPE {family.name} {family.kind}\n" not in page] == []


async def test_only_a_post_brings_alerts_in(receiver: Receiver) -> None:
    await receiver.get("/alertmanager", status=405)


def test_basic_authentication_is_asked_for_by_name(tmp_path: Path) -> None:
    made = door(tmp_path, "basic: {username: am, password: {env: PASSWORD}}")
    assert made.challenge == 'Basic realm="occ"'
