"""What an account holds, and what that is worth.

At each look Binance takes a weight of 20 of the 6,000 of spot, and 5 of the 2,400 of each kind of contracts; the others one request,
Bybit two more where inverse contracts are traded (UTA 1.0; else one), Coinbase one for every 250 currencies and one for futures.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from exporters.exchange.checks import CheckOptions
from exporters.exchange.columns import ACCOUNT, offered
from exporters.exchange.reading import HELD_KINDS, BalancesReading
from exporters.exchange.symbols import base_of, quote_of
from occ.errors import SourceError
from occ.job import Readings, Target
from occ.metrics import Family, Kind
from occ.page import Column, Rows

if TYPE_CHECKING:
    from adapters.venue.balances import Balance
    from exporters.exchange.source import Source

log = logging.getLogger(__name__)

PER = "accounts"
NEEDS = ("fetch_balance",)
INTERVAL = 30.0
DOLLARS = True

BALANCE = Family(
    "exchange_balance",
    Kind.GAUGE,
    "What the account holds of an asset, in its units, over all wallets in which it trades. `total` is what belongs to it: with the "
    "open profit of contracts that are settled in the asset, less what is owed, so negative for a debt. `free` may be used now, "
    "`used` is held by orders and as margin, both in the venue's words; absent where it does not say. 0 for the assets of "
    "configured symbols of which there is nothing; of others, what is held is there.",
    (*ACCOUNT, "currency", "kind"),
    values={"kind": HELD_KINDS},
)
EQUITY = Family(
    "exchange_equity_usd",
    Kind.GAUGE,
    "Value in dollars of all `total` balances by the configured prices: open profit of contracts included, debts taken off. Absent "
    "while one of the assets that are held has no fresh price, unless the option `unvalued` of the check leaves it out.",
    ACCOUNT,
    unit="usd",
    quiet=True,
)

FAMILIES = (BALANCE, EQUITY)


class Options(CheckOptions):
    """`unvalued`: assets that count as nothing in the equity, as dust or what nobody sells."""

    longest_wait: ClassVar[float] = 24.0

    unvalued: tuple[Annotated[str, Field(min_length=1, max_length=32)], ...] = ()


async def read(
    source: Source, targets: tuple[Target, ...], options: Options
) -> Mapping[Target, BalancesReading | SourceError | None]:
    """Asks with the account's key. None where it is not known how the exchange tells it."""
    from adapters.venue.balances import held  # noqa: PLC0415 - ccxt is loaded when a venue is asked, not when a board is made

    (target,) = targets
    if (found := await held(source.keyed(target))) is None:
        return {target: None}
    if lacking := _without_price(found, source.has_price, options.unvalued):
        _tell(target.id, tuple(sorted(lacking)))
    named = source.venue.symbols.named
    expected = {asset for symbol in named for asset in (base_of(symbol), quote_of(symbol))}
    return {target: BalancesReading(amounts(found, expected), equity(found, source.usd_of, options.unvalued))}


def amounts(found: Mapping[str, Balance], expected: Iterable[str]) -> Mapping[tuple[str, str], float | None]:
    """By asset and kind: of what there is something, and 0 of what is expected and not there."""
    kinds = {asset: (balance.free, balance.used, balance.total) for asset, balance in found.items()}
    nothing = (Decimal(0),) * len(HELD_KINDS)
    shown = {asset: told for asset, told in kinds.items() if any(told)} | {
        asset: kinds.get(asset, nothing) for asset in expected
    }
    return {
        (asset, kind): None if amount is None else float(amount)
        for asset, told in sorted(shown.items())
        for kind, amount in zip(HELD_KINDS, told, strict=True)
    }


def equity(
    found: Mapping[str, Balance], usd: Callable[[str], float | None], unvalued: Collection[str] = ()
) -> float | None:
    """What all of it is worth in dollars; None where one thing that is held has no price and is not to be left out."""
    value = 0.0
    for asset, balance in found.items():
        if balance.total and asset not in unvalued:
            if (price := usd(asset)) is None:
                return None
            value += float(balance.total) * price
    return value


def _without_price(
    found: Mapping[str, Balance], has_price: Callable[[str], bool], unvalued: Collection[str]
) -> Sequence[str]:
    return [asset for asset, each in found.items() if each.total and asset not in unvalued and not has_price(asset)]


_NAMED = 10


@lru_cache(maxsize=64)
def _tell(account: str, assets: tuple[str, ...]) -> None:
    """Said once, until there are others."""
    more = f" and {len(assets) - _NAMED} more" if len(assets) > _NAMED else ""
    log.warning(
        "%s: the equity is not known: no price is configured for %s, which `unvalued` does not name either",
        account,
        ", ".join(assets[:_NAMED]) + more,
    )


def columns(readings: Readings[BalancesReading | None]) -> Iterable[Column]:
    """A row per account, asset and kind, and the equity."""
    told = offered(readings)
    rows = _rows(tuple((target, key) for target, each in told for key in each.amounts))
    yield Column(BALANCE, rows, [amount for _, each in told for amount in each.amounts.values()])
    yield readings.column(EQUITY, lambda each: None if each is None else each.equity_usd)


@lru_cache(maxsize=16)
def _rows(keys: tuple[tuple[Target, tuple[str, str]], ...]) -> Rows:
    return tuple({**target.labels, "currency": asset, "kind": kind} for target, (asset, kind) in keys)
