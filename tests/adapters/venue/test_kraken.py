"""Kraken's books against the venue server: their checksums, and what else goes on while one is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from ccxt.async_support.base.ws.order_book import OrderBook

from adapters.venue import BookGapError, Venue
from adapters.venue.kraken import _Compared, checksum, digits
from demo.venue.faults import Fault, Scope
from demo.venue.server import Server
from occ.errors import Reason, SourceError
from tests.adapters.venue.far import venue
from tests.demo.venue.support import DEADLINE, opened

BTC, ETH = "BTC/USD", "ETH/USD"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with opened("kraken", rate=100) as made:
        yield made


@pytest.fixture
async def asked(server: Server) -> AsyncIterator[Venue]:
    async with venue(server.base_url("kraken"), "kraken") as made:
        yield made


def broken(server: Server, fault: Fault, symbol: str | None = BTC) -> None:
    server.venues["kraken"].exchange.set(fault, Scope(symbol=symbol))


async def lost(asked: Venue, symbol: str = BTC) -> None:
    """Follows a book until there is a gap."""
    with pytest.raises(BookGapError):
        async with asyncio.timeout(DEADLINE), aclosing(asked.watch("watch_order_book", symbol, 10)) as feed:
            assert [book async for book in feed if not book["bids"]] == []


ASKS = """45285.2 0.00100000  45286.4 1.54571953  45286.6 1.54571109  45289.6 1.54560911  45290.2 0.15890660
45291.8 1.54553491  45294.7 0.04454749  45296.1 0.35380000  45297.5 0.09945542  45299.5 0.18772827  45300.0 7.00000000"""
BIDS = """45283.5 0.10000000  45283.4 1.54582015  45282.1 0.10000000  45281.0 0.10000000  45280.3 1.54592586
45279.0 0.07990000  45277.6 0.03310103  45277.5 0.30000000  45277.3 1.54602737  45276.6 0.15445238"""


def test_a_checksum_is_that_of_krakens_guide() -> None:
    """The example of its guide to the book channel, with a level more than is summed."""

    def side(text: str) -> list[list[object]]:
        numbers = text.split()
        pairs = zip(numbers[::2], numbers[1::2], strict=True)
        return [[float(price), float(size), digits(price) + digits(size)] for price, size in pairs]

    assert checksum(side(ASKS), side(BIDS)) == 3310070434


class Socket:
    """In place of ccxt's: remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def resolve(self, book: object, _name: str) -> None:
        self.told.append(book)

    def reject(self, error: object, _name: str) -> None:
        self.told.append(type(error))


def test_a_book_with_another_checksum_is_emptied_for_who_holds_it() -> None:
    socket, book = Socket(), OrderBook({})
    book["asks"].storeArray([2.0, 1.0, "21"])
    book["bids"].storeArray([1.0, 1.0, "11"])
    right = checksum(book["asks"], book["bids"])

    _Compared(socket, right).resolve(book, "orderbook")
    assert book["asks"] == [[2.0, 1.0, "21"]]
    _Compared(socket, right + 1).resolve(book, "orderbook")
    assert book["asks"] == book["bids"] == []
    assert socket.told == [book, BookGapError]


@pytest.mark.parametrize("depth", [10, 100])
async def test_a_right_book_is_followed(asked: Venue, depth: int) -> None:
    seen = 0
    async with asyncio.timeout(DEADLINE), aclosing(asked.watch("watch_order_book", BTC, depth)) as feed:
        async for book in feed:
            assert book["bids"][0][0] < book["asks"][0][0]
            assert len(book["bids"]) <= depth
            seen += 1
            if seen == 30:
                break


@pytest.mark.parametrize("fault", [Fault.GAP, Fault.CORRUPT])
async def test_a_wrong_checksum_is_a_gap(asked: Venue, server: Server, fault: Fault) -> None:
    """And what it makes of the book is not told any more."""
    feed = asked.watch("watch_order_book", BTC, 10, interval=3600)
    async with asyncio.timeout(DEADLINE), aclosing(feed):
        await anext(feed)
        broken(server, fault)
        with pytest.raises(BookGapError):
            await anext(feed)


async def test_a_book_that_is_wrong_from_its_beginning_is_never_told(asked: Venue, server: Server) -> None:
    broken(server, Fault.CORRUPT)
    async with asyncio.timeout(DEADLINE), aclosing(asked.watch("watch_order_book", BTC, 10)) as feed:
        with pytest.raises(BookGapError):
            await anext(feed)


async def test_after_a_gap_the_book_is_taken_anew_while_others_go_on_at_the_same_socket(
    asked: Venue, server: Server
) -> None:
    others = 0

    async def follow_another() -> None:
        nonlocal others
        async with aclosing(asked.watch("watch_order_book", ETH, 10)) as feed:
            async for _ in feed:
                others += 1

    other = asyncio.create_task(follow_another())
    broken(server, Fault.CORRUPT)
    for _ in range(3):
        await lost(asked)
    server.venues["kraken"].exchange.clear(Fault.CORRUPT)
    async with asyncio.timeout(DEADLINE), aclosing(asked.watch("watch_order_book", BTC, 10)) as feed:
        for _ in range(5):
            book = await anext(feed)
        assert book["symbol"] == BTC
        seen = others
        while others == seen:
            await anext(feed)
    assert len(server._sockets) == 1
    assert not other.done()
    other.cancel()
    await asyncio.gather(other, return_exceptions=True)


async def test_trades_are_given_up_and_taken_again_at_a_socket_that_others_use(asked: Venue) -> None:
    async with asyncio.timeout(DEADLINE), aclosing(asked.watch("watch_order_book", BTC, 10)) as book:
        await anext(book)
        for _ in range(2):
            async with aclosing(asked.watch("watch_trades", BTC)) as trades:
                assert (await anext(trades))[0]["symbol"] == BTC
        await anext(book)


@pytest.mark.parametrize("fault", [Fault.GARBAGE, Fault.TRUNCATED])
async def test_what_is_no_message_ends_the_feed(asked: Venue, server: Server, fault: Fault) -> None:
    async with asyncio.timeout(DEADLINE), aclosing(asked.watch("watch_order_book", BTC, 10)) as feed:
        await anext(feed)
        broken(server, fault, symbol=None)
        with pytest.raises(SourceError) as told:
            await anext(each async for each in feed if each is None)
    assert told.value.reason is Reason.BAD_RESPONSE


async def test_absurd_levels_are_no_book(asked: Venue, server: Server) -> None:
    """They are not in the checksum."""
    broken(server, Fault.ABSURD)
    await lost(asked)
