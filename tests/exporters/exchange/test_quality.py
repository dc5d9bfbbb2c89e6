"""Market quality: the worked example of the docs, laws that hold for every book, and a slow obvious computation of the same."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.exchange.books import HIGHEST, LOWEST, Book
from exporters.exchange.quality import (
    BANDS,
    CrossedTime,
    LastChange,
    Liquidity,
    MidRange,
    Quality,
    crossed,
    dollars,
    mid_price,
    quality,
    spread_ratio,
)
from occ.errors import SourceError

PAGE = Path(__file__).parents[3] / "docs/market-quality.md"
SIZES = (10_000.0, 100_000.0, 1_000_000.0)
ROUNDING = 1e-12

Level = tuple[Decimal, Decimal]


# --- the page --------------------------------------------------------------------------------------------------------


def table(first: str) -> list[dict[str, str]]:
    """The rows of the page's table whose first column is called so."""
    lines = PAGE.read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {first} |"))
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines[start:])
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in rows]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


@pytest.fixture(name="example")
def _example() -> Quality:
    levels = table("bid price")
    book = Book.of(
        [[float(row["bid price"]), float(row["bid amount"])] for row in levels],
        [[float(row["ask price"]), float(row["ask amount"])] for row in levels],
    )
    rate = re.search(r"One USDT is worth ([0-9.]+) dollars", PAGE.read_text())
    assert rate
    return quality(book, [float(row["size_usd"]) for row in table("size_usd")], float(rate[1]))


def test_the_example_of_the_page_the_book_as_a_whole(example: Quality) -> None:
    rows = table("of the book")
    assert len(rows) == 4
    for row in rows:
        assert getattr(example, row["of the book"]) == pytest.approx(float(row["value"]), rel=1e-5)


def test_the_example_of_the_page_depth(example: Quality) -> None:
    rows = table("band")
    assert [float(row["band"]) for row in rows] == list(BANDS)
    for side, liquidity in (("bid", example.bids), ("ask", example.asks)):
        assert liquidity.depth_quote == pytest.approx([float(row[f"{side} quote"]) for row in rows])
        assert liquidity.depth_usd == pytest.approx([float(row[f"{side} usd"]) for row in rows])
        assert liquidity.complete == [row[f"{side} complete"] == "1" for row in rows]


def test_the_example_of_the_page_slippage(example: Quality) -> None:
    rows = table("size_usd")
    for side, liquidity in (("sell", example.bids), ("buy", example.asks)):
        assert liquidity.too_thin == [row[f"{side} too thin"] == "1" for row in rows]
        for found, row in zip(liquidity.slippage_ratio, rows, strict=True):
            told = row[f"{side} slippage"]
            assert found == (None if told == "absent" else pytest.approx(float(told), rel=1e-5))


# --- laws ------------------------------------------------------------------------------------------------------------

AMOUNTS = st.integers(1, 10**7).map(lambda n: Decimal(n).scaleb(-3))
STEPS = st.integers(1, 2000)


@st.composite
def sides(draw: st.DrawFn) -> tuple[list[Level], list[Level]]:
    """Bids and asks around 100 in steps of a hundredth, from half a basis point apart to far beyond all bands."""

    def levels(sign: int) -> Iterator[Level]:
        price = 10_000
        for step in draw(st.lists(STEPS, max_size=12)):
            price += sign * step
            if price <= 0:
                return
            yield Decimal(price).scaleb(-2), draw(AMOUNTS)

    return list(levels(-1)), list(levels(1))


LIMITS = st.sampled_from([None, math.inf])
RATES = st.one_of(st.none(), st.sampled_from([1.0, 0.998, 63_000.0]))


def book_of(bids: Sequence[Level], asks: Sequence[Level], limit: float | None = None) -> Book:
    return Book.of(
        [[float(price), float(amount)] for price, amount in bids],
        [[float(price), float(amount)] for price, amount in asks],
        limit=limit,
    )


def at_most(less: float, more: float) -> bool:
    """But for rounding, which grows with the numbers."""
    return less <= more + ROUNDING * max(1.0, abs(more))


def near(wanted: Decimal | None) -> object:
    return None if wanted is None else pytest.approx(float(wanted), rel=1e-9, abs=1e-12)


def plain_fill(levels: Sequence[Level], value: Decimal) -> Decimal | None:
    """Average price of an order of this value, level by level."""
    left, amount = value, Decimal()
    for price, offered in levels:
        taken = min(offered, left / price)
        amount += taken
        left -= taken * price
        if left <= 0 or taken < offered:
            return value / amount
    return None


