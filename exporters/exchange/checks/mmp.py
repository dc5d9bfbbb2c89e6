"""Whether the venue's market-maker protection has stopped the quotes of an account, by underlying of its options.

One request at a look, at Bybit one for each underlying.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from exporters.exchange.checks import CheckOptions
from exporters.exchange.columns import ACCOUNT, offered
from occ.errors import SourceError
from occ.job import Readings, Target
from occ.metrics import Family, Kind
from occ.page import Column, Rows

if TYPE_CHECKING:
    from adapters.venue.protection import Frozen
    from exporters.exchange.source import Source

PER = "accounts"
NEEDS = ()
INTERVAL = 30.0

FROZEN = Family(
    "exchange_mmp_frozen",
    Kind.GAUGE,
    "1 while the venue's market-maker protection keeps quotes of the account in options of the underlying out, else 0; absent where "
    "none is set up, or none is known at this venue.",
    (*ACCOUNT, "underlying"),
    quiet=True,
)

FAMILIES = (FROZEN,)


class Options(CheckOptions):
    """Nothing of its own."""

    longest_wait: ClassVar[float] = 24.0


async def read(
    source: Source, targets: tuple[Target, ...], _options: Options
) -> Mapping[Target, Frozen | SourceError | None]:
    """Asks with the account's key. None where no underlying is configured, or it is not known how the exchange tells it."""
    from adapters.venue.protection import MANNERS  # noqa: PLC0415 - ccxt is loaded when a venue is asked, not when a board is made

    (target,) = targets
    desk, ask = source.venue.options, MANNERS.get(source.venue.exchange)
    if desk is None or ask is None:
        return {target: None}
    return {target: await ask(source.keyed(target), desk.underlyings)}


def columns(readings: Readings[Frozen | None]) -> Iterable[Column]:
    """A row per account and underlying."""
    told = offered(readings)
    rows = _rows(tuple((target, underlying) for target, frozen in told for underlying in frozen))
    yield Column(FROZEN, rows, [state for _, frozen in told for state in frozen.values()])


@lru_cache(maxsize=64)
def _rows(keys: tuple[tuple[Target, str], ...]) -> Rows:
    return tuple({**target.labels, "underlying": underlying} for target, underlying in keys)
