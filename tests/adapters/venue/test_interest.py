"""Open interest as exchanges count it. The wire is replayed, in the shapes of the pages that are named here."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.venue import contracts
from adapters.venue.interest import MANNERS, notional
from adapters.venue.shape import number
from occ.errors import Reason, SourceError
from tests.adapters.venue import replays
from tests.adapters.venue.replays import Replay, by, replayed
from tests.adapters.venue.test_funding import COIN_M, MARKED, PREMIUM, SUMMARY, TICKERS, coinbase, deribit, okx
from tests.adapters.venue.test_margin_of_binance import BINANCE

LINEAR, INVERSE = "BTC/USDT:USDT", "BTC/USD:BTC"


async def interests(replay: Replay, *symbols: str) -> Mapping[str, float | SourceError]:
    venue = replay.keyed.venue
    markets = [await venue.check(symbol) for symbol in symbols]
    ask = functools.partial(venue.ask, "fetch_open_interest")
    return await contracts.told(MANNERS[replay.keyed.exchange], ask, markets)


def refused(outcome: float | SourceError) -> bool:
    return isinstance(outcome, SourceError) and outcome.reason is Reason.BAD_RESPONSE


# --- maths -----------------------------------------------------------------------------------------------------------

AMOUNTS = st.decimals(0, 10**9, places=4)
PRICES = st.decimals("0.01", 10**6, places=2)


@given(AMOUNTS, PRICES, PRICES)
def test_dollars_that_are_counted_in_dollars_lean_on_no_price(amount: Decimal, price: Decimal, other: Decimal) -> None:
    assert notional(amount, price, inverse=True) == notional(amount, other, inverse=True) == float(amount)


@given(AMOUNTS, AMOUNTS, PRICES)
def test_what_is_open_in_two_contracts_adds_up(one: Decimal, other: Decimal, price: Decimal) -> None:
    both = notional(one, price, inverse=False) + notional(other, price, inverse=False)
    assert notional(one + other, price, inverse=False) == pytest.approx(both)


@given(AMOUNTS, PRICES)
def test_linear_and_inverse_contracts_of_the_same_worth_are_the_same(amount: Decimal, price: Decimal) -> None:
    assert notional(amount * price, price, inverse=True) == pytest.approx(notional(amount, price, inverse=False))


@pytest.mark.parametrize(("amount", "price"), [("-1", "1"), ("1", "0"), ("1", "-1")])
def test_less_than_nothing_is_refused(amount: str, price: str) -> None:
    with pytest.raises(SourceError):
        notional(Decimal(amount), Decimal(price), inverse=False)


# --- binance: "Open Interest", "Mark Price" ----------------------------------------------------------------------------


async def test_binance_counts_contracts_or_the_base_asset_and_tells_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replays, "MARKETS", {**replays.MARKETS, "binance": BINANCE})
    linear = {"openInterest": "10659.509", "symbol": "BTCUSDT", "time": 1589437530011}
    answers = {**COIN_M, "GET /fapi/v1/openInterest": linear, "GET /fapi/v1/premiumIndex": [PREMIUM]}
    async with replayed("binance", answers) as replay:
        found = await interests(replay, LINEAR, INVERSE)
        assert found == {LINEAR: pytest.approx(10659.509 * 11793.63104562), INVERSE: 1_500_400.0}
        replay.answers["GET /fapi/v1/premiumIndex"] = []
        found = await interests(replay, LINEAR, INVERSE)
    assert refused(found[LINEAR]), "without a mark price it has no value"
    assert found[INVERSE] == 1_500_400.0


# --- bybit: "Get Tickers" ----------------------------------------------------------------------------------------------


async def test_bybit_counts_in_dollars_or_in_the_base_asset() -> None:
    """Where contracts are settled in the base asset, the page's example tells 22505.67 BTC as the worth of 373504107 at 16596."""
    async with replayed("bybit", {"GET /v5/market/tickers": by("category", TICKERS, None)}) as replay:
        found = await interests(replay, LINEAR, INVERSE)
    assert found == {INVERSE: 373504107.0, LINEAR: 373504107 * 16596.0}
    assert round(373504107 / 16596.00, 2) == 22505.67


