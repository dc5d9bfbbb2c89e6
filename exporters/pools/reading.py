"""What is read of a pool, a feed and a position, at one block. None is: it does not say, or nobody can tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

ORDERS = ("buy", "sell")
"""Of the base."""

SIDES = ("bid", "ask")
BANDS = (0.0010, 0.0025, 0.0050, 0.0100, 0.0200)
"""Shares of the price."""

TWAP_SECONDS = 1800


class Curve(Protocol):
    """What a pool of two tokens gives for what: in the tokens' smallest units, as on chain."""

    def spot(self) -> float:
        """Price of token0 in token1; NaN where there is none."""
        ...

    def swap(self, amount: int, paid: int) -> int | None:
        """What paying so much of token number `paid` gives of the other; None where the pool can not take it all."""
        ...

    def depth(self, paid: int, factor: float) -> tuple[float, float]:
        """What is paid of token number `paid`, and got of the other, until the price of what is paid is at this factor."""
        ...


@dataclass(frozen=True, slots=True)
class PoolState:
    """What a kind reads of a pool. `base` is the number (0 or 1) of the configured base among its tokens.

    `reserves` are by token number in smallest units, `fee` a share of what is paid, `average_tick` the mean over the last
    TWAP_SECONDS. `liquidity` and `tick` are the protocol's own, where it has them.
    """

    curve: Curve
    base: int
    reserves: tuple[int, int]
    fee: float
    liquidity: int | None = None
    tick: int | None = None
    average_tick: float | None = None


@dataclass(frozen=True, slots=True)
class Happened:
    """What a log of a pool tells: `swap`, `mint` or `burn`; of a swap what was paid and got together, of each token by number,
    in smallest units: one of a pair is what was traded, for flash swaps it is the larger one.
    """

    event: str
    moved: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class FeedState:
    """What a kind reads of an oracle. `at` is Unix seconds of its answer, `bound` whether it stands at a limit."""

    price: float
    at: int
    round: int
    bound: bool | None = None
    sequencer_up: bool | None = None


@dataclass(frozen=True, slots=True)
class PositionState:
    """What a kind reads of a position: token addresses, and what it holds and has earned of each, in smallest units.

    `edges` are how far the price is from the lower and the upper edge, as shares of the price; negative beyond them.
    """

    tokens: tuple[str, str]
    amounts: tuple[int, int]
    fees: tuple[int, int]
    in_range: bool
    edges: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Sight:
    """Which block it was, by which node."""

    number: int
    timestamp: int
    source: str


@dataclass(frozen=True, slots=True)
class PoolReading:
    """A pool at a block. Prices are quote per base, reserves by (base, quote) with decimals applied, ratios 0.01 for 1 %.

    `impact` is a buy and then a sale of each size, `depth` the bids and then the asks of each band.
    """

    fee: float
    price: float | None
    reserves: tuple[float, float]
    liquidity: float | None
    tick: int | None
    tvl_usd: float | None = None
    twap_deviation: float | None = None
    reference_deviation: float | None = None
    impact: Sequence[float | None] = field(default_factory=tuple)
    depth: Sequence[float | None] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class FeedReading:
    """A feed at a block; `heartbeat` in seconds."""

    state: FeedState
    heartbeat: float
    stale: bool
    deviation: float | None = None


@dataclass(frozen=True, slots=True)
class PositionReading:
    """A position at a block; in dollars, as far as its tokens have a price."""

    in_range: bool
    edges: tuple[float, float]
    value_usd: float | None
    fees_usd: float | None
    impermanent_loss: float | None


Reading = tuple[Sight, PoolReading | FeedReading | PositionReading]
"""Which block it was, and what was read at it: at most blocks most of that is what it was before."""
