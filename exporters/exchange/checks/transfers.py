"""Money on its way into an account and out of it, and withdrawals to where nobody meant to send any.

At each look Binance takes a weight of 18,000 of the 180,000 a second that it has for this alone, and 1 of the 12,000 of the wallet;
Bybit and OKX get two requests, Kraken two, Deribit three for each currency, Coinbase one for each wallet that was ever used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from exporters.exchange.checks import CheckOptions
from exporters.exchange.columns import ACCOUNT, known, offered
from occ.errors import SourceError
from occ.job import Readings, Target
from occ.metrics import Family, Kind
from occ.page import Column, Rows

if TYPE_CHECKING:
    from adapters.venue.listing import Transfer
    from exporters.exchange.source import Source

PER = "accounts"
NEEDS = ("fetch_balance",)
INTERVAL = 300.0

KINDS = ("deposit", "withdrawal")

OTHER = "other"
"""In place of a currency that the configuration does not speak of."""

_CURRENCIES = f"Currency `{OTHER}` is any that the configuration does not speak of."

PENDING = Family(
    "exchange_transfers_pending",
    Kind.GAUGE,
    f"Deposits and withdrawals of the account that have begun and are not finished; 0 where there is none. {_CURRENCIES}",
    (*ACCOUNT, "currency", "kind"),
    values={"kind": KINDS},
)
OLDEST = Family(
    "exchange_transfer_oldest_pending_timestamp_seconds",
    Kind.GAUGE,
    "Unix time at which the oldest of them began, by the venue's word; absent while there is none.",
    ACCOUNT,
    unit="seconds",
    quiet=True,
)
UNLISTED = Family(
    "exchange_withdrawals_unlisted_total",
    Kind.COUNTER,
    "Withdrawals to an address that is not in the account's `withdraw_to`, those to other users of the venue included, whatever "
    "became of them: each once, since the account is watched, and those that were pending then. " + _CURRENCIES,
    (*ACCOUNT, "currency"),
)

FAMILIES = (PENDING, OLDEST, UNLISTED)


class Options(CheckOptions):
    """Nothing of its own."""

    longest_wait: ClassVar[float] = 240.0


@dataclass(frozen=True, slots=True)
class TransfersReading:
    """Transfers of an account that are on their way: how many by currency and kind, and when the first of them began."""

    pending: Mapping[tuple[str, str], int]
    oldest_at: float | None = None


@dataclass(slots=True)
class Seen:
    """The withdrawals that looks have told, by their ids, None before the first one; and what was on its way at the last."""

    known: set[str] | None = None
    pending: tuple[Transfer, ...] = ()

    def saw(self, told: Collection[Transfer]) -> list[Transfer]:
        """Takes note of a look. Returns the withdrawals that no other has told before it; of the first look those that are on their
        way, since of the others nobody knows which are new.
        """
        leaving = [each for each in told if each.kind == "withdrawal"]
        self.pending = tuple(each for each in told if each.pending)
        new = [each for each in leaving if (each.pending if self.known is None else each.id not in self.known)]
        self.known = (self.known or set()) | {each.id for each in leaving}
        return new


async def read(
    source: Source, targets: tuple[Target, ...], _options: Options
) -> Mapping[Target, TransfersReading | SourceError | None]:
    """Asks with the account's key, and counts what is new at once: each look goes weeks back, and what is known stays known over
    failures and reloads, so nothing is missed or counted twice. None where it is not known how the exchange lists them.
    """
    from adapters.venue.listing import canonical  # noqa: PLC0415 - ccxt is loaded when a venue is asked, not when a board is made
    from adapters.venue.transfers import listed  # noqa: PLC0415 - and here

    (target,) = targets
    seen: Seen = source.kept(target, Seen)
    if (told := await listed(source.keyed(target), seen.pending)) is None:
        return {target: None}
    (account,) = (each for each in source.venue.accounts if each.name == target.labels["account"])
    allowed = frozenset(map(canonical, account.withdraw_to))
    for currency, count in unlisted(seen.saw(told), allowed, source.currencies).items():
        source.count(UNLISTED, target, count, currency=currency)
    return {target: reading(told, source.currencies)}


def unlisted(withdrawals: Iterable[Transfer], allowed: Collection[str], currencies: Iterable[str]) -> Mapping[str, int]:
    """How many go to where none should, by currency, 0 included. `allowed` are canonical; what goes nowhere that is told is not
    among them.
    """
    named = _shown(currencies)
    found = Counter(_name(each, named) for each in withdrawals if each.destination not in allowed)
    return {currency: found[currency] for currency in named}


def reading(told: Iterable[Transfer], currencies: Iterable[str]) -> TransfersReading:
    """What is on its way, counted."""
    named, pending = _shown(currencies), [each for each in told if each.pending]
    counted = Counter[tuple[str, str]]((_name(each, named), each.kind) for each in pending)
    return TransfersReading(
        pending={(currency, kind): counted[currency, kind] for currency in named for kind in KINDS},
        oldest_at=min((each.at for each in pending if each.at is not None), default=None),
    )


def _shown(currencies: Iterable[str]) -> tuple[str, ...]:
    return (*dict.fromkeys(currencies), OTHER)


def _name(transfer: Transfer, currencies: Collection[str]) -> str:
    return transfer.currency if transfer.currency in currencies else OTHER


def columns(readings: Readings[TransfersReading | None]) -> Iterable[Column]:
    """A row per account, currency and kind."""
    told = offered(readings)
    rows = _rows(tuple((target, key) for target, each in told for key in each.pending))
    yield Column(PENDING, rows, [count for _, each in told for count in each.pending.values()])
    yield readings.column(OLDEST, known(lambda each: each.oldest_at))


@lru_cache(maxsize=64)
def _rows(keys: tuple[tuple[Target, tuple[str, str]], ...]) -> Rows:
    return tuple({**target.labels, "currency": currency, "kind": kind} for target, (currency, kind) in keys)