def plain_side(levels: Sequence[Level], mid: Decimal, rate: Decimal, *, whole: bool) -> Liquidity:
    """What `quality` says of a side, as the page defines it."""
    inside = [[level for level in levels if abs(level[0] - mid) <= mid * Decimal(str(band))] for band in BANDS]
    depth = [float(sum(price * amount for price, amount in found)) for found in inside]
    fills = [plain_fill(levels, Decimal(size) / rate) for size in SIZES]
    return Liquidity(
        depth_quote=depth,
        depth_usd=[value * float(rate) for value in depth],
        complete=[whole or len(found) < len(levels) for found in inside],
        slippage_ratio=[None if price is None else float(abs(price - mid) / mid) for price in fills],
        too_thin=[price is None for price in fills],
    )


@given(sides(), st.sampled_from(["1", "0.998", "63000"]), LIMITS)
def test_it_is_what_a_slow_obvious_computation_says(
    both: tuple[list[Level], list[Level]], rate: str, limit: float | None
) -> None:
    bids, asks = both
    found = quality(book_of(bids, asks, limit), SIZES, float(rate))
    if not bids or not asks:
        assert found.mid is None
        return
    mid = (bids[0][0] + asks[0][0]) / 2
    (bid, bid_amount), (ask, ask_amount) = bids[0], asks[0]
    assert (found.bid, found.ask, found.mid) == (float(bid), float(ask), near(mid))
    assert found.spread_ratio == near((ask - bid) / mid)
    assert found.microprice == near((bid * ask_amount + ask * bid_amount) / (bid_amount + ask_amount))
    for side, levels in ((found.bids, bids), (found.asks, asks)):
        wanted = plain_side(levels, mid, Decimal(rate), whole=limit is not None)
        assert (side.complete, side.too_thin) == (wanted.complete, wanted.too_thin)
        assert side.depth_quote == pytest.approx(wanted.depth_quote)
        assert side.depth_usd == pytest.approx(wanted.depth_usd)
        for ratio, right in zip(side.slippage_ratio, wanted.slippage_ratio, strict=True):
            assert ratio == (None if right is None else pytest.approx(right, rel=1e-9, abs=1e-12))


def numbers(found: Quality) -> Iterator[float]:
    """All that is not absent."""
    for value in [getattr(found, field.name) for field in dataclasses.fields(Quality)]:
        if isinstance(value, Liquidity):
            for column in dataclasses.astuple(value):
                yield from (number for number in column if number is not None)
        elif value is not None:
            yield value


@given(sides(), RATES)
def test_depth_grows_with_the_band_and_slippage_with_the_size(
    both: tuple[list[Level], list[Level]], rate: float | None
) -> None:
    found = quality(book_of(*both), SIZES, rate)
    for side in (found.bids, found.asks):
        for column in (side.depth_quote, side.depth_usd, side.slippage_ratio, side.too_thin):
            known = [value for value in column if value is not None]
            assert all(at_most(less, more) for less, more in itertools.pairwise(known))
        known_bands = [value for value in side.complete if value is not None]
        assert known_bands == sorted(known_bands, reverse=True)
        if found.spread_ratio is not None:
            costs = [cost for cost in side.slippage_ratio if cost is not None]
            assert all(at_most(found.spread_ratio / 2, cost) for cost in costs)


@given(sides(), RATES, st.sampled_from([2.0**-40, 0.5, 2.0**40]))
def test_another_unit_of_price_or_of_amount_changes_no_ratio(
    both: tuple[list[Level], list[Level]], rate: float | None, factor: float
) -> None:
    """A power of two changes no digit, so that both sides must be just the same."""

    def scaled(by_price: float, by_amount: float) -> Quality:
        bids, asks = ([[float(p) * by_price, float(a) * by_amount] for p, a in side] for side in both)
        usd = None if rate is None else rate / by_price / by_amount
        return quality(Book.of(bids, asks), SIZES, usd)

    one = scaled(1, 1)
    for other in (scaled(factor, 1), scaled(1, factor)):
        assert (one.spread_ratio, one.imbalance_ratio) == (other.spread_ratio, other.imbalance_ratio)
        for side, same in ((one.bids, other.bids), (one.asks, other.asks)):
            assert (side.slippage_ratio, side.too_thin) == (same.slippage_ratio, same.too_thin)
            assert (side.complete, side.depth_usd) == (same.complete, same.depth_usd)


