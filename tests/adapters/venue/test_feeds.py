"""Feeds against the venue server: what ends them, what they share, and what is left of them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from typing import Any

import pytest

from adapters.venue import BookGapError, Venue
from demo.venue.faults import Fault, Scope
from demo.venue.server import Server
from occ.errors import Reason, SourceError
from tests.adapters.venue.far import SPOT, Told, venue
from tests.demo.venue.support import DEADLINE, opened
from tests.virtual import on_virtual_time

OPTIONS = {**SPOT, "streamLimits": {"spot": 1}}
"""By which Binance's feeds share one socket."""


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with opened("binance", rate=100) as made:
        yield made


@pytest.fixture
async def asked(server: Server) -> AsyncIterator[Venue]:
    async with venue(server.base_url("binance"), options=OPTIONS) as made:
        yield made


Switch = Callable[..., None]


@pytest.fixture
def switch(server: Server) -> Switch:
    def on(fault: Fault, **scope: Any) -> None:
        server.venues["binance"].exchange.set(fault, Scope(**scope))

    return on


async def follow(asked: Venue, symbol: str, updates: int = 3) -> Any:
    """The last of so many updates, followed as a caller does: again after a gap, which may lie right behind a snapshot."""
    async with asyncio.timeout(DEADLINE):
        while True:
            with suppress(BookGapError):
                async with aclosing(asked.watch("watch_order_book", symbol, 100)) as feed:
                    for _ in range(updates):
                        book = await anext(feed)
                    return book


class Following:
    """A feed that is followed in the background, for ever."""

    def __init__(self, asked: Venue, symbol: str) -> None:
        self.updates = 0
        self.task = asyncio.create_task(self._follow(asked, symbol))

    @classmethod
    async def started(cls, asked: Venue, symbol: str) -> Following:
        """One that is behind its snapshot."""
        while True:
            made = cls(asked, symbol)
            await until(lambda: made.updates >= 3 or made.task.done())  # noqa: B023 - awaited here
            if not made.task.done():
                return made
            assert isinstance(made.task.exception(), BookGapError)

    async def _follow(self, asked: Venue, symbol: str) -> None:
        async with aclosing(asked.watch("watch_order_book", symbol, 100)) as feed:
            async for _ in feed:
                self.updates += 1

    async def failed(self) -> SourceError:
        with pytest.raises(SourceError) as told:
            async with asyncio.timeout(DEADLINE):
                await self.task
        return told.value

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def sockets(server: Server) -> int:
    return len(server._sockets)


def of_server(task: asyncio.Task[Any]) -> bool:
    return any(name in str(task) for name in ("RequestHandler", "demo/venue"))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - what the other side sees
            await asyncio.sleep(0.01)


async def test_a_book_is_followed(asked: Venue) -> None:
    first, later = await follow(asked, "BTC/USDT", 1), await follow(asked, "BTC/USDT", 5)

    assert later["nonce"] > first["nonce"] or later is first
    assert later["bids"][0][0] < later["asks"][0][0]
    assert later["symbol"] == "BTC/USDT"


async def test_what_comes_while_the_caller_is_at_work_is_there_at_once(asked: Venue) -> None:
    async with asyncio.timeout(DEADLINE), aclosing(asked.watch("watch_trades", "BTC/USDT")) as feed:
        seen = int((await anext(feed))[-1]["id"])
        stored = asked._exchange.trades["BTC/USDT"]
        await until(lambda: int(stored[-1]["id"]) > seen)

        following = asyncio.ensure_future(anext(feed))
        for _ in range(5):
            await asyncio.sleep(0)
        assert following.done()
        assert int((await following)[0]["id"]) > seen


async def test_the_newest_is_told_at_an_interval_and_everything_is_noted(asked: Venue) -> None:
    now, noted, told = asyncio.get_running_loop().time, list[Any](), list[tuple[float, Any]]()
    feed = asked.watch("watch_trades", "BTC/USDT", note=noted.append, interval=0.5)
    async with asyncio.timeout(DEADLINE), aclosing(feed):
        while len(told) < 3 or len(noted) < 10:
            trades = await anext(feed)
            told.append((now(), trades))
            assert trades is noted[-1]

    assert all(later[0] - earlier[0] >= 0.49 for earlier, later in itertools.pairwise(told))
    ids = [int(trade["id"]) for trades in noted for trade in trades]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


