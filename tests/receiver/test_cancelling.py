"""Orders cancelled by a request from its approval to its end, over a real database and the venue server: also where the process
is killed on the way. The venue counts how often each order was cancelled.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from demo.venue.faults import Fault
from receiver.life import State
from receiver.requests import Request
from receiver.rulings import Refusal
from receiver.runner import Point
from receiver.why import Why
from tests.receiver.actions.venues import SPOT, SWAP, Trading, trading
from tests.receiver.dying import WITHIN, finished, place
from tests.receiver.house import House, Place, World, world

MORE = """
  - name: clear
    title: Cancel what is open
    steps: [{executor: cancel_orders, venue: binance, account: desk, at_most: {orders: 3}}]
    deadline: 6s
    verify: {query: engine_quoting == 0, heartbeat: engine_heartbeat, within: 30s}
  - name: halt-and-cancel
    title: Stop the engine on a venue and cancel its open orders
    protective: true
    steps:
      - {executor: http, target: engine, path: /halt, body: {venue: binance}}
      - {executor: cancel_orders, venue: binance, account: desk}
    deadline: 6s
    verify: {query: engine_quoting == 0, heartbeat: engine_heartbeat, within: 30s}
"""


@pytest.fixture
async def venue() -> AsyncIterator[Trading]:
    async with trading() as made:
        yield made


@pytest.fixture
async def around(tmp_path: Path, venue: Trading) -> AsyncIterator[World]:
    """A receiver whose folder says where it may trade."""
    (trader, *_) = venue.venue.exchange.accounts.values()
    (tmp_path / "trade_key").write_text(trader.api_key)
    (tmp_path / "trade_secret").write_text(trader.secret)
    account = {"api_key": {"file": "trade_key"}, "secret": {"file": "trade_secret"}, "markets": ["spot", "linear"]}
    written = {"binance": {"exchange": "binance", "base_url": venue.url, "accounts": {"desk": account}}}
    (tmp_path / "venues.yml").write_text(yaml.safe_dump({"venues": written}))
    (tmp_path / "more.yml").write_text(MORE.replace("{", "{{").replace("}", "}}"))
    async with world(tmp_path) as made:
        made.actions += (tmp_path / "more.yml").read_text()
        yield made


@pytest.fixture
async def house(around: World) -> AsyncIterator[House]:
    async with around.house() as made:
        yield made


async def resting(venue: Trading) -> list[str]:
    return [await venue.place(symbol, "limit", "buy", 0.1, 40_000) for symbol in (SPOT, SWAP)]


def effects(house: House, request: Request) -> list[str]:
    return [row["state"] for row in house.rows("SELECT state FROM effects WHERE request_id = :id", id=request.id)]


# --- one process -----------------------------------------------------------------------------------------------------


async def test_the_engine_is_halted_and_its_orders_are_cancelled(house: House, venue: Trading) -> None:
    orders = await resting(venue)
    planned = await house.planned("halt-and-cancel")
    assert sorted(each["id"] for each in planned.evidence["steps"][1]["cancels"]) == sorted(orders)
    request = await house.ended(await house.approved("halt-and-cancel"))
    assert (request.state, effects(house, request)) == (State.SUCCEEDED, ["applied", "applied"])
    assert venue.cancelled == dict.fromkeys(orders, 1)
    done = next(entry for entry in house.recorded() if entry["kind"] == "request.verifying")
    assert done["data"]["facts"]["cancelled"] == "2"
    assert sorted(done["data"]["facts"]["orders_gone"].split(", ")) == sorted(orders), "the audit knows which"


async def test_orders_that_can_not_all_be_cancelled_are_partial_and_a_page(house: House, venue: Trading) -> None:
    await resting(venue)
    venue.fails(Fault.STUCK, symbol=SPOT)
    request = await house.ended(await house.approved("clear"))
    assert (request.state, request.why) == (State.PARTIAL, Why.REFUSED)
    assert effects(house, request) == ["partly"]
    assert request.applied_at is not None
    assert [(kind, severity) for kind, severity, _ in house.notices()][-1] == ("escalation", "page")


async def test_where_nothing_could_be_cancelled_it_failed(house: House, venue: Trading) -> None:
    await venue.place(SPOT, "limit", "buy", 0.1, 40_000)
    venue.fails(Fault.STUCK)
    request = await house.ended(await house.approved("clear"))
    assert (request.state, request.why, request.applied_at) == (State.FAILED, Why.REFUSED, None)


async def test_a_book_that_grew_beyond_what_was_approved_is_not_touched(house: House, venue: Trading) -> None:
    await resting(venue)
    request = await house.approved("clear")
    await asyncio.gather(*(venue.place(SPOT, "limit", "buy", 0.1, 30_000 + each) for each in range(3)))
    request = await house.ended(request)
    assert (request.state, request.why) == (State.BLOCKED, Why.OUT_OF_BOUNDS)
    assert venue.cancelled == {}


async def test_a_busy_book_voids_no_approval(house: House, venue: Trading) -> None:
    await resting(venue)
    request = await house.approved("clear")
    await venue.place(SPOT, "limit", "buy", 0.1, 30_000)
    request = await house.ended(request)
    assert (request.state, len(venue.cancelled)) == (State.SUCCEEDED, 3)


async def test_nothing_is_planned_where_nobody_can_see_what_is_open(house: House, venue: Trading) -> None:
    venue.fails(Fault.KEY_REFUSED)
    with pytest.raises(Refusal, match="can not be seen"):
        await house.planned("clear")


async def test_one_account_has_one_request_at_a_time(house: House, venue: Trading) -> None:
    """The first one is in doubt, and holds the account."""
    await resting(venue)
    venue.fails(Fault.LOST_REPLY)
    first = await house.approved("clear")
    await house.look()
    assert (await house.desk.request(first.id)).state is State.IN_DOUBT
    second = await house.approved("halt-and-cancel")
    await house.look()
    assert (await house.desk.request(second.id)).state is not State.RUNNING
    first = await house.ended(first)
    assert first.state is State.SUCCEEDED
    assert set(venue.counted.values()) == {1}


# --- killed ----------------------------------------------------------------------------------------------------------


class Case(NamedTuple):
    """Where the process is killed; how it ends, why, and how many of two orders were cancelled, at least and at most."""

    point: Point
    state: State
    why: Why | None = None
    doubt: bool = False
    least: int = 2
    most: int = 2


KILLED = [
    Case(Point.START, State.SUCCEEDED),
    Case(Point.STARTED, State.PARTIAL, Why.NOT_APPLIED, doubt=True, least=0, most=0),
    Case(Point.CLEARED, State.PARTIAL, Why.NOT_APPLIED, doubt=True, least=0, most=1),
    Case(Point.SENT, State.SUCCEEDED, doubt=True),
    Case(Point.RECORDED, State.SUCCEEDED),
]
"""Killed before anything was sent, nobody knows that, and orders are open: it is told as partial, and people look."""


@pytest.fixture
def there(around: World) -> Place:
    return place(around.folder, around.engine, around.prometheus)


@asynccontextmanager
async def after(there: Place) -> AsyncIterator[House]:
    """The next process, until it has done what can be done."""
    async with there.house() as house, house.engine.running():
        await finished(house)
        yield house


async def killed(there: Place, point: Point) -> None:
    arguments = (str(there.folder), there.engine, there.prometheus, point, "1", signal.SIGKILL.name)
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.receiver.dying", *arguments)
    try:
        async with asyncio.timeout(WITHIN):
            assert await process.wait() == -signal.SIGKILL
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("case", KILLED, ids=lambda case: str(case.point))
async def test_no_order_is_cancelled_twice_and_none_is_lost_without_doubt(
    there: Place, venue: Trading, case: Case
) -> None:
    await resting(venue)
    async with there.house() as house:
        request = await house.approved("clear")
    await killed(there, case.point)
    async with after(there) as house:
        found = await house.desk.request(request.id)
        doubt = "request.in_doubt" in house.kinds(request)
    assert (found.state, found.why, doubt) == (case.state, case.why, case.doubt)
    assert case.least <= len(venue.counted) <= case.most
    assert set(venue.counted.values()) <= {1}