@given(st.lists(st.tuples(STEPS, AMOUNTS), min_size=1, max_size=12), RATES)
def test_a_book_that_is_its_own_mirror_has_two_equal_sides(
    steps: list[tuple[int, Decimal]], rate: float | None
) -> None:
    distance, bids, asks = 0, [], []
    for step, amount in steps:
        distance += step
        if distance >= 10_000:
            break
        bids.append((Decimal(10_000 - distance).scaleb(-2), amount * 100 / (10_000 - distance)))
        asks.append((Decimal(10_000 + distance).scaleb(-2), amount * 100 / (10_000 + distance)))
    found = quality(book_of(bids, asks), SIZES, rate)
    assert found.mid == pytest.approx(100)
    assert found.imbalance_ratio in (None, pytest.approx(0, abs=1e-9))
    assert found.bids.complete == found.asks.complete
    assert found.bids.depth_quote == pytest.approx(found.asks.depth_quote)


@given(sides(), RATES)
def test_exchanging_the_sides_turns_the_signs(both: tuple[list[Level], list[Level]], rate: float | None) -> None:
    """Around 0, which prices can not be mirrored at, so around the mid, and with the amounts that make values the same."""
    bids, asks = both
    if not bids or not asks:
        return
    mid = (bids[0][0] + asks[0][0]) / 2

    def mirrored(levels: list[Level]) -> list[Level]:
        turned = [(2 * mid - price, amount * price / (2 * mid - price)) for price, amount in levels if price < 2 * mid]
        return turned if len(turned) == len(levels) else []

    other_bids, other_asks = mirrored(asks), mirrored(bids)
    if not other_bids or not other_asks:
        return
    one, other = quality(book_of(bids, asks), SIZES, rate), quality(book_of(other_bids, other_asks), SIZES, rate)
    assert other.mid == near(mid)
    assert one.bids.depth_quote == pytest.approx(other.asks.depth_quote)
    assert one.asks.depth_quote == pytest.approx(other.bids.depth_quote)
    assert one.bids.complete == other.asks.complete
    if one.imbalance_ratio is None:
        assert other.imbalance_ratio is None
    else:
        assert other.imbalance_ratio == pytest.approx(-one.imbalance_ratio, abs=1e-9)


ANY_NUMBER = st.floats(LOWEST, HIGHEST)


@given(
    st.lists(st.tuples(ANY_NUMBER, st.floats(LOWEST, 1e28)), max_size=8, unique_by=lambda level: level[0]),
    st.lists(st.tuples(ANY_NUMBER, st.floats(LOWEST, 1e28)), max_size=8, unique_by=lambda level: level[0]),
    st.one_of(st.none(), ANY_NUMBER),
    LIMITS,
)
def test_whatever_book_is_let_in_nothing_is_nan_or_infinite(
    bids: list[tuple[float, float]], asks: list[tuple[float, float]], rate: float | None, limit: float | None
) -> None:
    book = Book.of(sorted(bids, reverse=True), sorted(asks), limit=limit)
    found = quality(book, SIZES, rate)
    assert all(math.isfinite(number) for number in numbers(found))
    if found.imbalance_ratio is not None:
        assert -1 <= found.imbalance_ratio <= 1
    if found.microprice is not None:
        assert found.bid is not None
        assert found.ask is not None
        assert found.bid <= found.microprice <= found.ask


# --- absent rather than zero -------------------------------------------------------------------------------------------

NOTHING = [None] * len(BANDS)


def told(
    bids: list[list[float]], asks: list[list[float]], rate: float | None = 1.0, limit: float | None = None
) -> Quality:
    return quality(Book.of(bids, asks, limit=limit), SIZES, rate)


def test_of_an_empty_book_it_is_known_that_it_is_too_thin_and_nothing_else() -> None:
    found = told([], [])
    assert (found.bid, found.ask, found.mid, found.spread_ratio, found.crossed) == (None,) * 5
    assert (found.microprice, found.imbalance_ratio) == (None, None)
    for side in (found.bids, found.asks):
        assert list(side.depth_quote) == list(side.depth_usd) == list(side.complete) == NOTHING
        assert side.slippage_ratio == [None, None, None]
        assert side.too_thin == [True, True, True]