def test_a_record_that_is_refused_is_the_matter_of_its_contract_alone() -> None:
    markets = [
        {"id": "ONE", "symbol": "ONE/USDT:USDT"},
        {"id": "TWO", "symbol": "TWO/USDT:USDT"},
        {"id": "NO", "symbol": "NO/USDT:USDT"},
    ]
    told = {"ONE": {"amount": ""}, "TWO": {"amount": "2"}}
    found = contracts.of_each(markets, told, lambda each, _: float(number(each, "amount")))
    assert refused(found["ONE/USDT:USDT"]), "a contract before its launch"
    assert found["TWO/USDT:USDT"] == 2.0
    assert "NO/USDT:USDT" not in found


# --- okx: "Get open interest", "Get mark price" ------------------------------------------------------------------------

INTEREST = {
    "instType": "SWAP",
    "instId": "BTC-USDT-SWAP",
    "oi": "5000",
    "oiCcy": "50",
    "oiUsd": "2115530",
    "ts": "1597026383085",
}


async def test_okx_counts_contracts() -> None:
    inverse = {**INTEREST, "instId": "BTC-USD-SWAP", "oi": "7000", "oiCcy": "16.5"}
    answers = {
        "GET /api/v5/public/open-interest": okx(INTEREST, inverse),
        "GET /api/v5/public/mark-price": okx(MARKED, {**MARKED, "instId": "BTC-USD-SWAP"}),
    }
    async with replayed("okx", answers) as replay:
        found = await interests(replay, LINEAR, INVERSE)
    assert found == {LINEAR: 5000 * 0.01 * 42310.6, INVERSE: 7000 * 100.0}


async def test_a_contract_of_okx_that_is_left_out_is_no_zero() -> None:
    answers = {"GET /api/v5/public/open-interest": okx(INTEREST), "GET /api/v5/public/mark-price": okx(MARKED)}
    async with replayed("okx", answers) as replay:
        found = await interests(replay, LINEAR, INVERSE)
    assert found[LINEAR] == 5000 * 0.01 * 42310.6
    assert refused(found[INVERSE])


# --- deribit: "public/get_book_summary_by_currency" --------------------------------------------------------------------


async def test_deribit_counts_in_dollars_or_in_the_base_asset() -> None:
    linear = {**SUMMARY, "instrument_name": "BTC_USDC-PERPETUAL", "open_interest": 12.5, "mark_price": 60_000.0}
    async with replayed("deribit", deribit(BTC=[SUMMARY], USDC=[linear])) as replay:
        found = await interests(replay, INVERSE, "BTC/USDC:USDC")
        assert len(replay.paths()) == 2
    assert found == {INVERSE: 111543850.0, "BTC/USDC:USDC": 750_000.0}


# --- kraken futures: "Get tickers"; coinbase: "List Public Products" ---------------------------------------------------


async def test_kraken_futures_count_in_the_base_asset() -> None:
    ticker = {"symbol": "PF_XBTUSD", "markPrice": 30_000.0, "indexPrice": 30_001.0, "openInterest": 149.5}
    answer: Any = {"result": "success", "tickers": [ticker]}
    async with replayed("krakenfutures", {"GET /derivatives/api/v3/tickers": answer}) as replay:
        assert await interests(replay, "BTC/USD:USD") == {"BTC/USD:USD": 149.5 * 30_000}


async def test_coinbase_counts_contracts_at_the_price_of_the_index() -> None:
    async with replayed("coinbase", coinbase()) as replay:
        found = await interests(replay, "BTC/USD:USD")
    assert found == {"BTC/USD:USD": pytest.approx(12345 * 0.01 * 77451.711238)}
