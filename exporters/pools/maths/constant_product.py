"""Uniswap v2 and its forks: x * y = k. After UniswapV2Library.getAmountOut."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class ConstantProduct:
    """A pair: its two reserves in the tokens' smallest units, and the fee as a share of what is paid."""

    reserves: tuple[int, int]
    fee: Fraction

    def spot(self) -> float:
        """Price of token0 in token1, both in their smallest units; NaN for an empty pair."""
        first, second = self.reserves
        return second / first if first and second else math.nan

    def swap(self, amount: int, paid: int) -> int | None:
        """What paying so much of token number `paid` gives of the other one; None where the pair is empty."""
        inside, outside = self.reserves[paid], self.reserves[1 - paid]
        if not inside or not outside:
            return None
        left = amount * (self.fee.denominator - self.fee.numerator)
        return left * outside // (inside * self.fee.denominator + left)

    def depth(self, paid: int, factor: float) -> tuple[float, float]:
        """What is paid of token number `paid`, without fees, and what is got until the price of it has gone to this factor.

        The price is the other token's amount per one paid, so `factor` is below 1.
        """
        root = math.sqrt(factor)
        return self.reserves[paid] * (1 / root - 1), self.reserves[1 - paid] * (1 - root)
