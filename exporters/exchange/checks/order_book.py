"""Order books: whether the feed lives and is true, and how well one can trade there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from itertools import product
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from exporters.exchange.checks import CheckOptions
from exporters.exchange.columns import BEST_ASK, BEST_BID, SYMBOL
from exporters.exchange.feeds import CROSSED
from exporters.exchange.quality import BANDS
from exporters.exchange.reading import BookReading
from occ.config import Duration, Model
from occ.errors import Reason, SourceError
from occ.job import Beside, Readings, Results, Target
from occ.metrics import Family, Kind
from occ.page import Column, Event

if TYPE_CHECKING:
    from exporters.exchange.source import Source

PER = "books"
NEEDS = ("fetch_order_book",)
STREAMS = "watch_order_book"
DOLLARS = True
INTERVAL = 10.0

HELD_SECONDS = 5.0
"""A book that did not hold for so long before the next gap is polled for a while: to take it anew costs much."""

_DECLINED = frozenset({Reason.NOT_SUPPORTED, Reason.RPC_ERROR})

SIDES = ("bid", "ask")
ORDERS = ("sell", "buy")
"""What meets the bids, and what meets the asks."""

BAND_NAMES = tuple(f"{band:.4f}" for band in BANDS)

TIMESTAMP = Family(
    "exchange_book_timestamp_seconds",
    Kind.GAUGE,
    "The venue's own time of the book's last update, Unix time; absent where it tells none.",
    SYMBOL,
    unit="seconds",
    quiet=True,
)
RECEIVED = Family(
    "exchange_book_received_timestamp_seconds",
    Kind.GAUGE,
    "When the book was last heard of here, by our clock, Unix time.",
    SYMBOL,
    unit="seconds",
)
CHANGED = Family(
    "exchange_book_change_timestamp_seconds",
    Kind.GAUGE,
    "When the book's content was last seen to differ from before, by our clock, Unix time.",
    SYMBOL,
    unit="seconds",
)
CROSSED_SECONDS = Family(
    "exchange_book_crossed_seconds_total",
    Kind.COUNTER,
    "Seconds for which the best bid was at or above the best ask; of a polled book, from one look to the next.",
    SYMBOL,
)
SEQUENCE_GAPS = Family(
    "exchange_book_sequence_gaps_total",
    Kind.COUNTER,
    "Times that updates of the book did not fit together (one was missing, or the checksum wrong), so that it was taken anew.",
    SYMBOL,
)
RESYNC = Family(
    "exchange_book_resyncs_total",
    Kind.COUNTER,
    "Times that the whole book was taken again to follow it: after a gap, or when its stream had been lost.",
    SYMBOL,
)
MID = Family(
    "exchange_mid_price", Kind.GAUGE, "Middle of best bid and best ask, in quote per base; absent without both.", SYMBOL
)
MID_RANGE = Family(
    "exchange_mid_price_range_ratio",
    Kind.GAUGE,
    "(high - low) / low of the mid prices within the window, between publishes as well: 0.01 is one percent.",
    (*SYMBOL, "window"),
    unit="ratio",
    values={"window": ("1m",)},
)
SPREAD = Family(
    "exchange_spread_ratio",
    Kind.GAUGE,
    "(best ask - best bid) / mid; negative while the book is crossed, absent without both sides.",
    SYMBOL,
    unit="ratio",
)
DEPTH = Family(
    "exchange_depth_usd",
    Kind.GAUGE,
    "Value in dollars of what is bid or asked within the band from mid (0.0010 is 10 bp); a lower bound where "
    "exchange_depth_band_complete is 0.",
    (*SYMBOL, "side", "band"),
    unit="usd",
    values={"side": SIDES, "band": BAND_NAMES},
)
COMPLETE = Family(
    "exchange_depth_band_complete",
    Kind.GAUGE,
    "1 if the book that we hold goes on beyond the band, 0 if it ends inside.",
    (*SYMBOL, "side", "band"),
    values={"side": SIDES, "band": BAND_NAMES},
)
SLIPPAGE = Family(
    "exchange_slippage_ratio",
    Kind.GAUGE,
    "How much worse than mid a market order of this side and size in dollars would trade on the average; positive is cost. "
    "Absent where the book is too thin for it.",
    (*SYMBOL, "side", "size_usd"),
    unit="ratio",
    values={"side": ORDERS},
)
TOO_THIN = Family(
    "exchange_book_too_thin",
    Kind.GAUGE,
    "1 if a market order of this side and size in dollars would need more than the book that we hold, else 0.",
    (*SYMBOL, "side", "size_usd"),
    values={"side": ORDERS},
)
IMBALANCE = Family(
    "exchange_book_imbalance_ratio",
    Kind.GAUGE,
    f"(bids - asks) / (bids + asks) of the value within {BAND_NAMES[0]} from mid, -1 to 1; positive where more is bid.",
    SYMBOL,
    unit="ratio",
)
MICROPRICE = Family(
    "exchange_microprice",
    Kind.GAUGE,
    "Best prices, each with the weight of the amount on the other side, in quote per base.",
    SYMBOL,
)

FAMILIES = (
    BEST_BID,
    BEST_ASK,
    TIMESTAMP,
    RECEIVED,
    CHANGED,
    CROSSED_SECONDS,
    SEQUENCE_GAPS,
    RESYNC,
    MID,
    MID_RANGE,
    SPREAD,
    DEPTH,
    COMPLETE,
    SLIPPAGE,
    TOO_THIN,
    IMBALANCE,
    MICROPRICE,
)

_BANDS: Beside = tuple((("side", side), ("band", band)) for side, band in product(SIDES, BAND_NAMES))


class Poll(Model):
    """How often a book is asked for where it is not followed, and how many levels of each side then."""

    interval: Duration = INTERVAL
    depth: Annotated[int, Field(ge=1, le=5_000)] = 100


class Options(CheckOptions):
    """`depth`: how many levels of each side are followed, as far as the venue offers a choice. `interval` is that of `poll`."""

    depth: Annotated[int, Field(ge=1, le=5_000)] = 100
    poll: Poll = Poll()

    @property
    def every(self) -> float:
        """Books are followed, or polled at the interval of `poll`."""
        return self.interval or self.poll.interval


async def read(
    source: Source, targets: tuple[Target, ...], options: Options
) -> Mapping[Target, BookReading | SourceError]:
    """The book by asking."""
    (target,) = targets
    feed, symbol = source.asked_book(target, STREAMS), target.labels["symbol"]
    contract = await source.contract(symbol)
    raw = await source.call("fetch_order_book", symbol, options.poll.depth)
    feed.saw(raw)
    return {target: feed.reading(raw, contract, options.poll.depth)}


async def stream(source: Source, targets: tuple[Target, ...], options: Options) -> Results:
    """The book as its changes come. What does not fit together is counted, and the book taken anew at once."""
    (target,) = targets
    feed, symbol = source.book(target), target.labels["symbol"]
    contract = await source.contract(symbol)
    depth: tuple[int, ...] = (options.depth,)
    while True:
        taken_at: float | None = None
        try:
            async with aclosing(source.follow(target, STREAMS, symbol, *depth, note=feed.saw)) as books:
                async for raw in books:
                    if taken_at is None:
                        taken_at = _taken(source, target)
                    yield {target: feed.reading(raw, contract)}
        except SourceError as error:
            feed.lost()
            if depth and taken_at is None and error.reason in _DECLINED:
                depth = ()  # few venues let one choose any depth: then it is theirs
                continue
            if not source.is_gap(error):
                raise
            source.count(SEQUENCE_GAPS, target)
            if taken_at is None or _now() - taken_at < HELD_SECONDS:
                raise


def _taken(source: Source, target: Target) -> float:
    """The whole book has come from its stream."""
    if source.book(target).taken():
        source.count(RESYNC, target)
    return _now()


def _now() -> float:
    return asyncio.get_running_loop().time()


def events(before: BookReading | None, reading: BookReading) -> Iterable[Event]:
    """For how long it was crossed since the reading before."""
    seconds = reading.totals.beyond(None if before is None else before.totals)[CROSSED]
    if seconds:
        yield Event(CROSSED_SECONDS, reading.totals.labels, seconds)


def columns(readings: Readings[BookReading]) -> Iterable[Column]:
    """The feed, and the quality of the market."""
    yield readings.column(TIMESTAMP, lambda book: book.timestamp)
    yield readings.column(RECEIVED, lambda book: book.received_at)
    yield readings.column(CHANGED, lambda book: book.changed_at)
    yield readings.column(BEST_BID, lambda book: book.quality.bid)
    yield readings.column(BEST_ASK, lambda book: book.quality.ask)
    yield readings.column(MID, lambda book: book.quality.mid)
    yield readings.column(MID_RANGE, lambda book: book.mid_range_ratio, window="1m")
    yield readings.column(SPREAD, lambda book: book.quality.spread_ratio)
    yield readings.column(IMBALANCE, lambda book: book.quality.imbalance_ratio)
    yield readings.column(MICROPRICE, lambda book: book.quality.microprice)
    yield readings.table(DEPTH, _BANDS, lambda book: (*book.quality.bids.depth_usd, *book.quality.asks.depth_usd))
    yield readings.table(COMPLETE, _BANDS, lambda book: (*book.quality.bids.complete, *book.quality.asks.complete))
    sizes = next((book.sizes_usd for book in readings.values()), ())
    if sizes:
        yield from _by_size(readings, sizes)


def _by_size(readings: Readings[BookReading], sizes: tuple[int, ...]) -> Iterable[Column]:
    beside: Beside = tuple((("side", side), ("size_usd", str(size))) for side, size in product(ORDERS, sizes))
    yield readings.table(
        SLIPPAGE, beside, lambda book: (*book.quality.bids.slippage_ratio, *book.quality.asks.slippage_ratio)
    )
    yield readings.table(TOO_THIN, beside, lambda book: (*book.quality.bids.too_thin, *book.quality.asks.too_thin))
