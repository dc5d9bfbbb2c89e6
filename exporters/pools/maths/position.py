"""A position of Uniswap v3: what it holds, and the fees that it has not collected. After LiquidityAmounts and Tick."""

from __future__ import annotations

from dataclasses import dataclass

from exporters.pools.maths.concentrated import amount0, amount1
from exporters.pools.maths.ticks import sqrt_at

_WORD = 2**256
Pair = tuple[int, int]
"""Something of token0 and of token1."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Fees per liquidity as Q128, of token0 and token1: of the whole pool, and `outside` of the lower and the upper tick."""

    overall: Pair
    lower: Pair
    upper: Pair


@dataclass(frozen=True, slots=True)
class Position:
    """`last` is the fee growth inside its range when `owed` was last settled, both as its manager tells them."""

    lower: int
    upper: int
    liquidity: int
    last: Pair
    owed: Pair

    def in_range(self, tick: int) -> bool:
        """Whether it earns fees at a tick."""
        return self.lower <= tick < self.upper

    def amounts(self, sqrt_price: int, tick: int) -> Pair:
        """What burning it would give of token0 and token1, fees apart. UniswapV3Pool._modifyPosition."""
        low, high = sqrt_at(self.lower), sqrt_at(self.upper)
        price = low if tick < self.lower else high if tick >= self.upper else sqrt_price
        return (
            amount0(price, high, self.liquidity, up=False),
            amount1(low, price, self.liquidity, up=False),
        )

    def fees(self, growth: Growth, tick: int) -> Pair:
        """What it may collect of token0 and token1, in the contracts' own arithmetic, which wraps at 2^256."""
        first, second = (self._fee(growth, tick, token) for token in (0, 1))
        return first, second

    def _fee(self, growth: Growth, tick: int, token: int) -> int:
        overall, lower, upper = growth.overall[token], growth.lower[token], growth.upper[token]
        under = lower if tick >= self.lower else overall - lower
        over = upper if tick < self.upper else overall - upper
        since = (overall - under - over - self.last[token]) % _WORD
        return self.owed[token] + (since * self.liquidity >> 128)

    def edges(self, sqrt_price: int) -> tuple[float, float]:
        """How far the price (token1 per token0) is above the lower edge and below the upper one, as shares of the price.

        Negative where it has passed the edge.
        """
        low, high = ((sqrt_at(tick) / sqrt_price) ** 2 for tick in (self.lower, self.upper))
        return 1 - low, high - 1
