"""What books, trades and prices of several venues say together, in plain words."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.exchange.books import Book
from exporters.exchange.derived import DERIVED_FAMILIES, Derivation, frozen, reference, went_on
from exporters.exchange.quality import quality
from exporters.exchange.reading import BookReading, PriceReading, Totals, TradesReading
from occ.job import Aged, Target

NOW = 1_800_000_000.0
DOLLARS = ("USD", "USDT", "USDC")


def target(venue: str, symbol: str) -> Target:
    return Target(f"{venue}/{symbol}", {"venue": venue, "symbol": symbol})


def book(
    mid: float | None = 100.0,
    *,
    changed: float = NOW,
    moves: tuple[float, ...] = (),
    at: float = NOW,
) -> BookReading:
    """A book with this mid, or of bids alone."""
    bid, asks = (99.0, ()) if mid is None else (mid - 1, ((mid + 1, 1.0),))
    told = quality(Book.of(((bid, 1.0),), asks), (), None)
    return BookReading(told, at, changed, Totals({}, 0.0), moves=moves)


def prints(*at: float) -> TradesReading:
    return TradesReading(Totals({}, 0.0), prints=at)


def always(_: Target) -> bool:
    return True


def seconds_ago(*ago: float) -> tuple[float, ...]:
    return tuple(NOW - each for each in ago)


def derived(
    books: dict[Target, BookReading],
    trades: dict[Target, TradesReading] | None = None,
    prices: dict[Target, PriceReading] | None = None,
    bases: dict[str, str] | None = None,
    followed: Callable[[Target], bool] = always,
) -> dict[str, list[float | None]]:
    board = {
        check: {target: Aged(reading, NOW) for target, reading in readings.items()}
        for check, readings in (("order_book", books), ("trades", trades or {}), ("prices", prices or {}))
    }
    derivation = Derivation(tuple(books), tuple(prices or {}), DOLLARS, bases or {}, followed)
    return {column.family.name: list(column.values) for column in derivation(board)}


# --- standing still --------------------------------------------------------------------------------------------------


def test_a_book_that_changes_is_not_frozen() -> None:
    here = target("a", "BTC/USDT")
    shown = derived({here: book(changed=NOW)}, {here: prints(*seconds_ago(9, 5, 1))})
    assert shown["exchange_book_frozen"] == [0.0]


def test_a_book_is_frozen_when_trades_go_on_printing_after_its_last_change() -> None:
    here = target("a", "BTC/USDT")
    shown = derived({here: book(changed=NOW - 6)}, {here: prints(*seconds_ago(9, 5, 4, 1))})
    assert shown["exchange_book_frozen"] == [1.0]


def test_one_trade_may_come_before_its_change_of_the_book() -> None:
    here = target("a", "BTC/USDT")
    shown = derived({here: book(changed=NOW - 600)}, {here: prints(*seconds_ago(601, 0.2, 0.1))})
    assert shown["exchange_book_frozen"] == [0.0]


def test_a_quiet_market_is_not_frozen() -> None:
    here = target("a", "BTC/USDT")
    shown = derived({here: book(changed=NOW - 600)}, {here: prints(*seconds_ago(601))})
    assert shown["exchange_book_frozen"] == [0.0]


def test_a_book_is_frozen_when_two_other_venues_move_and_it_does_not() -> None:
    books = {
        target("a", "BTC/USDT"): book(changed=NOW - 6),
        target("b", "BTC/USD"): book(moves=seconds_ago(5, 4, 1)),
        target("c", "BTC/USDC"): book(moves=seconds_ago(4.5, 0.5)),
    }
    assert derived(books)["exchange_book_frozen"] == [1.0, 0.0, 0.0]


def test_one_other_venue_is_not_enough_however_many_symbols_it_has() -> None:
    books = {
        target("a", "BTC/USDT"): book(changed=NOW - 6),
        target("b", "BTC/USD"): book(moves=seconds_ago(5, 1)),
        target("b", "BTC/USDT"): book(moves=seconds_ago(5, 1)),
        target("c", "ETH/USDT"): book(moves=seconds_ago(5, 1)),
    }
    assert derived(books)["exchange_book_frozen"][0] == 0.0


def test_an_alias_is_the_same_base() -> None:
    books = {
        target("a", "BTC/USDT"): book(changed=NOW - 6),
        target("b", "XBT/USD"): book(moves=seconds_ago(5, 1)),
        target("c", "XBT/USD"): book(moves=seconds_ago(5, 1)),
    }
    assert derived(books, bases={"XBT": "BTC"})["exchange_book_frozen"][0] == 1.0


def test_a_polled_book_is_not_held_to_what_happened_after_it_was_looked_at() -> None:
    assert not frozen(book(changed=NOW - 9, at=NOW - 8), seconds_ago(7, 5, 1), (), followed=False)
    assert frozen(book(changed=NOW - 30, at=NOW), seconds_ago(7, 5, 1), (), followed=False)


def test_a_book_whose_stream_is_lost_is_not_held_to_what_others_did_after_that() -> None:
    here = target("a", "BTC/USDT")
    books = {
        here: book(changed=NOW - 6, at=NOW - 6),
        target("b", "BTC/USDT"): book(moves=seconds_ago(5, 3, 1)),
        target("c", "BTC/USDT"): book(moves=seconds_ago(5, 3, 1)),
    }
    assert derived(books)["exchange_book_frozen"] == [1.0, 0.0, 0.0]
    assert derived(books, followed=lambda book: book != here)["exchange_book_frozen"] == [0.0, 0.0, 0.0]


def test_a_book_that_stood_still_before_its_stream_was_lost_was_frozen() -> None:
    here = target("a", "BTC/USDT")
    books, trades = {here: book(changed=NOW - 9, at=NOW - 3)}, {here: prints(*seconds_ago(8, 4, 2))}
    assert derived(books, trades, followed=lambda _: False)["exchange_book_frozen"] == [1.0]


def test_without_a_fresh_book_nothing_is_said_of_it() -> None:
    here, there = target("a", "BTC/USDT"), target("b", "BTC/USDT")
    derivation = Derivation((here, there), (), DOLLARS, {}, always)
    shown = {column.family.name: column for column in derivation({"order_book": {there: Aged(book(), NOW)}})}
    assert list(shown["exchange_book_frozen"].values) == [None, 0.0]
    assert list(shown["exchange_cross_venue_deviation_ratio"].values) == [None, None]


def test_what_a_venue_does_not_offer_is_as_if_it_was_not_there() -> None:
    here = target("a", "BTC/USDT")
    columns = Derivation((here,), (), DOLLARS, {}, always)({"order_book": {here: Aged(None, NOW)}})
    assert [list(column.values) for column in columns] == [[None], [None], []]


@given(st.lists(st.floats(0, 1e6)), st.floats(0, 1e6), st.floats(0.01, 1e3))
def test_what_went_on_has_two_instants_after_the_last_change(at: list[float], since: float, seconds: float) -> None:
    later = sorted(instant for instant in at if instant > since)
    assert went_on(sorted(at), since, seconds) == (len(later) > 1 and later[-1] - later[0] >= seconds)


# --- out of line -----------------------------------------------------------------------------------------------------


def test_deviation_is_against_the_median_of_three_venues() -> None:
    books = {
        target("a", "BTC/USDT"): book(100.0),
        target("b", "BTC/USD"): book(101.0),
        target("c", "BTC/USDC"): book(90.0),
    }
    assert derived(books)["exchange_cross_venue_deviation_ratio"] == [0.0, 0.01, -0.1]


def test_two_venues_do_not_tell_which_of_them_is_wrong() -> None:
    books = {
        target("a", "BTC/USDT"): book(100.0),
        target("b", "BTC/USD"): book(150.0),
        target("b", "BTC/USDT"): book(50.0),
    }
    assert derived(books)["exchange_cross_venue_deviation_ratio"] == [None, None, None]


def test_swaps_are_compared_with_swaps_and_what_expires_with_nothing() -> None:
    spots = {target(venue, "BTC/USDT"): book(100.0) for venue in "abc"}
    others = {
        target("a", "BTC/USDT:USDT"): book(110.0),
        target("b", "BTC/USDT:USDT"): book(110.0),
        target("a", "BTC/USDT:USDT-301227"): book(150.0),
        target("a", "BTC/EUR"): book(90.0),
    }
    assert derived(spots | others)["exchange_cross_venue_deviation_ratio"] == [0.0, 0.0, 0.0, None, None, None, None]


def test_a_book_that_is_crossed_or_has_one_side_is_no_reference() -> None:
    sound = {target(venue, "BTC/USDT"): book(100.0) for venue in "ab"}
    crossed = book()
    crossed = BookReading(quality(Book.of(((101, 1),), ((100, 1),)), (), None), NOW, NOW, crossed.totals)
    for broken in (crossed, book(None)):
        shown = derived(sound | {target("c", "BTC/USDT"): broken})
        assert shown["exchange_cross_venue_deviation_ratio"] == [None, None, None]


@given(st.dictionaries(st.text(), st.lists(st.floats(0.01, 1e6), min_size=1), min_size=3))
def test_the_reference_lies_within_what_was_told(mids: dict[str, list[float]]) -> None:
    told = [mid for of_venue in mids.values() for mid in of_venue]
    middle = reference(mids)
    assert middle is not None
    assert min(told) <= middle <= max(told) or math.isclose(middle, min(told)) or math.isclose(middle, max(told))


# --- stablecoins -----------------------------------------------------------------------------------------------------


def test_a_stablecoin_deviates_from_one_dollar() -> None:
    prices = {
        target("kraken", "USDT/USD"): PriceReading(0.97),
        target("kraken", "USDC/USD"): PriceReading(1.001),
        target("kraken", "BTC/USD"): PriceReading(60_000.0),
    }
    derivation = Derivation((), tuple(prices), DOLLARS, {}, always)
    *_, column = derivation({"prices": {each: Aged(reading, NOW) for each, reading in prices.items()}})
    assert [row["currency"] for row in column.rows] == ["USDT", "USDC"]
    assert list(column.values) == pytest.approx([-0.03, 0.001])


def test_a_stale_price_deviates_from_nothing() -> None:
    *_, column = Derivation((), (target("kraken", "USDT/USD"),), DOLLARS, {}, always)({})
    assert column.values == [None]


def test_all_families_are_derived() -> None:
    assert [column.family for column in Derivation((), (), DOLLARS, {}, always)({})] == list(DERIVED_FAMILIES)
