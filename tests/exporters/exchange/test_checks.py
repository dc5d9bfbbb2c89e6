"""What checks make of answers; the answers are in the form of ccxt's. On a real venue: see test_venue.py."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.exchange.checks import clock, currencies, markets, prices, status, tickers
from exporters.exchange.quality import tickers as bulk
from exporters.exchange.reading import Gate, MarketReading
from occ.errors import Reason, SourceError

LABELS = {"venue": "a", "symbol": "BTC/USDT"}


def refused(call: Any, *args: Any) -> None:
    with pytest.raises(SourceError) as caught:
        call(*args)
    assert caught.value.reason is Reason.BAD_RESPONSE


# --- status and clock ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("told", "shown"), [("ok", "ok"), ("maintenance", "maintenance"), ("halted", "other")])
def test_the_status_is_one_of_a_closed_set(told: str, shown: str) -> None:
    assert status.status_in({"status": told}) == shown


@pytest.mark.parametrize("answer", [None, "ok", {}, {"status": None}, {"status": 1}])
def test_no_status_is_no_good_status(answer: object) -> None:
    refused(status.status_in, answer)


def test_skew_is_measured_at_the_middle_of_the_round_trip() -> None:
    reading = clock.skew(1_000_500.0, 0.001, 1_000.4, 0.4)
    assert reading.skew == pytest.approx(0.3, abs=0.001)
    assert reading.uncertainty == pytest.approx(0.2, abs=0.001)


@given(st.floats(-100, 100), st.floats(0, 5), st.floats(0, 5), st.floats(0, 0.999), st.sampled_from((0.001, 1.0)))
def test_the_true_skew_is_within_the_uncertainty(
    true: float, there: float, back: float, fraction: float, resolution: float
) -> None:
    sent = 1_000_000.0 + fraction
    at_the_venue = sent + there + true
    told = math.floor(at_the_venue / resolution) * resolution
    reading = clock.skew(told * 1000, resolution, sent + there + back, there + back)
    assert abs(reading.skew - true) <= reading.uncertainty + 1e-6


# --- prices ----------------------------------------------------------------------------------------------------------


def test_a_price_is_the_middle_of_the_best_prices() -> None:
    assert prices.of_ticker({"bid": 0.99, "ask": 1.01, "last": 5.0}).price == 1.0
    assert prices.of_book({"bids": [[0.99, 1]], "asks": [[1.01, 1]]}).price == 1.0


@pytest.mark.parametrize(
    "ticker",
    [None, {}, {"bid": 1.0}, {"bid": 0.0, "ask": 1.0}, {"bid": 1.1, "ask": 1.0}, {"bid": float("nan"), "ask": 1.0}],
)
def test_the_last_trade_or_half_a_market_is_no_price(ticker: Any) -> None:
    refused(prices.of_ticker, ticker)


@pytest.mark.parametrize("book", [None, {}, {"bids": [], "asks": []}, {"bids": [[1.0, 1.0]], "asks": []}])
def test_a_book_of_one_side_is_no_price(book: Any) -> None:
    refused(prices.of_book, book)


# --- currencies ------------------------------------------------------------------------------------------------------

TETHER = {
    "deposit": True,
    "withdraw": False,
    "networks": {
        "ERC20": {"deposit": True, "withdraw": False},
        "TRC20": {"deposit": None, "withdraw": True},
        "KLAY": {"deposit": False, "withdraw": False},
        "APT": {"deposit": True, "withdraw": False},
    },
}


def test_gates_by_currency_and_network() -> None:
    assert currencies.gates({"USDT": TETHER, "DOGE": TETHER}, ("USDT", "BTC"), ("ERC20", "TRC20")) == {
        ("USDT", "any"): Gate(deposit=True, withdraw=False),
        ("USDT", "ERC20"): Gate(deposit=True, withdraw=False),
        ("USDT", "TRC20"): Gate(deposit=None, withdraw=True),
        ("USDT", "other"): Gate(deposit=True, withdraw=False),
    }


@given(st.dictionaries(st.text(), st.dictionaries(st.text(), st.none() | st.booleans() | st.text())))
def test_no_label_comes_from_the_venue(networks: dict[str, Any]) -> None:
    told = {"USDT": {"networks": networks}, "SCAM": {"networks": networks}}
    assert {network for _, network in currencies.gates(told, ("USDT",), ("ERC20",))} <= {"any", "ERC20", "other"}
    assert {code for code, _ in currencies.gates(told, ("USDT",), ("ERC20",))} == {"USDT"}


@pytest.mark.parametrize("networks", [None, [], "x", {"ERC20": None}, {"ERC20": []}])
def test_a_currency_without_networks_is_told_as_a_whole(networks: Any) -> None:
    told = {"BTC": {"deposit": True, "withdraw": None, "networks": networks}}
    assert currencies.gates(told, ("BTC",), ("ERC20",)) == {("BTC", "any"): Gate(deposit=True, withdraw=None)}


def test_a_list_is_no_collection_of_currencies() -> None:
    refused(currencies.gates, [TETHER], ("USDT",), ())


# --- markets ---------------------------------------------------------------------------------------------------------

MARKET = {
    "base": "XBT",
    "quote": "USDT",
    "type": "swap",
    "settle": "USDT",
    "active": True,
    "precision": {"price": 0.1, "amount": 0.001},
    "limits": {"amount": {"min": 0.001}, "cost": {"min": 5.0}, "price": {"min": None}},
    "info": {"deliveryDate": "4133404800000"},
}


def market(**changes: Any) -> MarketReading:
    return markets.reading({**MARKET, **changes}, LABELS, {"XBT": "BTC", "BTC": "BTC"})


def test_a_market_has_the_names_of_the_assets() -> None:
    told = market()
    assert (told.base, told.quote, told.kind, told.settle) == ("BTC", "USDT", "swap", "USDT")
    assert (told.expiry, told.strike, told.active, told.delist_at) == ("", "", True, None)


def test_an_option_has_its_expiry_and_strike() -> None:
    told = market(type="option", expiry=1_790_000_000_000, expiryDatetime="2026-09-21T08:13:20.000Z", strike=60_000.0)
    assert (told.kind, told.expiry, told.strike, told.delist_at) == ("option", "2026-09-21", "60000", 1_790_000_000.0)


def test_a_kind_that_nobody_knows_is_other() -> None:
    assert market(type="prediction").kind == "other"


def test_an_announced_end_is_told_and_never_is_not() -> None:
    assert market(info={"deliveryDate": 1_790_000_000_000}).delist_at == 1_790_000_000.0
    assert market(info={"deliveryDate": "soon"}).delist_at is None
    assert market(info=None).delist_at is None


def test_activity_that_is_not_told_is_unknown() -> None:
    assert market(active=None).active is None


@pytest.mark.parametrize(
    "changes",
    [
        {"precision": {"price": 1.0, "amount": 0.001}},
        {"precision": {"price": 0.1, "amount": 0.1}},
        {"limits": {"amount": {"min": 1.0}, "cost": {"min": 5.0}}},
    ],
)
def test_a_change_of_tick_lot_or_minimum_counts(changes: dict[str, Any]) -> None:
    (event,) = markets.events(market(), market(**changes))
    assert (event.family, event.labels, event.amount) == (markets.SPEC_CHANGES, LABELS, 1.0)


def test_what_is_seen_for_the_first_time_or_unchanged_does_not_count() -> None:
    assert list(markets.events(None, market())) == []
    assert list(markets.events(market(), market(active=False))) == []


# --- tickers ---------------------------------------------------------------------------------------------------------


def test_best_prices_of_a_followed_book_are_the_books() -> None:
    told = bulk({"A/B": {"bid": 1.0, "ask": 2.0, "quoteVolume": 3.0}, "C/B": {"bid": 4.0}}, ("A/B", "C/B"), (1.0, None))
    shown = tickers.without_books(told, ("A/B", "C/B"), frozenset({"A/B"}))
    assert (shown.bid, shown.ask, shown.volume_usd_24h) == ([None, 4.0], [None, None], [3.0, None])
    assert tickers.without_books(told, ("A/B", "C/B"), frozenset({"X/Y"})) is told
