"""What a pool is worth, and what trading with it costs, in dollars."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

from exporters.pools.config import Pool
from exporters.pools.maths.ticks import UnknownTicksError
from exporters.pools.prices import Prices, price_of
from exporters.pools.reading import (
    BANDS,
    ORDERS,
    SIDES,
    Curve,
    PoolReading,
    PoolState,
    PositionReading,
    PositionState,
)
from exporters.pools.terms import PoolTerms, PositionTerms

_TICK = 1.0001


@dataclass(frozen=True, slots=True)
class Worth:
    """A pool's tokens as (base, quote): what one whole token is in smallest units, and in dollars."""

    units: tuple[float, float]
    usd: tuple[float | None, float | None]


def worth(terms: PoolTerms, prices: Prices) -> Worth:
    """What the tokens of a pool are worth."""
    base, quote = terms.base, terms.quote
    return Worth((10.0**base.decimals, 10.0**quote.decimals), (prices.usd(base.name), prices.usd(quote.name)))


@dataclass(frozen=True, slots=True)
class Costs:
    """What trading with a pool costs, as PoolReading has it, the price at that, and of what it was worked out."""

    curve: Curve
    usd: tuple[float | None, float | None]
    price: float | None
    impact: tuple[float | None, ...]
    depth: tuple[float | None, ...]

    def holds(self, state: PoolState, tokens: Worth) -> bool:
        """Whether it would be worked out alike."""
        return self.curve is state.curve and self.usd == tokens.usd


def costs(terms: PoolTerms, state: PoolState, tokens: Worth, missing: set[int]) -> Costs:
    """What trading costs. What the curve is not known far enough for is absent, and added to `missing`."""
    price = price_of(state, (terms.base.decimals, terms.quote.decimals))
    impact = tuple(_impacts(terms.pool, state, tokens, price, missing))
    return Costs(state.curve, tokens.usd, price, impact, tuple(_depths(state, tokens, price, missing)))


def pool_reading(terms: PoolTerms, state: PoolState, tokens: Worth, costs: Costs, prices: Prices) -> PoolReading:
    """The pool with everything that is made of its state."""
    amounts = state.reserves[state.base], state.reserves[1 - state.base]
    reserves = amounts[0] / tokens.units[0], amounts[1] / tokens.units[1]
    return PoolReading(
        fee=state.fee,
        price=costs.price,
        reserves=reserves,
        liquidity=None if state.liquidity is None else float(state.liquidity),
        tick=state.tick,
        tvl_usd=_together(reserves, tokens.usd),
        twap_deviation=_twap_deviation(state),
        reference_deviation=prices.compared(terms.pool, costs.price),
        impact=costs.impact,
        depth=costs.depth,
    )


def position_reading(terms: PositionTerms, state: PositionState, prices: Prices) -> PositionReading:
    """The position, in dollars as far as its tokens have a price."""
    tokens = [terms.tokens[each] for each in state.tokens]
    usd = prices.usd(tokens[0].name), prices.usd(tokens[1].name)
    units = [10.0**token.decimals for token in tokens]

    def whole(amounts: tuple[int, int]) -> tuple[float, float]:
        return amounts[0] / units[0], amounts[1] / units[1]

    value, fees = _together(whole(state.amounts), usd), _together(whole(state.fees), usd)
    kept = _kept(terms, prices)
    return PositionReading(
        state.in_range, state.edges, value, fees, None if value is None or not kept else value / kept - 1
    )


def _kept(terms: PositionTerms, prices: Prices) -> float | None:
    """What was put into the position would be worth now; None where that is not configured, or has no price."""
    total = 0.0
    for name, amount in terms.position.deposited.items():
        usd = prices.usd(name)
        if usd is None:
            return None
        total += amount * usd
    return total


def _together(amounts: tuple[float, float], usd: tuple[float | None, float | None]) -> float | None:
    if usd[0] is None or usd[1] is None:
        return None
    return amounts[0] * usd[0] + amounts[1] * usd[1]


def _twap_deviation(state: PoolState) -> float | None:
    """(price - mean price) / mean price, in quote per base, by their ticks: both are whole at heart."""
    if state.average_tick is None or state.tick is None:
        return None
    above = state.tick - state.average_tick
    deviation: float = _TICK ** (above if state.base == 0 else -above) - 1
    return deviation


def _known(ask: Callable[[], float | None], missing: set[int]) -> float | None:
    try:
        return ask()
    except UnknownTicksError as error:
        missing.add(error.word)
        return None


def _impacts(
    pool: Pool, state: PoolState, tokens: Worth, price: float | None, missing: set[int]
) -> Iterator[float | None]:
    """For a buy and a sale of each size: how much worse than the price it would be on the average, fees included."""
    for side, size in product(ORDERS, pool.sizes_usd):
        paid = 1 if side == "buy" else 0
        usd = tokens.usd[paid]
        if usd is None or price is None:
            yield None
        else:
            yield _known(functools.partial(_impact, state, tokens, price, paid, size / usd), missing)


def _impact(state: PoolState, tokens: Worth, price: float, paid: int, amount: float) -> float | None:
    """`paid` is 0 for the base and 1 for the quote, `amount` of it in whole tokens; None where the pool is too thin."""
    smallest = int(amount * tokens.units[paid])
    got = state.curve.swap(smallest, paid if state.base == 0 else 1 - paid) if smallest else None
    if not got:
        return None
    rate = (got / tokens.units[1 - paid]) / (smallest / tokens.units[paid])
    return 1 - rate / price if paid == 0 else 1 / (rate * price) - 1


def _depths(state: PoolState, tokens: Worth, price: float | None, missing: set[int]) -> Iterator[float | None]:
    """For the bids and then the asks of each band: dollars that trade until the price has moved by it."""
    usd = tokens.usd[1]
    if usd is None or price is None:
        yield from (None,) * len(SIDES) * len(BANDS)
        return
    for side, band in product(SIDES, BANDS):
        yield _known(functools.partial(_depth, state, tokens.units[1] / usd, side, band), missing)


def _depth(state: PoolState, dollar: float, side: str, band: float) -> float:
    """`dollar` is one in smallest units of the quote."""
    if side == "bid":  # the base is paid until its price has fallen, and the quote is got
        return state.curve.depth(state.base, 1 - band)[1] / dollar
    return state.curve.depth(1 - state.base, 1 / (1 + band))[0] / dollar
