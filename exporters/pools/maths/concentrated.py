"""Uniswap v3 and its forks: swaps through ticks. After SqrtPriceMath, SwapMath and UniswapV3Pool.swap."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from exporters.pools.maths.ticks import (
    MAX_SQRT_RATIO,
    MAX_TICK,
    MIN_SQRT_RATIO,
    MIN_TICK,
    Q96,
    Ticks,
    sqrt_at,
    tick_at,
)

MILLION = 10**6
_WORD = 2**256


def _divided_up(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


def amount0(low: int, high: int, liquidity: int, *, up: bool) -> int:
    """Token0 between two square roots of the price (low <= high), rounded up or down. SqrtPriceMath.getAmount0Delta."""
    width = (liquidity << 96) * (high - low)
    return _divided_up(_divided_up(width, high), low) if up else width // high // low


def amount1(low: int, high: int, liquidity: int, *, up: bool) -> int:
    """Token1 between two square roots of the price (low <= high), rounded up or down. SqrtPriceMath.getAmount1Delta."""
    width = liquidity * (high - low)
    return _divided_up(width, Q96) if up else width // Q96


def _after(price: int, liquidity: int, amount: int, paid: int) -> int:
    """The square root of the price after so much of a token was paid. SqrtPriceMath.getNextSqrtPriceFromInput."""
    if paid:
        return price + (amount << 96) // liquidity
    if not amount:
        return price
    shifted, product = liquidity << 96, amount * price
    if product < _WORD and shifted + product < _WORD:
        return _divided_up(shifted * price, shifted + product)
    return _divided_up(shifted, shifted // price + amount)


@dataclass(frozen=True, slots=True)
class _Step:
    """A part of a swap between two ticks: where the price went, and what it took (the fee included) and gave."""

    price: int
    paid: int
    got: int


def _step(price: int, target: int, liquidity: int, left: int, fee: int) -> _Step:
    """SwapMath.computeSwapStep for an exact input."""
    down = target <= price
    after_fee = left * (MILLION - fee) // MILLION
    needed = amount0(target, price, liquidity, up=True) if down else amount1(price, target, liquidity, up=True)
    if after_fee >= needed:
        reached, paid = target, needed + _divided_up(needed * fee, MILLION - fee)
    else:
        # Rounded towards where it comes from, so it stays short of the target: what is left over is all fee.
        reached, paid = _after(price, liquidity, after_fee, 0 if down else 1), left
    got = amount1(reached, price, liquidity, up=False) if down else amount0(price, reached, liquidity, up=False)
    return _Step(reached, paid, got)


@dataclass(frozen=True, slots=True)
class Swapped:
    """What a swap took and gave, and where the square root of the price is afterwards."""

    paid: int
    got: int
    price: int
    crossed: int


@dataclass(frozen=True, slots=True)
class Concentrated:
    """A pool: the square root of its price as Q64.96 (token1 per token0), its tick, the liquidity in range, the fee in
    millionths, and its ticks.
    """

    sqrt_price: int
    tick: int
    liquidity: int
    fee: int
    ticks: Ticks

    def spot(self) -> float:
        """Price of token0 in token1, both in their smallest units; NaN before the pool has a price."""
        root = self.sqrt_price / Q96
        return root * root if root else math.nan

    def swapped(self, amount: int, paid: int) -> Swapped:
        """The swap of so much of token number `paid`, or of as much of it as the pool can take.

        Raises UnknownTicksError where it goes further than ticks were read.
        """
        price, tick, liquidity = self.sqrt_price, self.tick, self.liquidity
        down, limit = paid == 0, MIN_SQRT_RATIO + 1 if paid == 0 else MAX_SQRT_RATIO - 1
        left, got, crossed = amount, 0, 0
        while left and price != limit:
            next_tick, is_initialised = self.ticks.next(tick, down=down)
            next_tick = min(max(next_tick, MIN_TICK), MAX_TICK)
            border = sqrt_at(next_tick)
            step = _step(price, max(border, limit) if down else min(border, limit), liquidity, left, self.fee)
            left, got = left - step.paid, got + step.got
            if step.price == border:
                if is_initialised:
                    liquidity += -self.ticks.net[next_tick] if down else self.ticks.net[next_tick]
                    crossed += 1
                tick = next_tick - 1 if down else next_tick
            elif step.price != price:
                tick = tick_at(step.price)
            price = step.price
        return Swapped(amount - left, got, price, crossed)

    def swap(self, amount: int, paid: int) -> int | None:
        """What paying so much of token number `paid` gives of the other one; None where the pool can not take it all."""
        if not self.sqrt_price:
            return None
        found = self.swapped(amount, paid)
        return found.got if found.paid == amount else None

    def depth(self, paid: int, factor: float) -> tuple[float, float]:
        """What is paid of token number `paid`, without fees, and what is got until the price of it has gone to this factor.

        The price is the other token's amount per one paid, so `factor` is below 1. Raises UnknownTicksError.
        """
        root = math.sqrt(factor) if paid == 0 else 1 / math.sqrt(factor)
        limit = min(max(int(self.sqrt_price * root), MIN_SQRT_RATIO), MAX_SQRT_RATIO - 1)
        first = second = 0
        for low, high, liquidity in self._ranges(limit, down=paid == 0):
            first += amount0(low, high, liquidity, up=False)
            second += amount1(low, high, liquidity, up=False)
        return (first, second) if paid == 0 else (second, first)

    def _ranges(self, limit: int, *, down: bool) -> Iterator[tuple[int, int, int]]:
        """The stretches of one liquidity from the price to a limit: lower and upper square root of the price."""
        price, tick, liquidity = self.sqrt_price, self.tick, self.liquidity
        while (price > limit) if down else (price < limit):
            tick, is_initialised = self.ticks.next(tick, down=down)
            tick = min(max(tick, MIN_TICK), MAX_TICK)
            border = max(sqrt_at(tick), limit) if down else min(sqrt_at(tick), limit)
            yield (border, price, liquidity) if down else (price, border, liquidity)
            price = border
            if is_initialised:
                liquidity += -self.ticks.net[tick] if down else self.ticks.net[tick]
            tick -= down
