"""Goal 10: a bulk of 2000 tickers from ccxt's answer to columns on the page, against ccxt's own parsing of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any, cast

import ccxt

from benchmarks.harness import Part, Result, ratio
from exporters.exchange.checks import tickers
from exporters.exchange.prices import Prices
from exporters.exchange.source import Source
from occ.job import Readings, Target
from occ.metrics import Catalogue
from occ.page import Page

COUNT = 2000


class _Answered:
    """A source that has been asked: what is measured begins when ccxt has given its answer."""

    shown_books: frozenset[str] = frozenset()
    first_prices, usd_per_quote = Source.first_prices, Source.usd_per_quote

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self._answer = answer
        self._prices = Prices({}, lambda _: 60.0)

    async def call(self, _method: str, *_: object) -> Mapping[str, Any]:
        return self._answer

    async def markets(self) -> Mapping[str, Any]:
        return self._answer


def _raw(number: int, chance: random.Random) -> dict[str, Any]:
    """As Binance's `/api/v3/ticker/24hr` tells it."""
    price = chance.uniform(0.01, 60_000)
    prices = ["priceChange", "weightedAvgPrice", "prevClosePrice", "lastPrice", "openPrice", "highPrice", "lowPrice"]
    return {
        "symbol": f"A{number}USD",
        **{name: f"{price * chance.uniform(0.95, 1.05):.8f}" for name in prices},
        "priceChangePercent": "1.250",
        "lastQty": "0.50000000",
        "bidPrice": f"{price * 0.9999:.8f}",
        "bidQty": "1.50000000",
        "askPrice": f"{price * 1.0001:.8f}",
        "askQty": "2.50000000",
        "volume": "12345.60000000",
        "quoteVolume": f"{price * 12345.6:.8f}",
        "openTime": 1_700_000_000_000,
        "closeTime": 1_700_086_400_000,
        "firstId": 1,
        "lastId": 99_999,
        "count": 99_999,
    }


def _exchange() -> Any:
    exchange = ccxt.binance()
    kind = {"type": "spot", "spot": True, "contract": False, "active": True}
    exchange.set_markets(
        [
            exchange.safe_market_structure(
                {"id": f"A{n}USD", "symbol": f"A{n}/USD", "base": f"A{n}", "quote": "USD", **kind}
            )
            for n in range(COUNT)
        ]
    )
    return exchange


async def _read(source: _Answered, targets: tuple[Target, ...]) -> Mapping[Target, Any]:
    return await tickers.read(cast("Source", source), targets, tickers.Options())


def run() -> Result:
    """One figure: time from the answer to the columns divided by that in which ccxt makes the answer of parsed JSON."""
    chance = random.Random(10)
    exchange, raw = _exchange(), [_raw(number, chance) for number in range(COUNT)]
    answer = exchange.parse_tickers(raw)
    page, targets = Page(Catalogue(tickers.FAMILIES)), (Target("binance", {"venue": "binance"}),)
    with asyncio.Runner() as runner:
        source, loop = _Answered(answer), runner.get_loop()

        def ours() -> None:
            # Not `runner.run`, which on 3.11 writes the whole result as text, for a signal handler.
            readings = loop.run_until_complete(_read(source, targets))
            page.put("tickers", tickers.columns(Readings(targets, readings)))

        found = ratio(ours, lambda: exchange.parse_tickers(raw))
    assert page.render().count(b"\nexchange_volume_usd_24h{") == COUNT
    what = f"bulk of {COUNT} tickers from ccxt's answer to columns on the page, against ccxt.parse_tickers"
    return Result(10, what, (Part("", found, 0.1, at_least=False),))
