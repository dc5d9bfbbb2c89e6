"""Ticks and their bitmap."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.pools.maths.ticks import (
    MAX_SQRT_RATIO,
    MAX_TICK,
    MIN_SQRT_RATIO,
    MIN_TICK,
    Ticks,
    UnknownTicksError,
    initialised,
    sqrt_at,
    tick_at,
)

ANY_TICK = st.integers(MIN_TICK, MAX_TICK)


def test_the_ends_are_those_of_the_protocol() -> None:
    assert sqrt_at(MIN_TICK) == MIN_SQRT_RATIO
    assert sqrt_at(MAX_TICK) == MAX_SQRT_RATIO
    assert sqrt_at(0) == 2**96
    assert tick_at(MIN_SQRT_RATIO) == MIN_TICK
    assert tick_at(MAX_SQRT_RATIO - 1) == MAX_TICK - 1


@pytest.mark.parametrize("tick", [MIN_TICK - 1, MAX_TICK + 1])
def test_beyond_the_ends_there_is_nothing(tick: int) -> None:
    with pytest.raises(ValueError, match="no tick"):
        sqrt_at(tick)


@pytest.mark.parametrize("price", [0, MIN_SQRT_RATIO - 1, MAX_SQRT_RATIO])
def test_beyond_the_prices_there_are_no_ticks(price: int) -> None:
    with pytest.raises(ValueError, match="no such price"):
        tick_at(price)


@given(ANY_TICK)
def test_a_price_at_a_tick_is_a_power_of_1_0001(tick: int) -> None:
    assert 2 * math.log(sqrt_at(tick) / 2**96) == pytest.approx(tick * math.log(1.0001), rel=1e-12, abs=1e-9)


@given(ANY_TICK.filter(lambda tick: tick < MAX_TICK))
def test_a_tick_is_found_by_its_price_and_by_all_above_it_up_to_the_next(tick: int) -> None:
    assert tick_at(sqrt_at(tick)) == tick
    assert tick_at(sqrt_at(tick + 1) - 1) == tick


@given(st.integers(MIN_SQRT_RATIO, MAX_SQRT_RATIO - 1))
def test_a_price_lies_between_its_tick_and_the_next(price: int) -> None:
    tick = tick_at(price)
    assert sqrt_at(tick) <= price < sqrt_at(tick + 1)


PLACES = st.sets(st.integers(-600, 599), max_size=20)


@given(PLACES, st.integers(-600, 599), st.sampled_from([1, 10, 60, 200]), st.integers(0, 199))
def test_the_next_tick_is_the_nearest_of_the_word_or_its_end(
    places: set[int], place: int, spacing: int, beside: int
) -> None:
    words = dict.fromkeys(range(-3, 4), 0)
    for each in places:
        words[each >> 8] |= 1 << (each & 255)
    ticks = Ticks(spacing, words, {})
    tick = place * spacing + beside % spacing
    below = [each for each in places if each <= place and each >> 8 == place >> 8]
    assert ticks.next(tick, down=True) == (
        (max(below) * spacing, True) if below else ((place >> 8) * 256 * spacing, False)
    )
    word = place + 1 >> 8
    above = [each for each in places if each > place and each >> 8 == word]
    assert ticks.next(tick, down=False) == (
        (min(above) * spacing, True) if above else ((word * 256 + 255) * spacing, False)
    )


def test_a_word_that_was_not_read_is_named() -> None:
    with pytest.raises(UnknownTicksError) as caught:
        Ticks(60, {0: 0}, {}).next(-1, down=True)
    assert caught.value.word == -1


@given(st.sets(st.integers(0, 255)), st.integers(-20, 20), st.sampled_from([1, 10, 60]))
def test_a_word_tells_its_ticks(places: set[int], word: int, spacing: int) -> None:
    bits = sum(1 << each for each in places)
    assert list(initialised(word, bits, spacing)) == [(word * 256 + each) * spacing for each in sorted(places)]


SPACING = 60
RANGES = st.lists(
    st.tuples(st.integers(-40, 40), st.integers(1, 60), st.integers(1, 2**100)).map(
        lambda each: (each[0] * SPACING, (each[0] + each[1]) * SPACING, each[2])
    ),
    max_size=12,
)


def of_ranges(ranges: list[tuple[int, int, int]]) -> Ticks:
    """The ticks as they are where liquidity is in these ranges."""
    net, gross = dict[int, int](), dict[int, int]()
    for lower, upper, amount in ranges:
        for tick, added in ((lower, amount), (upper, -amount)):
            net[tick], gross[tick] = net.get(tick, 0) + added, gross.get(tick, 0) + amount
    words = dict.fromkeys(range(-1, 1), 0)
    for tick in net:
        words[tick // SPACING >> 8] |= 1 << (tick // SPACING & 255)
    return Ticks(SPACING, words, net, gross)


@given(RANGES, st.data())
def test_liquidity_that_comes_and_goes_leaves_the_ticks_of_what_is_there(
    ranges: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    gone = data.draw(st.lists(st.sampled_from(ranges), unique_by=id) if ranges else st.just([]))
    ticks = of_ranges([])
    for lower, upper, amount in ranges:
        ticks = ticks.with_liquidity(lower, upper, amount)
    assert ticks == of_ranges(ranges)
    left = list(ranges)
    for each in gone:
        lower, upper, amount = each
        ticks = ticks.with_liquidity(lower, upper, -(amount // 2)).with_liquidity(lower, upper, amount // 2 - amount)
        left.remove(each)
    assert ticks == of_ranges(left)


def test_liquidity_of_nothing_and_at_ticks_that_were_not_read_changes_nothing() -> None:
    ticks = of_ranges([(-60, 60, 10**18)])
    assert ticks.with_liquidity(-120, 120, 0) == ticks
    far = 1000 * 256 * SPACING
    assert ticks.with_liquidity(far, far + SPACING, 10**18) == ticks
    assert Ticks(0, {}, {}).with_liquidity(-60, 60, 1) == Ticks(0, {}, {})


@pytest.mark.parametrize("change", [(-60, 60, -2), (0, 60, -1), (-61, 60, 1)])
def test_liquidity_that_was_not_there_can_not_go_and_none_comes_between_ticks(change: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="no liquidity can have come"):
        of_ranges([(-60, 60, 1)]).with_liquidity(*change)
