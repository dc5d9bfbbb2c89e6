"""What books, trades and prices of several venues say together, in plain words."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.exchange.books import Book
from exporters.exchange.derived import DERIVED_FAMILIES, Derivation, frozen, net_delta, reference, went_on
from exporters.exchange.quality import quality
from exporters.exchange.reading import (
    BalancesReading,
    BookReading,
    PositionsReading,
    PriceReading,
    Totals,
    TradesReading,
)
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
    assert [list(column.values) for column in columns] == [[None], [None], [], []]


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
    *_, column, _ = derivation({"prices": {each: Aged(reading, NOW) for each, reading in prices.items()}})
    assert [row["currency"] for row in column.rows] == ["USDT", "USDC"]
    assert list(column.values) == pytest.approx([-0.03, 0.001])


def test_a_stale_price_deviates_from_nothing() -> None:
    *_, column, _ = Derivation((), (target("kraken", "USDT/USD"),), DOLLARS, {}, always)({})
    assert column.values == [None]


# --- over all accounts -----------------------------------------------------------------------------------------------

ALIASES = {"ETH": "ETH", "WETH": "ETH"}


def account(name: str) -> Target:
    return Target(f"a/{name}", {"venue": "a", "account": name})


def balances(**totals: float) -> BalancesReading:
    """With what is free besides, which counts for nothing."""
    amounts = {(asset, kind): total for asset, total in totals.items() for kind in ("free", "total")}
    return BalancesReading(amounts, None)


def positions(**deltas: float | None) -> PositionsReading:
    return PositionsReading({}, deltas, None)


def deltas(
    held: dict[Target, BalancesReading | None],
    opened: dict[Target, PositionsReading | None],
    accounts: tuple[Target, ...],
    traded: tuple[str, ...] = (),
) -> dict[str, float | None]:
    derivation = Derivation((), (), DOLLARS, ALIASES, always, accounts=accounts, traded=traded)
    board: dict[str, dict[Target, Aged[Any]]] = {
        "balances": {each: Aged(reading, NOW) for each, reading in held.items()},
        "positions": {each: Aged(reading, NOW) for each, reading in opened.items()},
    }
    *_, column = derivation(board)
    return {row["base"]: value for row, value in zip(column.rows, column.values, strict=True)}


ONE, TWO = account("one"), account("two")


def test_the_net_delta_is_all_balances_and_positions_under_one_name() -> None:
    shown = deltas(
        {ONE: balances(ETH=10, USDT=5_000), TWO: balances(WETH=2, BTC=-0.5)},
        {ONE: positions(ETH=-12.5), TWO: positions(BTC=0.5)},
        (ONE, TWO),
    )
    assert shown == {"BTC": 0.0, "ETH": -0.5}


def test_an_inverse_contract_of_one_times_the_coin_leaves_no_delta() -> None:
    """One bitcoin that is sold for dollars by 600 contracts of 100 dollars at 60,000: equity 1 and a short one of 1."""
    assert deltas({ONE: balances(BTC=1.0)}, {ONE: positions(BTC=-1.0)}, (ONE,)) == {"BTC": 0.0}


def test_a_base_of_which_nothing_is_held_is_flat() -> None:
    assert deltas({ONE: balances()}, {ONE: positions()}, (ONE,), ("BTC/USDT:USDT", "WETH/USDT", "USDC/USDT")) == {
        "BTC": 0.0,
        "ETH": 0.0,
    }


@pytest.mark.parametrize("missing", [ONE, TWO])
@pytest.mark.parametrize("offered", [True, False])
def test_unless_every_account_is_seen_whole_nothing_is_known(missing: Target, *, offered: bool) -> None:
    held: dict[Target, BalancesReading | None] = {ONE: balances(BTC=1), TWO: balances(BTC=1)}
    opened: dict[Target, PositionsReading | None] = {ONE: positions(), TWO: positions()}
    assert deltas(held, opened, (ONE, TWO)) == {"BTC": 2.0}
    unseen = {} if not offered else {missing: None}
    without = {each: reading for each, reading in held.items() if each != missing}
    assert deltas({**without, **unseen}, opened, (ONE, TWO), ("BTC/USDT",)) == {}
    flat = {each: reading for each, reading in opened.items() if each != missing}
    assert deltas(held, {**flat, **unseen}, (ONE, TWO), ("BTC/USDT",)) == {}


def test_a_position_whose_delta_is_not_known_hides_its_base_alone() -> None:
    assert deltas({ONE: balances(BTC=1, ETH=1)}, {ONE: positions(BTC=None)}, (ONE,)) == {"BTC": None, "ETH": 1.0}


def test_without_accounts_there_is_nothing_to_tell() -> None:
    assert deltas({}, {}, (), ("BTC/USDT",)) == {}


@given(wallet=st.floats(0, 100), contracts=st.floats(-1e6, 1e6), entry=st.floats(10, 1e5), price=st.floats(10, 1e5))
def test_the_delta_of_a_coin_margined_account_is_how_its_dollars_follow_the_price(
    wallet: float, contracts: float, entry: float, price: float
) -> None:
    """`contracts` of one dollar pay contracts x (1/entry - 1/price) in the coin, so that the account is worth this."""

    def dollars(at: float) -> float:
        return (wallet + contracts * (1 / entry - 1 / at)) * at

    equity = wallet + contracts * (1 / entry - 1 / price)
    found = net_delta([balances(BTC=equity)], [positions(BTC=contracts / price)], str)
    assert found["BTC"] == pytest.approx(dollars(price + 1) - dollars(price), rel=1e-6, abs=1e-4)


AMOUNTS = st.dictionaries(st.sampled_from(["BTC", "ETH", "WETH"]), st.integers(-(10**9), 10**9))


@given(st.lists(AMOUNTS), st.lists(AMOUNTS))
def test_the_net_delta_is_the_sum_whoever_holds_it(held: list[dict[str, int]], opened: list[dict[str, int]]) -> None:
    found = net_delta(
        [balances(**each) for each in held],
        [positions(**each) for each in opened],
        lambda asset: ALIASES.get(asset, asset),
    )
    for base, names in (("BTC", ("BTC",)), ("ETH", ("ETH", "WETH"))):
        assert (found.get(base) or 0) == sum(each.get(name, 0) for each in (*held, *opened) for name in names)
    turned = net_delta(
        [balances(**{asset: -amount for asset, amount in each.items()}) for each in held],
        [positions(**{asset: -amount for asset, amount in each.items()}) for each in opened],
        lambda asset: ALIASES.get(asset, asset),
    )
    assert turned == {base: None if amount is None else -amount for base, amount in found.items()}


def test_all_families_are_derived() -> None:
    assert [column.family for column in Derivation((), (), DOLLARS, {}, always)({})] == list(DERIVED_FAMILIES)