def test_a_book_of_one_side_has_that_best_price_and_is_too_thin_on_the_other() -> None:
    found = told([[100, 500.0]], [])
    assert (found.bid, found.ask, found.mid, found.crossed) == (100, None, None, None)
    assert list(found.bids.depth_usd) == NOTHING
    assert found.bids.slippage_ratio == [None, None, None]
    assert found.bids.too_thin == [False, True, True]
    assert found.asks.too_thin == [True, True, True]


def test_a_band_that_the_book_passes_over_is_empty_and_that_is_known() -> None:
    found = told([[90, 1.0]], [[110, 1.0]])
    assert found.bids.depth_usd == [0.0] * 5
    assert found.bids.complete == [True] * 5
    assert found.imbalance_ratio is None


def test_a_book_that_ends_inside_a_band_does_not_complete_it_unless_the_venue_has_no_more() -> None:
    levels = ([[99.95, 1.0], [99.8, 1.0]], [[100.05, 1.0], [100.2, 1.0]])
    truncated = [True, False, False, False, False]
    assert told(*levels).bids.complete == truncated
    assert told(*levels, limit=2).bids.complete == truncated
    assert told(*levels, limit=5).bids.complete == [True] * 5
    assert told(*levels, limit=math.inf).asks.complete == [True] * 5


def test_one_side_may_be_whole_where_the_other_was_cut_off() -> None:
    found = told([[99.95, 1.0]], [[100.05, 1.0], [100.2, 1.0]], limit=2)
    assert found.bids.complete == [True] * 5
    assert found.asks.complete == [True, False, False, False, False]


def test_without_a_dollar_price_of_the_quote_asset_only_what_is_in_dollars_is_absent() -> None:
    found = told([[99.95, 1.0]], [[100.05, 1.0]], rate=None)
    assert found.bids.depth_quote == pytest.approx([99.95] * 5)
    assert list(found.bids.depth_usd) == NOTHING
    assert found.asks.slippage_ratio == found.asks.too_thin == [None, None, None]
    assert found.mid == 100
    assert dollars(None, 1.0) is None


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf])
def test_a_dollar_price_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(SourceError, match="dollars per unit of quote") as refused:
        told([[99.0, 1.0]], [[101.0, 1.0]], rate=rate)
    assert refused.value.reason == "bad_response"


@pytest.mark.parametrize("ask", [100.0, 99.0])
def test_of_a_crossed_book_nothing_is_told_that_could_be_traded_on(ask: float) -> None:
    found = told([[100.0, 500.0], [99.5, 1.0]], [[ask, 500.0], [101.0, 1.0]])
    assert found.crossed is True
    assert found.spread_ratio is not None
    assert found.spread_ratio <= 0
    assert (found.microprice, found.imbalance_ratio) == (None, None)
    assert list(found.bids.depth_usd) == NOTHING
    assert found.asks.slippage_ratio == found.asks.too_thin == [None, None, None]


def test_the_best_prices_alone_may_come_from_a_ticker() -> None:
    assert mid_price(99.0, 101.0) == 100
    assert spread_ratio(99.0, 101.0) == 0.02
    assert crossed(99.0, 101.0) is False
    assert (mid_price(None, 1.0), spread_ratio(1.0, None), crossed(None, None)) == (None, None, None)


def test_a_level_on_the_very_edge_of_a_band_is_inside_whatever_rounding_says() -> None:
    """10 x 1.001 is 10.009999999999998 in floats, so that a level at 10.01 would be outside."""
    found = told([[9.995, 1.0], [9.99, 1.0]], [[10.005, 1.0], [10.01, 1.0]])
    assert found.mid == 10
    assert found.asks.depth_quote[0] == pytest.approx(20.015)
    assert found.bids.depth_quote[0] == pytest.approx(19.985)


def test_imbalance_is_over_the_same_distance_on_both_sides_though_we_hold_less_of_one() -> None:
    bids = [[99.99, 1.0], [99.98, 1.0], [99.97, 1.0]]
    asks = [[100.01, 1.0]]
    assert told(bids, asks).imbalance_ratio == pytest.approx(0, abs=1e-3)
    assert told(bids, asks, limit=10).imbalance_ratio == pytest.approx(0.5, abs=1e-3)


