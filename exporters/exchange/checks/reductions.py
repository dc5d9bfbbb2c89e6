"""What the exchange has closed of an account's positions by force.

At each look Binance takes a weight of 50 for each kind of contracts, Bybit four requests, OKX two, Deribit two for each currency
that contracts are settled in, Kraken one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from exporters.exchange.checks import CheckOptions
from exporters.exchange.columns import ACCOUNT
from occ.errors import SourceError
from occ.job import Readings, Target
from occ.metrics import Family, Kind
from occ.page import Column

if TYPE_CHECKING:
    from adapters.venue.reductions import Forced
    from exporters.exchange.source import Source

PER = "accounts"
NEEDS = (
    "dapiPrivateGetForceOrders",
    "fapiPrivateGetForceOrders",
    "privateGetAccountBills",
    "privateGetGetTransactionLog",
    "privateGetV5ExecutionList",
    "privatePostTradesHistory",
)
INTERVAL = 120.0

KINDS = ("liquidation", "adl")

FORCED = Family(
    "exchange_forced_reductions_total",
    Kind.COUNTER,
    "Orders by which the venue itself has lowered or closed positions of the account since it is watched: for want of margin "
    "(liquidation), or to deleverage others (adl).",
    (*ACCOUNT, "kind"),
    values={"kind": KINDS},
)

FAMILIES = (FORCED,)


class Options(CheckOptions):
    """Nothing of its own."""

    longest_wait: ClassVar[float] = 60.0


@dataclass(frozen=True, slots=True)
class ReductionsReading:
    """That it was looked: what there is to tell is counted."""


@dataclass(slots=True)
class Seen:
    """The reductions that looks have told, by their ids, None before the first one. `looked_at` is the last, Unix seconds."""

    looked_at: float | None = None
    known: Mapping[str, float] | None = None

    def saw(self, told: Iterable[Forced], now: float, within: float) -> list[Forced]:
        """Takes note of a look. Returns what no other has told before it, each order once; nothing of the first look, since nobody knows
        which of them are new. What is older than `within` seconds is not asked for any more, and forgotten: before now and before the
        last of them, since one clock may be ahead for a while.
        """
        orders = {each.id: each for each in told}
        new = [] if self.known is None else [each for name, each in orders.items() if name not in self.known]
        known = {**(self.known or {}), **{name: each.at for name, each in orders.items()}}
        oldest = min(now, max(known.values(), default=now)) - within
        self.known = {name: at for name, at in known.items() if at >= oldest}
        self.looked_at = now
        return new


async def read(
    source: Source, targets: tuple[Target, ...], _options: Options
) -> Mapping[Target, ReductionsReading | SourceError | None]:
    """Asks with the account's key, and counts what is new at once: each look goes back behind the last one that succeeded, and what is
    known stays known over failures and reloads, so nothing is missed or counted twice. None where it is not known how the exchange
    tells them, or where there can be none.
    """
    from adapters.venue.reductions import LONGEST, reductions  # noqa: PLC0415 - ccxt is loaded when a venue is asked, not when a board is made

    (target,) = targets
    seen: Seen = source.kept(target, Seen)
    now = source.now()
    if (told := await reductions(source.keyed(target), now, seen.looked_at)) is None:
        return {target: None}
    new = Counter[str](each.kind for each in seen.saw(told, now, LONGEST))
    for kind in KINDS:
        source.count(FORCED, target, new[kind], kind=kind)
    return {target: ReductionsReading()}


def columns(_readings: Readings[ReductionsReading | None]) -> Iterable[Column]:
    """Nothing but what is counted."""
    return ()
