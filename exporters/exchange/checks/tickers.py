"""Tickers, many in one request: volume, and best prices where there is no book."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from exporters.exchange.checks import CheckOptions
from exporters.exchange.columns import BEST_ASK, BEST_BID, SYMBOL, offered
from exporters.exchange.quality import Tickers, tickers
from exporters.exchange.reading import TickersReading
from occ.errors import Reason, SourceError
from occ.job import Readings, Target
from occ.metrics import Family, Kind
from occ.page import Column, Rows

if TYPE_CHECKING:
    from exporters.exchange.source import Source

PER = "tickers"
NEEDS = ("fetch_tickers",)
INTERVAL = 30.0
TOGETHER = True
DOLLARS = True

VOLUME = Family(
    "exchange_volume_usd_24h",
    Kind.GAUGE,
    "Value in dollars of what was traded in the last 24 hours, as the venue says; absent while its quote asset has no price.",
    SYMBOL,
    quiet=True,
)

FAMILIES = (BEST_BID, BEST_ASK, VOLUME)


class Options(CheckOptions):
    """Nothing of its own."""


async def read(
    source: Source, targets: tuple[Target, ...], _options: Options
) -> Mapping[Target, TickersReading | SourceError]:
    """One request for all: of the venue's whole market list, or of the configured symbols."""
    if "symbol" not in targets[0].labels:
        return {targets[0]: _told(source, await source.call("fetch_tickers"), tuple(await source.markets()))}
    outcomes: dict[Target, TickersReading | SourceError] = {}
    for target in targets:
        try:
            await source.market(target.labels["symbol"])
        except SourceError as error:
            outcomes[target] = error
    asked = {target: target.labels["symbol"] for target in targets if target not in outcomes}
    answer = await source.call("fetch_tickers", list(asked.values())) if asked else {}
    return outcomes | {target: _one(source, answer, symbol) for target, symbol in asked.items()}


def _one(source: Source, answer: Any, symbol: str) -> TickersReading | SourceError:
    reading = _told(source, answer, (symbol,))
    return reading if reading.symbols else SourceError(Reason.BAD_RESPONSE, "the venue tells no ticker of this symbol")


def _told(source: Source, answer: Any, known: Sequence[str]) -> TickersReading:
    """What the answer says of symbols that are known; others are not believed."""
    told = answer if isinstance(answer, dict) else {}
    symbols = tuple(symbol for symbol in known if symbol in told)
    if not isinstance(answer, dict) or not all(isinstance(told[symbol], dict) for symbol in symbols):
        raise SourceError(Reason.BAD_RESPONSE, "the answer is no collection of tickers")
    made = tickers(told, symbols, source.usd_per_quote(symbols))
    return TickersReading(symbols, without_books(made, symbols, source.shown_books))


def without_books(made: Tickers, symbols: Sequence[str], books: frozenset[str]) -> Tickers:
    """The best prices of a symbol whose book is read are the book's."""
    if books.isdisjoint(symbols):
        return made
    bid, ask = (
        [None if symbol in books else price for symbol, price in zip(symbols, prices, strict=True)]
        for prices in (made.bid, made.ask)
    )
    return Tickers(bid, ask, made.volume_usd_24h)


def columns(readings: Readings[TickersReading]) -> Iterable[Column]:
    """A row per symbol."""
    told = [reading for _, reading in offered(readings)]
    rows = _rows(tuple((target.labels["venue"], reading.symbols) for target, reading in offered(readings)))
    yield Column(BEST_BID, rows, [price for reading in told for price in reading.tickers.bid])
    yield Column(BEST_ASK, rows, [price for reading in told for price in reading.tickers.ask])
    yield Column(VOLUME, rows, [value for reading in told for value in reading.tickers.volume_usd_24h])


@lru_cache(maxsize=64)
def _rows(told: tuple[tuple[str, tuple[str, ...]], ...]) -> Rows:
    return tuple({"venue": venue, "symbol": symbol} for venue, symbols in told for symbol in symbols)
