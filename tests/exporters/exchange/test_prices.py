"""Dollars by configured sources alone."""

from __future__ import annotations

import asyncio

import pytest

from exporters.exchange.config import PriceSource
from exporters.exchange.prices import Prices
from tests.virtual import on_virtual_time

SOURCES = {
    "USDT": PriceSource.model_construct(venue="kraken", symbol="USDT/USD"),
    "BTC": PriceSource.model_construct(venue="binance", symbol="BTC/USDT"),
}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def prices(clock: Clock) -> Prices:
    return Prices(SOURCES, lambda venue: {"kraken": 60.0, "binance": 10.0}[venue], clock)


def test_a_dollar_is_a_dollar(prices: Prices) -> None:
    assert prices.usd("USD") == 1.0


def test_nothing_else_is_assumed_to_be_one(prices: Prices) -> None:
    assert prices.usd("USDT") is None
    assert prices.usd("USDC") is None


def test_a_price_leads_to_dollars_over_another(prices: Prices) -> None:
    prices.told("kraken", "USDT/USD", 0.5)
    prices.told("binance", "BTC/USDT", 60_000.0)
    assert prices.usd("USDT") == 0.5
    assert prices.usd("BTC") == 30_000.0


def test_what_leans_on_a_stale_price_has_none(prices: Prices, clock: Clock) -> None:
    prices.told("kraken", "USDT/USD", 0.5)
    prices.told("binance", "BTC/USDT", 60_000.0)
    clock.now += 10.0
    assert prices.usd("BTC") is None
    assert prices.usd("USDT") == 0.5
    prices.told("binance", "BTC/USDT", 60_000.0)
    clock.now += 50.0
    prices.told("binance", "BTC/USDT", 60_000.0)
    assert prices.usd("BTC") is None


def test_the_same_symbol_of_another_venue_is_no_source(prices: Prices) -> None:
    prices.told("binance", "USDT/USD", 0.5)
    assert prices.usd("USDT") is None


@on_virtual_time
async def test_the_first_look_waits_until_every_source_was_asked() -> None:
    prices, loop = Prices(SOURCES, lambda _: 60.0), asyncio.get_running_loop()
    loop.call_later(1.0, prices.asked, "kraken", "USDT/USD")
    loop.call_later(2.0, prices.asked, "binance", "BTC/USDT")
    await prices.first(9.0)
    assert loop.time() == 2.0


@on_virtual_time
async def test_it_does_not_wait_for_ever() -> None:
    prices = Prices(SOURCES, lambda _: 60.0)
    await prices.first(9.0)
    assert asyncio.get_running_loop().time() == 9.0


@on_virtual_time
async def test_without_sources_there_is_nothing_to_wait_for() -> None:
    await Prices({}, lambda _: 60.0).first(9.0)
    assert asyncio.get_running_loop().time() == 0.0
