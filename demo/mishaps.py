"""What can go wrong in the demo's pools: how each begins and ends, as transactions, and what the feeds say meanwhile."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .market import FOREVER, MOST

if TYPE_CHECKING:
    from .pools import Desk

Transaction = dict[str, str]

APART = 1.1
"""So many times its price a manipulated pool trades at."""

OUTSIDE = 1.017
"""So many times its price: further than the narrow position goes, and nearer than an alert of the pool."""

WITHDRAWN = 0.8
"""Of what a drained pool holds."""

MANIPULATED, DRAINED, LEFT = ("WBTC", "USDC"), ("WBTC", "DAI"), ("WETH", "DAI")
"""Where it happens: each elsewhere."""


Told = Callable[["Desk"], Awaitable[Sequence[Transaction]]]


async def _nothing(_desk: "Desk") -> Sequence[Transaction]:
    return ()


@dataclass(frozen=True)
class Mishap:
    """`told` is by how much feeds are wrong, by symbol: so many times their answer, or None for no answer at all.

    `lasts` is after how many seconds it ends by itself; None until it is ended.
    """

    begins: Told = _nothing
    ends: Told = _nothing
    told: Mapping[str, float | None] = field(default_factory=dict)
    lasts: int | None = None


def _pushed(symbols: tuple[str, str], times: float) -> Told:
    async def trades(desk: "Desk") -> Sequence[Transaction]:
        return (desk.towards(symbols, times),)

    return trades


async def _withdrawn(desk: "Desk") -> Sequence[Transaction]:
    each, chain = desk.named(DRAINED), desk.market.chain
    share = int(await chain.call(each.pair, "balanceOf", chain.owner) * WITHDRAWN)
    one, other = (desk.tokens[symbol].address for symbol in each.symbols)
    return (
        each.pair.to("approve", desk.market.router.address, MOST),
        desk.market.router.to("removeLiquidity", one, other, share, 0, 0, chain.owner, FOREVER),
    )


async def _brought_back(desk: "Desk") -> Sequence[Transaction]:
    """As much again as makes it what it was: the other way round of `_withdrawn`."""
    each, chain = desk.named(DRAINED), desk.market.chain
    first, second, _ = await chain.call(each.pair, "getReserves")
    tokens = [desk.tokens[symbol] for symbol in each.symbols]
    tokens.sort(key=lambda token: int(token.address, 16))
    more = [int(reserve * WITHDRAWN / (1 - WITHDRAWN)) for reserve in (first, second)]
    addresses = (token.address for token in tokens)
    return (desk.market.router.to("addLiquidity", *addresses, *more, 0, 0, chain.owner, FOREVER),)


def _sequencer(*, down: bool) -> Told:
    async def tells(desk: "Desk") -> Sequence[Transaction]:
        return (desk.uptime.aggregator.to("updateAnswer", int(down)),)

    return tells


SILENT, DEPEGGED, BOUND, MANIPULATION, DRAIN, RANGE, SEQUENCER = (
    "oracle-silent",
    "depeg",
    "oracle-bound",
    "manipulation",
    "drain",
    "out-of-range",
    "sequencer-down",
)

LEAST = 0.5
"""Of its price WBTC's feed would never say less: that is its bound."""

MISHAPS: Mapping[str, Mishap] = {
    SILENT: Mishap(told={"WETH": None}),
    DEPEGGED: Mishap(told={"USDC": 0.985}),
    BOUND: Mishap(told={"WBTC": LEAST}),
    MANIPULATION: Mishap(_pushed(MANIPULATED, APART), _pushed(MANIPULATED, 1), lasts=5),
    DRAIN: Mishap(_withdrawn, _brought_back),
    RANGE: Mishap(_pushed(LEFT, OUTSIDE), _pushed(LEFT, 1)),
    SEQUENCER: Mishap(_sequencer(down=True), _sequencer(down=False)),
}
"""By name: what PUT /fault/NAME begins, and DELETE /fault ends."""
