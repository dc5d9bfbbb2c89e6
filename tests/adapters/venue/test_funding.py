"""Funding, mark and index prices as exchanges tell them. The wire is replayed, in the shapes of the pages that are named here."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.venue import contracts
from adapters.venue.funding import (
    HOUR,
    MANNERS,
    SETTLED,
    Terms,
    annualized,
    basis,
    of_binance,
    of_kraken,
    settled,
)
from occ.errors import Reason, SourceError
from tests.adapters.venue import replays
from tests.adapters.venue.replays import Replay, by, replayed
from tests.adapters.venue.test_margin_of_binance import BINANCE

LINEAR, INVERSE = "BTC/USDT:USDT", "BTC/USD:BTC"
SWAP: Mapping[str, Any] = {
    "id": "BTCUSDT",
    "symbol": LINEAR,
    "swap": True,
    "linear": True,
    "inverse": False,
    "info": {},
}
DATED: Mapping[str, Any] = {**SWAP, "id": "BTCUSDT_261225", "symbol": "BTC/USDT:USDT-261225", "swap": False}


async def terms(replay: Replay, *symbols: str) -> Mapping[str, Terms | SourceError]:
    venue = replay.keyed.venue
    markets = [await venue.check(symbol) for symbol in symbols]
    ask = functools.partial(venue.ask, "fetch_funding_rate")
    return await contracts.told(MANNERS[replay.keyed.exchange], ask, markets)


async def terms_of(replay: Replay, symbol: str) -> Terms:
    (found,) = (await terms(replay, symbol)).values()
    assert isinstance(found, Terms)
    return found


def refused(outcome: Terms | SourceError) -> bool:
    return isinstance(outcome, SourceError) and outcome.reason is Reason.BAD_RESPONSE


# --- maths -----------------------------------------------------------------------------------------------------------

RATES = st.integers(-5_000_000, 5_000_000).map(lambda hundred_millionths: hundred_millionths / 10**8)
INTERVALS = st.sampled_from([HOUR, 4 * HOUR, 8 * HOUR])
PRICES = st.floats(1e-6, 1e6)


@given(RATES, INTERVALS, INTERVALS)
def test_a_year_is_the_same_however_it_is_cut(funding: float, interval: float, other: float) -> None:
    assert annualized(funding * other / interval, other) == pytest.approx(annualized(funding, interval))


@given(RATES, INTERVALS)
def test_a_year_has_the_sign_of_its_intervals(funding: float, interval: float) -> None:
    assert annualized(-funding, interval) == -annualized(funding, interval)
    assert annualized(funding, interval) * funding >= 0


def test_three_settlements_a_day_are_1095_a_year() -> None:
    assert annualized(0.0001, 8 * HOUR) == pytest.approx(0.1095)


@given(PRICES, st.floats(0.1, 10))
def test_the_basis_leads_from_the_index_to_the_mark(index: float, dearer: float) -> None:
    assert index * (1 + basis(index * dearer, index)) == pytest.approx(index * dearer)
    assert (basis(index * dearer, index) > 0) is (index * dearer > index)


def test_what_is_not_known_is_made_of_nothing() -> None:
    assert Terms(predicted=0.1).annualized is None
    assert Terms(last=0.1, interval=HOUR).annualized is None, "the rate that was settled last is no forecast"
    assert Terms(mark=1.0).basis is None


@given(RATES, PRICES, PRICES)
def test_kraken_tells_money_for_an_hour(funding: float, index: float, mark: float) -> None:
    """A holder of one unit of the base asset pays `amount` dollars; a holder of one dollar pays `amount` units."""
    told = {"markPrice": mark, "indexPrice": index, "fundingRatePrediction": funding * index}
    assert of_kraken(told, SWAP).predicted == pytest.approx(funding)
    told = {**told, "fundingRatePrediction": funding / index}
    assert of_kraken(told, {**SWAP, "inverse": True}).predicted == pytest.approx(funding)


# --- binance: "Mark Price", "Get Funding Rate Info", "Get Funding Rate History" ----------------------------------------

PREMIUM = {
    "symbol": "BTCUSDT", "markPrice": "11793.63104562", "indexPrice": "11781.80495970", "estimatedSettlePrice": "11781.16138815",
    "lastFundingRate": "0.00038246", "interestRate": "0.00010000", "nextFundingTime": 1597392000000, "time": 1597370495002,
}  # fmt: skip
INFO = {
    "symbol": "BTCUSDT",
    "adjustedFundingRateCap": "0.025",
    "adjustedFundingRateFloor": "-0.025",
    "fundingIntervalHours": 4,
}


def test_binance_tells_the_running_rate_and_when_it_is_settled() -> None:
    found = of_binance(PREMIUM, INFO, SWAP)
    assert (found.predicted, found.last) == (0.00038246, None)
    assert (found.next_at, found.interval) == (1_597_392_000, 4 * HOUR)
    assert (found.mark, found.index) == (11793.63104562, 11781.8049597)
    assert found.annualized == pytest.approx(0.00038246 * 6 * 365)


def test_the_interval_of_a_contract_that_binance_does_not_list_is_not_guessed() -> None:
    """Eight hours, and a year made of them, may be wrong."""
    found = of_binance(PREMIUM, {}, SWAP)
    assert (found.interval, found.annualized) == (None, None)
    assert found.predicted == 0.00038246


def test_what_is_delivered_some_day_has_prices_alone() -> None:
    told = {**PREMIUM, "lastFundingRate": "", "nextFundingTime": 0}
    found = of_binance(told, {}, DATED)
    assert found == Terms(mark=11793.63104562, index=11781.8049597)
    assert found.basis == pytest.approx(0.001003758, rel=1e-6)


@pytest.mark.parametrize("nonsense", ["much", "NaN", "Infinity", True, [], {}])
def test_nonsense_for_a_rate_is_no_rate(nonsense: object) -> None:
    with pytest.raises(SourceError, match="lastFundingRate"):
        of_binance({**PREMIUM, "lastFundingRate": nonsense}, INFO, SWAP)


@pytest.mark.parametrize("price", ["", "0.00000000", "-1", None])
def test_there_is_no_price_of_nothing(price: object) -> None:
    found = of_binance({**PREMIUM, "markPrice": price}, INFO, SWAP)
    assert (found.mark, found.basis) == (None, None)


def test_the_newest_settlement_counts_in_whatever_order_they_come() -> None:
    history = [
        {
            "symbol": "BTCUSDT",
            "fundingRate": "-0.03750000",
            "fundingTime": 1570608000000,
            "markPrice": "34287.54619963",
        },
        {"symbol": "BTCUSDT", "fundingRate": "0.00010000", "fundingTime": 1570636800003, "markPrice": "34287.54619963"},
    ]
    assert (
        settled(history, "fundingTime")
        == settled(history[::-1], "fundingTime")
        == Terms(last=0.0001, interval=8 * HOUR)
    )
    assert settled(history[:1], "fundingTime") == Terms(last=-0.0375), (
        "one settlement ends no interval that began with another"
    )
    assert settled([], "fundingTime") == Terms(), "a contract that is a few hours old"


@pytest.mark.parametrize("history", [None, {}, [1], [{"fundingRate": "0.1"}], [{"fundingTime": 1}]])
def test_what_is_no_history_is_refused(history: object) -> None:
    with pytest.raises(SourceError) as failed:
        settled(history, "fundingTime")
    assert failed.value.reason is Reason.BAD_RESPONSE


COIN_PREMIUM = {
    **PREMIUM, "symbol": "BTCUSD_PERP", "pair": "BTCUSD", "markPrice": "11029.69574559", "indexPrice": "10979.14437500",
}  # fmt: skip
COIN_M = {
    "GET /dapi/v1/premiumIndex": [COIN_PREMIUM, {**COIN_PREMIUM, "symbol": "BTCUSD_261225", "lastFundingRate": "", "nextFundingTime": 0}],
    "GET /dapi/v1/fundingInfo": [{**INFO, "symbol": "BTCUSD_PERP", "fundingIntervalHours": 8}],
    "GET /dapi/v1/fundingRate": [{"symbol": "BTCUSD_PERP", "fundingTime": 1596038400000, "fundingRate": "-0.00300000"}],
    "GET /dapi/v1/openInterest": {"symbol": "BTCUSD_PERP", "pair": "BTCUSD", "openInterest": "15004", "contractType": "PERPETUAL", "time": 1},
}  # fmt: skip
"""COIN-M "Index Price and Mark Price", "Get Funding Info", "Get Funding Rate History of Perpetual Futures", "Open Interest"."""


async def test_coin_margined_contracts_of_binance_are_not_the_others_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "MARKETS", {**replays.MARKETS, "binance": BINANCE})
    async with replayed("binance", COIN_M) as replay:
        found = await terms(replay, INVERSE, LINEAR)
        venue = replay.keyed.venue
        ask = functools.partial(venue.ask, "fetch_funding_rate_history")
        assert await SETTLED["binance"](ask, await venue.check(INVERSE)) == Terms(last=-0.003)
    told = found[INVERSE]
    assert isinstance(told, Terms)
    assert (told.predicted, told.interval, told.mark) == (0.00038246, 8 * HOUR, 11029.69574559)
    assert isinstance(found[LINEAR], SourceError), "nobody answers for these"


# --- bybit: "Get Tickers", "Get Funding Rate History" ------------------------------------------------------------------


def bybit(category: str, *listed: Any) -> Any:
    result = {"category": category, "list": list(listed)}
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": 1}


TICKER = {
    "symbol": "BTCUSD", "lastPrice": "16597.00", "indexPrice": "16598.54", "markPrice": "16596.00", "openInterest": "373504107",
    "openInterestValue": "22505.67", "turnover24h": "2352.94950046", "volume24h": "49337318", "fundingRate": "-0.001034",
    "nextFundingTime": "1672387200000", "predictedDeliveryPrice": "", "basisRate": "", "deliveryFeeRate": "", "deliveryTime": "0",
}  # fmt: skip
TICKERS = {"inverse": bybit("inverse", TICKER), "linear": bybit("linear", {**TICKER, "symbol": "BTCUSDT", "fundingIntervalHour": "1"})}  # fmt: skip
BYBIT = {"GET /v5/market/tickers": by("category", TICKERS, None)}


async def test_bybit_is_asked_once_for_all_of_a_kind() -> None:
    async with replayed("bybit", BYBIT) as replay:
        found = await terms(replay, LINEAR, INVERSE)
        assert replay.paths() == ["GET /v5/market/tickers"] * 2
    inverse = found[INVERSE]
    assert isinstance(inverse, Terms)
    assert (inverse.predicted, inverse.last, inverse.next_at) == (-0.001034, None, 1_672_387_200)
    assert inverse.interval == 8 * HOUR, "480 minutes, by the market's own facts"
    assert inverse.basis == pytest.approx(-2.54 / 16598.54)
    linear = found[LINEAR]
    assert isinstance(linear, Terms)
    assert linear.interval == HOUR, "a ticker knows better"


async def test_one_kind_of_contracts_that_can_not_be_had_is_not_the_others_matter() -> None:
    answers = {**TICKERS, "linear": {"retCode": 0, "retMsg": "OK", "result": {}, "time": 1}}
    async with replayed("bybit", {"GET /v5/market/tickers": by("category", answers, None)}) as replay:
        found = await terms(replay, LINEAR, INVERSE)
    assert refused(found[LINEAR])
    assert isinstance(found[INVERSE], Terms)


async def test_a_contract_that_the_answer_leaves_out_is_no_zero() -> None:
    answers = {"linear": bybit("linear")}
    async with replayed("bybit", {"GET /v5/market/tickers": by("category", answers, None)}) as replay:
        assert refused((await terms(replay, LINEAR))[LINEAR])


async def test_bybit_is_asked_apart_for_what_was_settled() -> None:
    history = bybit("linear", {"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingRateTimestamp": "1672041600000"})
    async with replayed("bybit", {"GET /v5/market/funding/history": history}) as replay:
        venue = replay.keyed.venue
        ask = functools.partial(venue.ask, "fetch_funding_rate_history")
        assert await SETTLED["bybit"](ask, await venue.check(LINEAR)) == Terms(last=0.0001)
        assert replay.asked[-1] == "GET /v5/market/funding/history?category=linear&symbol=BTCUSDT&limit=2"


# --- okx: "Get funding rate", "Get mark price", "Get index tickers" ----------------------------------------------------


def okx(*data: Any) -> Any:
    return {"code": "0", "msg": "", "data": list(data)}


FUNDED = {
    "formulaType": "noRate", "fundingRate": "0.0000182221218054", "fundingTime": "1743609600000", "impactValue": "",
    "instId": "BTC-USDT-SWAP", "instType": "SWAP", "interestRate": "", "maxFundingRate": "0.00375", "method": "current_period",
    "minFundingRate": "-0.00375", "nextFundingRate": "", "nextFundingTime": "1743638400000", "premium": "0.0000910113652644",
    "settFundingRate": "0.0000145824401745", "settState": "settled", "ts": "1743588686291",
}  # fmt: skip
MARKED = {"instType": "SWAP", "instId": "BTC-USDT-SWAP", "markPx": "42310.6", "ts": "1630049139746"}
INDEXED = {
    "instId": "BTC-USDT",
    "idxPx": "42300.1",
    "high24h": "1",
    "sodUtc0": "1",
    "open24h": "1",
    "low24h": "1",
    "ts": "1",
}
OKX = {
    "GET /api/v5/public/funding-rate": okx(FUNDED),
    "GET /api/v5/public/mark-price": okx(MARKED),
    "GET /api/v5/market/index-tickers": okx(INDEXED),
}


async def test_okx_tells_both_rates_and_from_settlement_to_settlement() -> None:
    async with replayed("okx", OKX) as replay:
        found = await terms_of(replay, LINEAR)
        assert {each.partition("?")[2] for each in replay.asked[-3:]} == {
            "instId=ANY",
            "instType=SWAP",
            "quoteCcy=USDT",
        }
    assert (found.last, found.predicted) == (0.0000145824401745, 0.0000182221218054)
    assert (found.next_at, found.interval) == (1_743_609_600, 8 * HOUR)
    assert (found.mark, found.index) == (42310.6, 42300.1)


async def test_a_perpetual_of_okx_without_funding_is_not_told_in_part() -> None:
    async with replayed("okx", {**OKX, "GET /api/v5/public/funding-rate": okx()}) as replay:
        assert refused((await terms(replay, LINEAR))[LINEAR])


@pytest.mark.parametrize("following", ["", "1743609600000", "1743580800000"])
async def test_an_interval_that_can_not_be_is_none(following: str) -> None:
    rates = okx({**FUNDED, "nextFundingTime": following})
    async with replayed("okx", {**OKX, "GET /api/v5/public/funding-rate": rates}) as replay:
        found = await terms_of(replay, LINEAR)
    assert (found.interval, found.annualized) == (None, None)


# --- deribit: "public/get_book_summary_by_currency", "public/get_index_price" ------------------------------------------

SUMMARY = {
    "instrument_name": "BTC-PERPETUAL", "base_currency": "BTC", "quote_currency": "USD", "open_interest": 111543850,
    "mark_price": 7750.02, "estimated_delivery_price": 7748.5, "funding_8h": 0.0000026, "current_funding": -0.0000013, "last": 7750.5,
}  # fmt: skip


def deribit(**summaries: Any) -> Mapping[str, Any]:
    """Summaries by the asset in which contracts are settled."""
    return {
        "GET /api/v2/public/get_book_summary_by_currency": by("currency", {name: {"result": told} for name, told in summaries.items()}, {}),
        "GET /api/v2/public/get_index_price": {"result": {"index_price": 7748.01, "estimated_delivery_price": 7748.01}},
    }  # fmt: skip


async def test_deribit_pays_all_the_time_at_a_rate_for_eight_hours() -> None:
    async with replayed("deribit", deribit(BTC=[SUMMARY])) as replay:
        found = await terms_of(replay, INVERSE)
        assert {each.partition("?")[2] for each in replay.asked[-2:]} == {
            "currency=BTC&kind=future",
            "index_name=btc_usd",
        }
    assert (found.last, found.predicted, found.interval, found.next_at) == (0.0000026, -0.0000013, 8 * HOUR, None)
    assert (found.mark, found.index) == (7750.02, 7748.01), "not the price of a delivery"


async def test_contracts_of_deribit_that_can_not_be_had_are_not_the_others_matter() -> None:
    linear = {**SUMMARY, "instrument_name": "BTC_USDC-PERPETUAL"}
    async with replayed("deribit", deribit(BTC=None, USDC=[linear])) as replay:
        found = await terms(replay, INVERSE, "BTC/USDC:USDC")
    assert refused(found[INVERSE])
    told = found["BTC/USDC:USDC"]
    assert isinstance(told, Terms)
    assert told.mark == 7750.02


# --- kraken futures: "Get tickers"; coinbase: "List Public Products" ---------------------------------------------------


async def test_kraken_futures_tell_rates_in_money() -> None:
    ticker = {
        "symbol": "PF_XBTUSD", "tag": "perpetual", "pair": "XBT:USD", "markPrice": 30209.9, "indexPrice": 30000.0, "last": 30200,
        "openInterest": 149.655, "suspended": False, "fundingRate": 0.6, "fundingRatePrediction": -0.3, "postOnly": False,
    }  # fmt: skip
    answer = {"result": "success", "tickers": [ticker, {"symbol": "in_xbtusd", "last": 40411}], "serverTime": "x"}
    async with replayed("krakenfutures", {"GET /derivatives/api/v3/tickers": answer}) as replay:
        found = await terms_of(replay, "BTC/USD:USD")
    assert found.last == pytest.approx(0.00002)
    assert found.predicted == pytest.approx(-0.00001)
    assert (found.interval, found.next_at, found.mark) == (HOUR, None, 30209.9)


DETAILS = {
    "venue": "cde", "contract_code": "BIP", "contract_expiry": "2030-12-20T16:00:00Z", "contract_size": "0.01",
    "contract_root_unit": "BTC", "contract_expiry_type": "EXPIRING", "funding_interval": "3600s", "funding_rate": "0.000009",
    "funding_time": "2026-08-21T16:00:00Z", "index_price": "77451.711238", "open_interest": "12345",
    "perpetual_details": {"open_interest": "12345", "funding_rate": ""},
}  # fmt: skip
PRODUCT = {
    "product_id": "BIP-20DEC30-CDE", "price": "77450", "product_type": "FUTURE", "quote_currency_id": "USD", "base_currency_id": "",
    "base_increment": "1", "quote_increment": "0.01", "price_increment": "5", "display_name": "BTC PERP", "product_venue": "FCM",
    "future_product_details": DETAILS,
}  # fmt: skip


def coinbase(details: Mapping[str, Any] = DETAILS) -> Mapping[str, Any]:
    listed = {"products": [{**PRODUCT, "future_product_details": details}], "num_products": 1}
    return {"GET /api/v3/brokerage/market/products": by("product_type", {"FUTURE": listed}, {"products": []})}


async def test_coinbase_tells_no_mark_price() -> None:
    async with replayed("coinbase", coinbase()) as replay:
        found = await terms_of(replay, "BTC/USD:USD")
    assert (found.predicted, found.last, found.interval) == (0.000009, None, HOUR)
    assert (found.next_at, found.index) == (1_787_328_000, 77451.711238)
    assert (found.mark, found.basis) == (None, None)


@pytest.mark.parametrize("more", [{"funding_time": "soon"}, {"funding_interval": "1h"}])
async def test_a_time_that_is_none_is_refused(more: Mapping[str, str]) -> None:
    async with replayed("coinbase", coinbase()) as replay:
        await replay.keyed.venue.markets()
        replay.answers.update(coinbase({**DETAILS, **more}))
        assert refused((await terms(replay, "BTC/USD:USD"))["BTC/USD:USD"])