async def test_a_failure_does_not_wait_for_the_interval(asked: Venue, switch: Switch) -> None:
    async with asyncio.timeout(DEADLINE), aclosing(asked.watch("watch_order_book", "BTC/USDT", interval=3600)) as feed:
        await anext(feed)
        switch(Fault.DROP)
        with pytest.raises(SourceError):
            await anext(feed)


@on_virtual_time
async def test_others_get_their_turn_while_updates_pour_in() -> None:
    """Two thousand a second, as many as the loop is given at once. What ccxt would have heard is made here."""
    numbers, noted, told, turns = itertools.count(), list[int](), list[int](), 0

    async def pour(_: str) -> int:
        number = next(numbers)
        await asyncio.sleep(0 if number % 20 else 0.01)
        return number

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.05)
            turns += 1

    async with venue("http://127.0.0.1:1") as asked:
        asked._exchange.watch_trades = pour
        beside = asyncio.create_task(other())
        async with aclosing(asked.watch("watch_trades", "BTC/USDT", note=noted.append, interval=0.25)) as feed:
            async for update in feed:
                told.append(update)
                if update > 20_000:
                    break
        beside.cancel()
        await asyncio.gather(beside, return_exceptions=True)
    assert noted == list(range(len(noted)))
    assert len(told) < 60
    assert turns >= 150


async def test_what_the_one_who_notes_refuses_ends_the_feed(asked: Venue) -> None:
    def refuse(_: object) -> None:
        raise SourceError(Reason.BAD_RESPONSE, "no trades at all")

    async with asyncio.timeout(DEADLINE), aclosing(asked.watch("watch_trades", "BTC/USDT", note=refuse)) as feed:
        with pytest.raises(SourceError, match="no trades at all"):
            await anext(feed)


async def test_a_mistake_of_the_one_who_notes_is_ours_and_not_the_venues(
    asked: Venue, caplog: pytest.LogCaptureFixture
) -> None:
    def stumble(_: object) -> None:
        raise KeyError("oops")

    async with asyncio.timeout(DEADLINE), aclosing(asked.watch("watch_order_book", "BTC/USDT", note=stumble)) as feed:
        with pytest.raises(SourceError) as told:
            await anext(feed)

    assert told.value.reason is Reason.INTERNAL
    assert "in our own code" in caplog.text


async def test_feeds_share_a_socket_and_the_last_one_closes_it(asked: Venue, server: Server) -> None:
    one, other = [await Following.started(asked, symbol) for symbol in ("BTC/USDT", "ETH/USDT")]
    assert sockets(server) == 1

    await one.end()
    seen = other.updates
    await until(lambda: other.updates > seen)
    assert sockets(server) == 1

    await other.end()
    await until(lambda: sockets(server) == 0)


async def test_a_feed_that_ends_leaves_no_task_behind(asked: Venue) -> None:
    await asked.markets()
    before = asyncio.all_tasks()

    following = await Following.started(asked, "BTC/USDT")
    await following.end()

    assert not [task for task in asyncio.all_tasks() - before if not of_server(task)]


async def test_a_feed_that_is_ended_before_it_began_leaves_nothing_behind(asked: Venue, server: Server) -> None:
    await asked.markets()
    following = Following(asked, "BTC/USDT")
    for _ in range(10):
        await asyncio.sleep(0)
    await following.end()

    await until(lambda: sockets(server) == 0)
    assert (await follow(asked, "BTC/USDT"))["nonce"] > 0


async def test_a_feed_that_was_ended_is_followed_again_on_a_socket_that_others_use(asked: Venue) -> None:
    other = await Following.started(asked, "ETH/USDT")
    await follow(asked, "BTC/USDT")

    assert (await follow(asked, "BTC/USDT"))["bids"]

    seen = other.updates
    await until(lambda: other.updates > seen)
    await other.end()


