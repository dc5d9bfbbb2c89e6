"""What must hold of every swap, whatever the pool. That it is to the unit what the protocols do is shown on a real chain."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.pools.maths.concentrated import Concentrated
from exporters.pools.maths.constant_product import ConstantProduct
from exporters.pools.maths.ticks import Ticks, UnknownTicksError, sqrt_at, tick_at

RESERVES = st.integers(1, 2**112 - 1)
AMOUNTS = st.integers(1, 2**112 - 1)
SIDES = st.integers(0, 1)
FEES = st.sampled_from([Fraction(3, 1000), Fraction(25, 10000), Fraction(0)])


@st.composite
def pools(draw: st.DrawFn, spacing: int = 60) -> Concentrated:
    """Pools whose positions lie around the price, all words known."""
    tick = draw(st.integers(-20_000, 20_000))
    words, net, liquidity = dict.fromkeys(range(-60, 60), 0), dict[int, int](), 0
    for _ in range(draw(st.integers(1, 5))):
        low, high = sorted(draw(st.lists(st.integers(-500, 500), min_size=2, max_size=2, unique=True)))
        size = draw(st.integers(10**6, 10**24))
        for edge, sign in ((low, 1), (high, -1)):
            net[edge * spacing] = net.get(edge * spacing, 0) + sign * size
            words[edge >> 8] |= 1 << (edge & 255)
        liquidity += size if low * spacing <= tick < high * spacing else 0
    return Concentrated(sqrt_at(tick), tick, liquidity, 3000, Ticks(spacing, words, net))


@given(RESERVES, RESERVES, AMOUNTS, SIDES, FEES)
def test_the_product_never_falls(first: int, second: int, amount: int, paid: int, fee: Fraction) -> None:
    pool = ConstantProduct((first, second), fee)
    got = pool.swap(amount, paid)
    assert got is not None
    assert 0 <= got < pool.reserves[1 - paid]
    assert (pool.reserves[paid] + amount) * (pool.reserves[1 - paid] - got) >= first * second


@pytest.mark.parametrize("reserves", [(0, 0), (0, 5), (5, 0)])
def test_an_empty_pair_gives_nothing_and_has_no_price(reserves: tuple[int, int]) -> None:
    pool = ConstantProduct(reserves, Fraction(3, 1000))
    assert pool.swap(10, 0) is None
    assert math.isnan(pool.spot())


@given(RESERVES, RESERVES, SIDES, st.floats(0.9, 0.9999))
def test_what_the_depth_of_a_pair_takes_moves_its_price_to_the_factor(
    first: int, second: int, paid: int, factor: float
) -> None:
    pool = ConstantProduct((first, second), Fraction(0))
    inside, outside = pool.reserves[paid], pool.reserves[1 - paid]
    taken, given = pool.depth(paid, factor)
    assert (outside - given) / (inside + taken) == pytest.approx(factor * outside / inside)


@given(pools(), st.integers(1, 10**27), SIDES)
def test_a_swap_takes_no_more_than_it_was_given_and_moves_the_price_against_whoever_pays(
    pool: Concentrated, amount: int, paid: int
) -> None:
    found = pool.swapped(amount, paid)
    assert 0 <= found.paid <= amount
    assert found.got >= 0
    assert found.price <= pool.sqrt_price if paid == 0 else found.price >= pool.sqrt_price


@given(pools(), st.integers(1, 10**27), SIDES)
def test_a_swap_never_gives_more_than_at_the_price_it_began_with(pool: Concentrated, amount: int, paid: int) -> None:
    found = pool.swapped(amount, paid)
    price = Fraction(pool.sqrt_price**2, 2**192) if paid == 0 else Fraction(2**192, pool.sqrt_price**2)
    assert found.got <= found.paid * price


@given(pools(), st.integers(1, 10**24), st.integers(1, 10**24), SIDES)
def test_two_swaps_never_give_more_than_one_of_both(pool: Concentrated, first: int, second: int, paid: int) -> None:
    whole = pool.swapped(first + second, paid)
    part = pool.swapped(first, paid)
    if part.paid < first:
        return
    tick = tick_at(part.price)
    if part.price == sqrt_at(tick):  # just at a tick, on which side it is does not show in the price
        return
    between = Concentrated(part.price, tick, _liquidity_at(pool, tick), pool.fee, pool.ticks)
    rest = between.swapped(second, paid)
    assert part.got + rest.got <= whole.got + 1


def _liquidity_at(pool: Concentrated, tick: int) -> int:
    return sum(net for edge, net in pool.ticks.net.items() if edge <= tick)


@given(pools(), SIDES, st.sampled_from([0.999, 0.99, 0.98]))
def test_the_depth_of_a_pool_is_what_a_swap_without_fee_takes_to_get_there(
    pool: Concentrated, paid: int, factor: float
) -> None:
    taken, got = pool.depth(paid, factor)
    if taken < 10**6:
        return
    free = Concentrated(pool.sqrt_price, pool.tick, pool.liquidity, 0, pool.ticks)
    found = free.swapped(int(taken), paid)
    assert found.got == pytest.approx(got, rel=1e-5, abs=10)


def test_a_pool_without_a_price_gives_nothing() -> None:
    pool = Concentrated(0, 0, 0, 3000, Ticks(60, {}, {}))
    assert pool.swap(10, 0) is None
    assert math.isnan(pool.spot())


def test_a_pool_that_can_not_take_it_all_gives_nothing() -> None:
    words = dict.fromkeys(range(-60, 60), 0) | {0: 1 << 1, -1: 1 << 255}
    pool = Concentrated(2**96, 0, 10**6, 3000, Ticks(60, words, {-60: 10**6, 60: -(10**6)}))
    assert pool.swap(100, 0) == 98
    assert pool.swap(10**30, 0) is None


def test_a_swap_beyond_the_ticks_that_were_read_says_which_word_it_needs() -> None:
    pool = Concentrated(2**96, 0, 10**6, 3000, Ticks(60, {0: 0}, {}))
    with pytest.raises(UnknownTicksError) as caught:
        pool.swap(10**30, 0)
    assert caught.value.word == -1
