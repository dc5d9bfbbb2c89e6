"""What assets are worth, from the sources that the configuration names: by these every value in dollars comes about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from exporters.exchange.books import number
from exporters.exchange.checks import CheckOptions
from exporters.exchange.quality import crossed, mid_price
from exporters.exchange.reading import PriceReading
from occ.errors import Reason, SourceError
from occ.job import Readings, Target
from occ.page import Column

if TYPE_CHECKING:
    from exporters.exchange.source import Source

PER = "prices"
NEEDS = ("fetch_ticker", "fetch_order_book")
INTERVAL = 30.0
FAMILIES = ()

LEVELS = 5
"""Levels asked for where a venue has no tickers: few give fewer."""


class Options(CheckOptions):
    """Nothing of its own."""


async def read(
    source: Source, targets: tuple[Target, ...], _options: Options
) -> Mapping[Target, PriceReading | SourceError]:
    """The middle between the best prices of the symbol."""
    (target,) = targets
    symbol = target.labels["symbol"]
    with source.pricing(symbol) as told:
        reading = await _asked(source, symbol)
        told(reading.price)
    return {target: reading}


async def _asked(source: Source, symbol: str) -> PriceReading:
    await source.market(symbol)
    if source.offers(("fetch_ticker",)):
        return of_ticker(await source.call("fetch_ticker", symbol))
    return of_book(await source.call("fetch_order_book", symbol, LEVELS))


def of_ticker(ticker: Any) -> PriceReading:
    """The middle of a ticker's best prices; the last trade may be old, and is no price. Raises bad_response without them."""
    told = ticker if isinstance(ticker, dict) else {}
    return _between(told.get("bid"), told.get("ask"))


def of_book(book: Any) -> PriceReading:
    """The middle of a book. Raises bad_response where a side is empty."""
    told = book if isinstance(book, dict) else {}
    bid, ask = ((told.get(side) or ((None,),))[0][0] for side in ("bids", "asks"))
    return _between(bid, ask)


def _between(bid: object, ask: object) -> PriceReading:
    best = number(bid), number(ask)
    price = mid_price(*best)
    if price is None or crossed(*best):
        raise SourceError(Reason.BAD_RESPONSE, "no best bid and ask that make a price")
    return PriceReading(price)


def columns(_readings: Readings[PriceReading]) -> Iterable[Column]:
    """None of its own: what follows from prices is shown where they are used."""
    return ()
