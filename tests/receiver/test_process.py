"""The receiver as a process: ended, killed, and out of disk."""

from __future__ import annotations

import asyncio
import resource
import signal
import sqlite3
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from demo.parts import locate
from occ.connections import MOST
from receiver.clock import now
from tests.receiver.support import (
    AUTHORIZED,
    MINUTE,
    TOKEN,
    Process,
    alert,
    config_file,
    episodes,
    launch,
    message,
    send,
    started,
)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as made:
        yield made


def stored(folder: Path) -> list[bytes]:
    with sqlite3.connect(folder / "receiver.db") as connection:
        rows = connection.execute("SELECT body FROM deliveries ORDER BY id").fetchall()
    connection.close()
    return [body for (body,) in rows]


async def test_a_kill_right_after_the_answer_loses_nothing(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    body = message(alert(starts=now() - MINUTE))
    config = config_file(tmp_path)
    async with started(config) as first:
        assert await send(session, first.url, body) == 200
        assert await first.end(signal.SIGKILL) == -signal.SIGKILL
    assert stored(tmp_path) == [body]
    async with started(config) as second:
        [episode] = await episodes(session, second.url)
        assert (episode["alertname"], episode["status"]) == ("NodeLagging", "firing")
        async with session.get(f"{second.url}/metrics") as response:
            page = await response.text()
        assert 'receiver_alerts_active{severity="page"} 1.0' in page
        assert "\nreceiver_last_notification_timestamp_seconds " in page


async def test_a_kill_in_the_middle_of_fifty_loses_none_that_was_answered(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    answered: list[str] = []

    async def one(receiver: Process, number: int) -> None:
        name = f"Alert{number}"
        try:
            if await send(session, receiver.url, message(alert(name, starts=now()), groupKey=name)) == 200:
                answered.append(name)
                if len(answered) == 15:
                    receiver.process.kill()
        except aiohttp.ClientError:
            pass

    config = config_file(tmp_path)
    async with started(config) as first:
        await asyncio.gather(*(one(first, number) for number in range(50)))
        await first.process.wait()
    assert len(answered) >= 15
    async with started(config) as second:
        assert set(answered) <= {episode["alertname"] for episode in await episodes(session, second.url)}


async def test_a_connection_for_each_alert_of_a_storm_is_answered(tmp_path: Path) -> None:
    """As Alertmanager has them; none is ended that has waited longest, to make room for the next."""
    async with started(config_file(tmp_path)) as receiver:
        port = int(receiver.url.rpartition(":")[2])
        open_ones = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MOST + 200)]
        body = message(alert(starts=now()))
        head = f"POST /alertmanager HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        sizes = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        for _, writer in open_ones:
            writer.write(head.encode() + sizes.encode() + body)
        assert {await reader.readline() for reader, _ in open_ones} == {b"HTTP/1.1 200 OK\r\n"}
        for _, writer in open_ones:
            writer.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it(tmp_path: Path, session: aiohttp.ClientSession, number: signal.Signals) -> None:
    async with started(config_file(tmp_path)) as receiver:
        assert await send(session, receiver.url, message(alert(starts=now()))) == 200
        assert await receiver.end(number) == 0


async def test_a_sender_that_never_finishes_does_not_hold_up_the_end(tmp_path: Path) -> None:
    async with started(config_file(tmp_path)) as receiver:
        _, port = receiver.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        head = f"POST /alertmanager HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 100\r\n"
        writer.write(head.encode() + b"Expect: 100-continue\r\n\r\n{")
        assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert await receiver.end() == 0
        writer.close()


async def test_what_is_on_its_way_when_the_signal_comes_is_answered_or_not_kept_from_the_sender(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    async with started(config_file(tmp_path)) as receiver:
        posts = [
            asyncio.create_task(send(session, receiver.url, message(alert(f"A{n}", starts=now())))) for n in range(50)
        ]
        await asyncio.wait(posts, return_when=asyncio.FIRST_COMPLETED)
        assert await receiver.end() == 0
        results = await asyncio.gather(*posts, return_exceptions=True)
    assert len(stored(tmp_path)) >= results.count(200) > 0


async def test_a_second_receiver_on_the_same_database_is_refused(tmp_path: Path) -> None:
    config = config_file(tmp_path)
    async with started(config):
        second = await launch(config)
        _, said = await second.communicate()
        assert second.returncode == 1
        assert f"{tmp_path}/receiver.db is in use by another process" in said.decode()


async def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    async with started(config_file(tmp_path)) as receiver:
        address = receiver.url.removeprefix("http://")
        second = await launch(config_file(tmp_path / "other"), arguments=("--web.listen-address", address))
        _, said = await second.communicate()
        assert second.returncode == 1
        assert f"can not serve on {address}" in said.decode()


async def test_a_full_disk_asks_the_sender_to_try_again_until_there_is_room(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    async with started(config_file(tmp_path)) as receiver:
        pid = receiver.process.pid
        assert await send(session, receiver.url, message(alert("Before", starts=now()))) == 200
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, before[1]))
        assert await send(session, receiver.url, message(alert("Lost", starts=now()))) == 503
        assert [episode["alertname"] for episode in await episodes(session, receiver.url)] == ["Before"]
        async with session.get(f"{receiver.url}/metrics") as response:
            assert 'receiver_notifications_total{outcome="failed"} 1.0' in await response.text()
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        assert await send(session, receiver.url, message(alert("After", starts=now()))) == 200
    assert len(stored(tmp_path)) == 2


async def test_no_secret_is_in_the_log_nor_on_standard_output(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    async with started(config_file(tmp_path)) as receiver:
        headers = AUTHORIZED | {"Content-Encoding": "gzip"}
        async with session.post(f"{receiver.url}/alertmanager", data=TOKEN.encode(), headers=headers) as response:
            assert response.status == 503
        await receiver.end()
        out, log = await receiver.process.communicate()
        assert TOKEN not in "".join(receiver.log) + log.decode()
        assert out == b""


async def test_its_page_is_clean(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    async with started(config_file(tmp_path)) as receiver:
        assert await send(session, receiver.url, message(alert(starts=now()))) == 200
        async with session.get(f"{receiver.url}/metrics") as response:
            page = await response.read()
    promtool = await asyncio.create_subprocess_exec(
        locate("promtool"), "check", "metrics", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said, _ = await promtool.communicate(page)
    assert (promtool.returncode, said) == (0, b"")
