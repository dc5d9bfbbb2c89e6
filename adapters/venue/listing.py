"""Money that comes into an account from elsewhere, or leaves it: what an exchange lists of it, newest first.

What goes to another user of the exchange leaves the account as well; what only changes the owner's wallet or sub-account does not.
Every look reads all that is told of the last weeks anew, so that nothing depends on what was read before. Which weeks these are the
exchange's own times say, and never our clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .account import Keyed
from .shape import Record, maybe, number, word

Kind = Literal["deposit", "withdrawal"]

DAY = 86_400.0
HORIZON = 30 * DAY
"""Lists without an end are read so far back from the newest transfer in them."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One deposit or withdrawal. `at` is when it was begun, Unix seconds by the exchange's clock; None where it does not say.

    `currency` is what ccxt calls it. `destination` is where a withdrawal goes (see `destination`), empty where that is not told.
    What the exchange does not call finished, in one way or the other, is `pending`.
    """

    id: str
    kind: Kind
    currency: str
    at: float | None
    pending: bool
    destination: str = ""


# --- where it goes ---------------------------------------------------------------------------------------------------

_HEX = re.compile(r"0[xX][0-9a-fA-F]+(?=:|$)")


def canonical(written: str) -> str:
    """An address, or ADDRESS:TAG, so that two are equal if they mean the same: hexadecimal ones may be in any case, all others, and
    tags, are exact.
    """
    return _HEX.sub(lambda found: found[0].lower(), written, count=1) if _HEX.match(written) else written


def destination(address: Any, *tags: Any) -> str:
    """ADDRESS, or ADDRESS:TAG with the first of the tags that is there; empty without an address."""
    tag = next((str(each) for each in tags if each not in (None, "")), "")
    if not isinstance(address, str) or not address:
        return ""
    return canonical(f"{address}:{tag}" if tag else address)


# --- lists -----------------------------------------------------------------------------------------------------------


def _end(_page: Any, _read: int) -> Mapping[str, Any]:
    """There is no further page."""
    return {}


@dataclass(frozen=True)
class Listing:
    """One list of an exchange's: the endpoint, and the unified method of ccxt that it stands for.

    `rows` are in a page, `read` makes a transfer of one, whose currency has the exchange's own name; None where it is none. `after`
    tells of a page, and of how many rows were read by then, how the next one is asked for. A list that goes back for years tells
    `at`, when a row was begun, and is read for `horizon` seconds back from its newest row.
    """

    behalf: str
    method: str
    rows: Callable[[Any], Sequence[Record]]
    read: Callable[[Record], Transfer | None]
    params: Mapping[str, Any] = field(default_factory=dict)
    after: Callable[[Any, int], Mapping[str, Any]] = _end
    at: Callable[[Record], float] | None = None
    horizon: float = HORIZON


async def transfers(keyed: Keyed, listing: Listing) -> list[Transfer]:
    """The transfers in a list. Raises SourceError."""
    seen = list[Record]()

    def after(page: Any) -> Mapping[str, Any]:
        rows = listing.rows(page)
        seen.extend(rows)
        return listing.after(page, len(seen)) if rows and len(_near(listing, seen)) == len(seen) else {}

    await keyed.pages(listing.behalf, listing.method, listing.params, after)
    read = map(listing.read, _near(listing, seen))
    return [transfer for transfer in read if transfer is not None]


def _near(listing: Listing, rows: Sequence[Record]) -> Sequence[Record]:
    """Those within the horizon."""
    if listing.at is None or not rows:
        return rows
    times = list(map(listing.at, rows))
    since = max(times) - listing.horizon
    return [row for row, at in zip(rows, times, strict=True) if at >= since]


def seconds(key: str, row: Record) -> float:
    """Of what is told in milliseconds. Raises bad_response where there is nothing."""
    return float(number(row, key)) / 1000


def maybe_seconds(key: str, row: Record) -> float | None:
    """The same; None where nothing is told, or zero."""
    found = maybe(row, key)
    return float(found) / 1000 if found else None


def state(row: Record, key: str) -> str:
    """As text, also where it is told as a number. Raises bad_response where there is none."""
    return word(row, key) if isinstance(row.get(key), str) else str(number(row, key))
