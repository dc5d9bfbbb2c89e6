"""Open interest on the page, in dollars by the configured prices: Binance on the venue server."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from exporters.exchange.__main__ import EXCHANGE
from tests.exporters.exchange.accounts import OFTEN, only
from tests.exporters.exchange.support import configured, up, venue, venues
from tests.exporters.support import running

BTC = "BTC/USDT:USDT"
PATIENT = {"interval": "5s", "timeout": "5s", "stale_after": "30s"}
"""Kraken lets itself be asked once a second."""

SERIES = {"venue": "alpha", "symbol": BTC}


async def test_open_interest_is_in_dollars_by_the_price_of_its_quote(tmp_path: Path) -> None:
    async with venues("alpha", "kraken") as server:
        alpha = venue(server, "alpha", symbols={"tickers": [BTC, "BTC/USDT"]}, checks=only(open_interest=OFTEN))
        priced = venue(server, "kraken", checks=only(prices=PATIENT))
        prices = {"USDT": {"venue": "kraken", "symbol": "USDT/USD"}}
        async with running(EXCHANGE, configured(alpha, priced, prices=prices), tmp_path) as exporter:
            seen = await exporter.until(lambda seen: seen("exchange_open_interest_usd", **SERIES) is not None)
        market = next(market for market in server.venues["alpha"].exchange.markets() if market.listing.name == BTC)
        now = time.time()
        mark = market.mark(now) * market.listing.price_unit
        dollars = market.reference.price("USDT", "USD", now)
        expected = market.reference.interest("BTC", now) * mark * dollars
        assert seen("exchange_open_interest_usd", **SERIES) == pytest.approx(expected, rel=0.05), (
            "prices move meanwhile"
        )
        assert seen("exchange_open_interest_usd", venue="alpha", symbol="BTC/USDT") is None


async def test_without_a_price_of_the_quote_there_is_no_dollar(tmp_path: Path) -> None:
    async with venues("alpha") as server:
        alpha = venue(server, "alpha", symbols={"tickers": [BTC]}, checks=only(open_interest=OFTEN))
        async with running(EXCHANGE, configured(alpha), tmp_path) as exporter:
            seen = await exporter.until(lambda seen: up(seen, "open_interest", f"alpha/{BTC}") == 1)
            assert seen("exchange_open_interest_usd", **SERIES) is None
