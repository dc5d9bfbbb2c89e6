"""The engine over HTTP: who is let in, what it answers, its metrics, its faults, and as a process of its own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cli.catalogue import catalogue
from demo.engine import families
from demo.engine.__main__ import main
from demo.engine.faults import Befalls, Fault
from demo.engine.server import Server
from demo.engine.state import Engine
from demo.until import until

TOKEN = "t0ken"
WITHIN = 30.0
SIGNED = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": "k", "X-OCC-Fence": "1"}


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(Engine({"binance": ("BTC/USDT", "ETH/USDT")}), token=TOKEN) as made:
        yield made


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(WITHIN)) as made:
        yield made


async def told(
    session: aiohttp.ClientSession, method: str, url: str, body: Any = None, headers: Mapping[str, str] = SIGNED
) -> tuple[int, Any]:
    async with session.request(method, url, json=body, headers=headers) as response:
        return response.status, await response.json()


HALT = {"venue": "binance"}


async def test_it_does_what_it_is_told_and_tells_what_became_of_it(
    server: Server, session: aiohttp.ClientSession
) -> None:
    assert await told(session, "GET", f"{server.url}/operations/k") == (404, {"applied": False})
    assert await told(session, "POST", f"{server.url}/halt", HALT) == (200, {"venue": "binance", "quoting": False})
    assert await told(session, "GET", f"{server.url}/operations/k") == (200, {"applied": True})
    assert await told(session, "GET", f"{server.url}/effects") == (200, {"effects": {"k": 1}, "received": {"k": 1}})


async def test_a_parameter_is_shown_with_its_version_and_changed_by_it(
    server: Server, session: aiohttp.ClientSession
) -> None:
    url = f"{server.url}/parameters/max_order_usd"
    shown = {"value": "25000", "version": "1", "min": "0", "max": "100000"}
    assert await told(session, "GET", url) == (200, shown)
    assert (await told(session, "PUT", url, {"value": "5"}))[0] == 428
    for match, status in (('"2"', 412), ('"1"', 200)):
        headers = SIGNED | {"If-Match": match, "Idempotency-Key": match}
        assert (await told(session, "PUT", url, {"value": "5"}, headers))[0] == status
    assert (await told(session, "GET", url))[1]["value"] == "5"
    assert (await told(session, "GET", f"{server.url}/parameters/other"))[0] == 404


@pytest.mark.parametrize("path", ["halt", "resume", "kill-switch", "effects", "operations/k", "parameters/x", "faults"])
async def test_without_the_token_nobody_is_let_in(server: Server, session: aiohttp.ClientSession, path: str) -> None:
    for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Authorization": "Bearer ü"}):
        assert (await told(session, "POST", f"{server.url}/{path}", HALT, SIGNED | {"Authorization": ""} | given))[
            0
        ] == 401
    assert not server.engine.received


@pytest.mark.parametrize("missing", ["Idempotency-Key", "X-OCC-Fence"])
async def test_what_does_not_say_who_sends_it_is_refused(
    server: Server, session: aiohttp.ClientSession, missing: str
) -> None:
    headers = {name: value for name, value in SIGNED.items() if name != missing}
    assert (await told(session, "POST", f"{server.url}/halt", HALT, headers))[0] == 400
    for fence in ("-1", "1.5", "x", "²"):
        status, _ = await told(session, "POST", f"{server.url}/halt", HALT, SIGNED | {"X-OCC-Fence": fence})
        assert status == 400
    bodies: tuple[Any, ...] = (None, [], "text")
    for body in bodies:
        assert (await told(session, "POST", f"{server.url}/halt", body))[0] == 400


# --- faults ----------------------------------------------------------------------------------------------------------


async def fails(session: aiohttp.ClientSession, server: Server, fault: str, query: str = "") -> tuple[int, Any]:
    return await told(session, "PUT", f"{server.url}/faults/{fault}{query}")


@pytest.mark.parametrize("fault", [Fault.DROP, Fault.COMMIT_THEN_DROP, Fault.HANG, Fault.COMMIT_THEN_HANG])
async def test_an_answer_can_be_lost_before_and_after_the_effect(
    server: Server, session: aiohttp.ClientSession, fault: Fault
) -> None:
    await fails(session, server, fault, "?times=1")

    async def struck() -> bool:
        return not server.faults.standing

    asking = asyncio.create_task(told(session, "POST", f"{server.url}/halt", HALT))
    assert await until(struck, WITHIN)
    if "hang" in fault:
        asking.cancel()
    with pytest.raises((aiohttp.ServerDisconnectedError, asyncio.CancelledError)):
        await asking
    assert server.engine.effects["k"] == fault.commits
    assert (await told(session, "POST", f"{server.url}/halt", HALT))[0] == 200
    assert server.engine.effects["k"] == 1, "the key is known"


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.COMMIT_THEN_ERROR])
async def test_an_error_can_come_before_and_after_the_effect(
    server: Server, session: aiohttp.ClientSession, fault: Fault
) -> None:
    await fails(session, server, fault)
    assert (await told(session, "POST", f"{server.url}/halt", HALT))[0] == 500
    assert server.engine.effects["k"] == fault.commits


async def test_a_late_effect_comes_though_nobody_waits_any_more(server: Server, session: aiohttp.ClientSession) -> None:
    await fails(session, server, "slow", "?seconds=2&times=1")

    async def struck() -> bool:
        return not server.faults.standing

    async def there() -> bool:
        return server.engine.effects["k"] == 1

    asking = asyncio.create_task(told(session, "POST", f"{server.url}/halt", HALT))
    assert await until(struck, WITHIN)
    asking.cancel()
    assert not server.engine.effects
    assert await until(there, WITHIN)


async def test_a_refusal_has_the_status_that_is_asked_for(server: Server, session: aiohttp.ClientSession) -> None:
    await fails(session, server, "refuse", "?status=409&times=1")
    assert [(await told(session, "POST", f"{server.url}/halt", HALT))[0] for _ in range(2)] == [409, 200]


async def test_a_fault_befalls_what_it_is_set_for_alone(server: Server, session: aiohttp.ClientSession) -> None:
    for befalls, path in ((Befalls.OPERATIONS, "operations/k"), (Befalls.PARAMETERS, "parameters/max_order_usd")):
        await fails(session, server, "error", f"?befalls={befalls}")
        assert (await told(session, "GET", f"{server.url}/{path}"))[0] == 500
    assert (await told(session, "POST", f"{server.url}/halt", HALT))[0] == 200
    await told(session, "DELETE", f"{server.url}/faults")
    assert (await told(session, "GET", f"{server.url}/operations/k"))[0] == 200


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault.own])
async def test_what_it_does_wrong_by_itself_befalls_nothing_that_it_is_told(
    server: Server, session: aiohttp.ClientSession, fault: Fault
) -> None:
    status, answer = await fails(session, server, fault)
    assert (status, answer["faults"][0]["befalls"]) == (200, Befalls.ITSELF)
    assert (await told(session, "POST", f"{server.url}/halt", HALT))[0] == 200
    await told(session, "DELETE", f"{server.url}/faults")
    assert server.engine.faults.own is None


@pytest.mark.parametrize("asked", ["no_such", "drop?times=x", "drop?befalls=x", "slow?second=1"])
async def test_a_fault_that_is_none_is_refused(server: Server, session: aiohttp.ClientSession, asked: str) -> None:
    status, answer = await fails(session, server, asked)
    assert (status, "commit_then_drop" in answer["error"]) == (400, True)


# --- metrics ---------------------------------------------------------------------------------------------------------


async def page(session: aiohttp.ClientSession, url: str) -> dict[str, float]:
    async with session.get(f"{url}/metrics") as response:
        lines = (await response.text()).splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines) if name[:1] != "#"}


async def test_its_metrics_say_how_it_stands(server: Server, session: aiohttp.ClientSession) -> None:
    before = await page(session, server.url)
    assert before['engine_quoting{venue="binance",symbol="BTC/USDT"}'] == 1
    await told(session, "POST", f"{server.url}/halt", HALT)
    await told(session, "POST", f"{server.url}/kill-switch", {"on": True}, SIGNED | {"Idempotency-Key": "other"})
    after = await page(session, server.url)
    assert [after[f'engine_quoting{{venue="binance",symbol="{name}/USDT"}}'] for name in ("BTC", "ETH")] == [0, 0]
    assert after["engine_kill_switch"] == 1


async def test_its_heart_beats_without_being_asked(server: Server, session: aiohttp.ClientSession) -> None:
    first = (await page(session, server.url))["engine_heartbeat_timestamp_seconds"]

    async def beaten() -> bool:
        return (await page(session, server.url))["engine_heartbeat_timestamp_seconds"] > first

    assert await until(beaten, WITHIN)


def test_rules_and_boards_may_use_its_metrics() -> None:
    assert {family.name for family in families.FAMILIES} <= {family.name for family in catalogue()}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--holds", "binance=BTC/USDT:USDT"], "expected NAME=SYMBOL=SIZE"),
        (["--holds", "binance=BTC/USDT:USDT=much"], "expected NAME=SYMBOL=SIZE"),
        (["--trades", "binance=http://127.0.0.1:1"], "expected NAME=EXCHANGE@URL"),
        (["--counts", "bourse=binance@nowhere"], "expected NAME=EXCHANGE@URL"),
    ],
)
def test_a_wrong_line_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["engine", *flags])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert said in capsys.readouterr().err


# --- as a process ----------------------------------------------------------------------------------------------------


async def test_as_a_process_it_says_where_it_is_and_outlives_a_kill(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "demo.engine", "--venue", "kraken=BTC/USD", "--state", str(tmp_path / "state")]
    for fence, status in (("5", 200), ("4", 412)):
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, env={**os.environ, "ENGINE_TOKEN": TOKEN}
        )
        assert process.stdout
        try:
            async with asyncio.timeout(WITHIN):
                url = (await process.stdout.readline()).decode().removeprefix("engine: ").strip()
            headers = SIGNED | {"X-OCC-Fence": fence, "Idempotency-Key": fence}
            assert (await told(session, "POST", f"{url}/halt", {"venue": "kraken"}, headers))[0] == status
            assert (await page(session, url))['engine_quoting{venue="kraken",symbol="BTC/USD"}'] == 0
            assert (await told(session, "GET", f"{url}/operations/5"))[1] == {"applied": True}
        finally:
            process.kill()
            await process.wait()