@pytest.mark.parametrize("fault", [Fault.GAP, Fault.REORDERED])
async def test_updates_that_do_not_fit_together_end_the_feed_and_are_told_apart(
    asked: Venue, switch: Switch, fault: Fault
) -> None:
    following = await Following.started(asked, "BTC/USDT")

    switch(fault, symbol="BTC/USDT")

    assert isinstance(await following.failed(), BookGapError)


async def test_after_a_gap_the_book_is_taken_anew_while_others_go_on(
    asked: Venue, switch: Switch, server: Server
) -> None:
    other, broken = [await Following.started(asked, symbol) for symbol in ("ETH/USDT", "BTC/USDT")]
    switch(Fault.GAP, symbol="BTC/USDT")
    await broken.failed()
    server.venues["binance"].exchange.clear(Fault.GAP)

    book = await follow(asked, "BTC/USDT", 5)

    assert book["bids"][0][0] < book["asks"][0][0]
    assert not other.task.done()
    await other.end()


@pytest.mark.parametrize(
    ("fault", "reasons"),
    [
        (Fault.DROP, {Reason.CONNECT}),
        (Fault.SERVER_ERROR, {Reason.CONNECT, Reason.SERVER_ERROR}),
        (Fault.MAINTENANCE, {Reason.CONNECT, Reason.MAINTENANCE, Reason.SERVER_ERROR}),
        (Fault.GARBAGE, {Reason.BAD_RESPONSE}),
        (Fault.TRUNCATED, {Reason.BAD_RESPONSE}),
    ],
)
async def test_what_ends_a_feed(asked: Venue, switch: Switch, fault: Fault, reasons: set[Reason]) -> None:
    following = await Following.started(asked, "BTC/USDT")

    switch(fault)

    assert (await following.failed()).reason in reasons


async def test_a_socket_that_is_refused_says_why(asked: Venue, switch: Switch) -> None:
    await asked.markets()
    switch(Fault.SERVER_ERROR)

    with pytest.raises(SourceError) as refused:
        await follow(asked, "BTC/USDT")

    assert refused.value.reason is Reason.SERVER_ERROR


async def test_a_socket_on_which_nobody_answers_is_closed_all_the_same(asked: Venue, switch: Switch) -> None:
    following = await Following.started(asked, "BTC/USDT")
    switch(Fault.SILENCE)
    seen = following.updates

    async with asyncio.timeout(DEADLINE):
        await following.end()

    assert following.updates <= seen + 2


async def test_a_venue_that_is_closed_ends_its_feeds(server: Server) -> None:
    async with venue(server.base_url("binance"), options=OPTIONS) as asked:
        following = [await Following.started(asked, symbol) for symbol in ("BTC/USDT", "ETH/USDT")]

    for each in following:
        assert (await each.failed()).reason in {Reason.CONNECT, Reason.INTERNAL}
    assert sockets(server) == 0


async def test_what_a_feed_asks_over_http_counts_like_any_request(server: Server) -> None:
    observer = Told()
    async with venue(server.base_url("binance"), options=OPTIONS, observer=observer) as asked:
        await follow(asked, "BTC/USDT")

    assert [request.method for request in observer.requests] == ["load_markets", "watch_order_book"]


async def test_a_symbol_that_is_not_there_is_refused(asked: Venue) -> None:
    with pytest.raises(SourceError, match="no such market"):
        await follow(asked, "XBT/USDT")


async def test_what_the_venue_does_not_stream_is_told(asked: Venue) -> None:
    with pytest.raises(SourceError) as told:
        await anext(asked.watch("watch_funding_rates"))

    assert told.value.reason is Reason.NOT_SUPPORTED


async def test_trades_are_told_each_once(asked: Venue) -> None:
    seen: list[str] = []

    def note(trades: list[dict[str, Any]]) -> None:
        seen.extend(trade["id"] for trade in trades)

    async with asyncio.timeout(DEADLINE), aclosing(asked.watch("watch_trades", "BTC/USDT", note=note)) as feed:
        while len(seen) < 10:
            await anext(feed)

    assert len(seen) == len(set(seen))
    assert list(map(int, seen)) == list(range(int(seen[0]), int(seen[0]) + len(seen)))