def test_a_whole_book_of_five_thousand_levels_is_summed_up_to_its_last() -> None:
    bids = [[100 - n / 100, 1.0] for n in range(1, 5001)]
    asks = [[100 + n / 100, 1.0] for n in range(1, 5001)]
    found = quality(Book.of(bids, asks, limit=math.inf), (1.0, 10_000_000.0), 1.0, bands=(0.5,))
    assert found.asks.depth_quote == pytest.approx([sum(price for price, _ in asks)])
    assert found.bids.depth_quote == pytest.approx([sum(price for price, _ in bids)])
    assert found.bids.too_thin == [False, True]


# --- over time ---------------------------------------------------------------------------------------------------------


def test_a_book_changed_when_its_content_was_last_seen_to_differ() -> None:
    one, same, other = (Book.of([[1, amount]], [[2.0, 1.0]]) for amount in (1.0, 1, 1.5))
    change = LastChange()
    assert [change.saw(book, at) for book, at in ((one, 5.0), (same, 6.0), (other, 7.0), (other, 8.0))] == [5, 5, 7, 7]


def test_the_levels_are_copied_so_that_the_feed_may_go_on_changing_its_own() -> None:
    levels, change = [[1.0, 1.0]], LastChange()
    change.saw(Book.of(levels, []), 5.0)
    levels[0][1] = 2.0
    assert change.saw(Book.of(levels, []), 6.0) == 6.0


def test_crossed_seconds_run_from_the_sight_of_it_until_the_next_sight() -> None:
    time = CrossedTime()
    sights = [(False, 10.0), (True, 11.0), (True, 13.0), (False, 14.0), (False, 20.0)]
    assert [time.saw(state, at) for state, at in sights] == [0, 0, 2, 1, 0]


def test_crossed_seconds_do_not_run_while_it_is_unknown() -> None:
    time = CrossedTime()
    assert [time.saw(state, at) for state, at in ((True, 1.0), (None, 2.0), (True, 50.0), (True, 51.0))] == [0, 1, 0, 1]


def test_a_crash_between_two_scrapes_is_seen_for_a_minute() -> None:
    mids = MidRange()
    for mid, at in ((100.0, 0.0), (80.0, 7.0), (100.0, 7.1)):
        mids.saw(mid, at)
    assert mids.ratio(15.0) == 0.25
    assert mids.ratio(67.0) == 0.25
    assert mids.ratio(75.0) == 0.0


def test_a_mid_holds_until_the_next_one_however_long_that_takes() -> None:
    mids = MidRange()
    mids.saw(100.0, 0.0)
    mids.saw(80.0, 500.0)
    assert mids.ratio(501.0) == 0.25


def test_the_range_is_absent_before_there_is_a_mid_and_at_the_very_first() -> None:
    mids = MidRange()
    assert mids.ratio(0.0) is None
    mids.saw(None, 0.0)
    mids.saw(100.0, 1.0)
    assert mids.ratio(1.0) is None
    assert mids.ratio(1.25) == 0.0


def test_what_was_seen_before_the_mid_was_lost_still_counts_and_then_the_range_is_absent() -> None:
    mids = MidRange()
    for mid, at in ((100.0, 0.0), (50.0, 1.0), (None, 2.0)):
        mids.saw(mid, at)
    assert mids.ratio(30.0) == 1.0
    assert mids.ratio(100.0) is None
    mids.saw(70.0, 101.0)
    assert mids.ratio(101.0) is None
    assert mids.ratio(102.0) == 0.0


@given(st.lists(st.tuples(st.floats(0.01, 30.0), st.one_of(st.none(), st.floats(1.0, 1e6))), min_size=1, max_size=60))
def test_the_range_is_that_of_the_last_minute_or_up_to_a_step_more(moves: list[tuple[float, float | None]]) -> None:
    mids, held, now = MidRange(), list[tuple[float, float, float]](), 0.0
    before: float | None = None
    for wait, mid in moves:
        if before is not None:
            held.append((now, now + wait, before))
        now += wait
        mids.saw(mid, now)
        before = mid
    if before is not None:
        held.append((now, now, before))
    found = mids.ratio(now)
    least, most = ([value for _, end, value in held if end >= now - reach] for reach in (60.0, 65.0))
    if found is None:
        assert len(least) <= 1
    else:
        assert found <= max(most) / min(most) - 1 + 1e-9
        assert not least or found >= max(least) / min(least) - 1 - 1e-9


def test_a_million_mids_take_no_more_memory_than_a_few() -> None:
    mids = MidRange()
    for n in range(200_000):
        mids.saw(100.0 + n % 7, n / 1000)
    assert len(mids._extremes) <= 13
