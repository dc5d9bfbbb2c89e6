"""What an account's keys may do: the configured one should only read, from our addresses alone.

Each look is one request; nothing is tried out. What each exchange tells is in docs/key-safety.md.
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
    from adapters.venue.permissions import Permissions
    from exporters.exchange.source import Source

PER = "accounts"
NEEDS = ("fetch_balance",)
INTERVAL = 300.0
OWED = True

KEY = (*ACCOUNT, "tag")
_WHICH = "`tag` is empty for the configured key, and the alias of any other that the venue lists of the account."

WITHDRAWS = Family(
    "exchange_api_key_can_withdraw",
    Kind.GAUGE,
    f"1 if the key may send money to somebody else, else 0. {_WHICH}",
    KEY,
)
TRADES = Family(
    "exchange_api_key_can_trade",
    Kind.GAUGE,
    f"1 if the key may place or cancel orders, else 0. {_WHICH}",
    KEY,
)
RESTRICTED = Family(
    "exchange_api_key_ip_restricted",
    Kind.GAUGE,
    f"1 if the key is accepted from listed addresses alone, 0 if from everywhere; absent where the venue does not say. {_WHICH}",
    KEY,
    quiet=True,
)
EXPIRES = Family(
    "exchange_api_key_expiry_timestamp_seconds",
    Kind.GAUGE,
    "Unix time at which the key ends, or its right to trade; absent where the venue tells of no end. " + _WHICH,
    KEY,
    unit="seconds",
    quiet=True,
)

FAMILIES = (WITHDRAWS, TRADES, RESTRICTED, EXPIRES)

Keys = tuple["Permissions", ...]


class Options(CheckOptions):
    """Nothing of its own."""

    longest_wait: ClassVar[float] = 240.0


async def read(
    source: Source, targets: tuple[Target, ...], _options: Options
) -> Mapping[Target, Keys | SourceError | None]:
    """Asks with the account's key. None where it is not known how the exchange tells it, which then is a failure (`OWED`)."""
    from adapters.venue.permissions import told  # noqa: PLC0415 - ccxt is loaded when a venue is asked, not when a board is made

    (target,) = targets
    return {target: await told(source.keyed(target))}


def columns(readings: Readings[Keys | None]) -> Iterable[Column]:
    """A row per account and key."""
    found = [(target, key) for target, keys in offered(readings) for key in keys]
    rows = _rows(tuple((target, key.alias) for target, key in found))
    yield Column(WITHDRAWS, rows, [key.withdraws for _, key in found])
    yield Column(TRADES, rows, [key.trades for _, key in found])
    yield Column(RESTRICTED, rows, [key.ip_restricted for _, key in found])
    yield Column(EXPIRES, rows, [key.expires_at for _, key in found])


@lru_cache(maxsize=64)
def _rows(keys: tuple[tuple[Target, str], ...]) -> Rows:
    return tuple({**target.labels, "tag": alias} for target, alias in keys)
