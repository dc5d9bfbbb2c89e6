"""What the venue says that its symbols are: base and quote, tick and lot, whether they trade, and until when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from exporters.exchange.books import number
from exporters.exchange.checks import CheckOptions
from exporters.exchange.columns import SYMBOL, offered
from exporters.exchange.reading import KINDS, MarketReading
from occ.errors import SourceError
from occ.job import Readings, Target
from occ.metrics import Family, Kind
from occ.page import Column, Event, Labels, Rows

if TYPE_CHECKING:
    from exporters.exchange.source import Source

PER = "symbols"
NEEDS = ()
INTERVAL = 300.0
TOGETHER = True

NEVER = 4_000_000_000.0
"""Unix time from which on an end is none: venues write dates after 2096 for what has no end."""

_ENDS = ("deliveryDate", "deliveryTime", "expTime", "delistTime", "delistingTime")
"""Where venues say when a spot market or a perpetual swap ends, in milliseconds."""

INFO = Family(
    "exchange_market_info",
    Kind.INFO,
    "What the symbol is: base and quote by the names of `assets`, kind (spot, margin, swap, future, option, other), what it "
    "settles in, the day on which it expires and its strike; always 1.",
    (*SYMBOL, "base", "quote", "kind", "settle", "expiry", "strike"),
    values={"kind": KINDS},
)
ACTIVE = Family(
    "exchange_market_active",
    Kind.GAUGE,
    "1 if the venue says that the symbol can be traded, else 0; absent where it does not say.",
    SYMBOL,
)
SPEC_CHANGES = Family(
    "exchange_market_spec_changes_total",
    Kind.COUNTER,
    "Times that tick, lot or a minimum of an order was seen to differ from the look before.",
    SYMBOL,
)
DELIST = Family(
    "exchange_market_delist_timestamp_seconds",
    Kind.GAUGE,
    "Unix time at which the venue says that it ends trading in the symbol; absent where no end is announced.",
    SYMBOL,
    unit="seconds",
    quiet=True,
)

FAMILIES = (INFO, ACTIVE, SPEC_CHANGES, DELIST)


class Options(CheckOptions):
    """Nothing of its own."""


async def read(
    source: Source, targets: tuple[Target, ...], _options: Options
) -> Mapping[Target, MarketReading | SourceError]:
    """Loads the markets anew, for all symbols at once. A symbol that is not among them is down, with the closest that are."""
    await source.markets(anew=True)
    outcomes: dict[Target, MarketReading | SourceError] = {}
    for target in targets:
        try:
            outcomes[target] = reading(await source.market(target.labels["symbol"]), target.labels, source.config.bases)
        except SourceError as error:
            outcomes[target] = error
    return outcomes


def reading(market: Mapping[str, Any], labels: Labels, bases: Mapping[str, str]) -> MarketReading:
    """What ccxt's market says. `bases` are the names of assets that have aliases."""
    base, quote, settle = (str(market.get(key) or "") for key in ("base", "quote", "settle"))
    kind, ends = market.get("type"), number(market.get("expiry"))
    active, strike = market.get("active"), number(market.get("strike"))
    return MarketReading(
        labels=labels,
        base=bases.get(base, base),
        quote=bases.get(quote, quote),
        kind=kind if kind in KINDS else "other",
        settle=bases.get(settle, settle),
        expiry="" if ends is None else str(market.get("expiryDatetime") or "")[:10],
        strike="" if strike is None else f"{strike:.12g}",
        active=active if isinstance(active, bool) else None,
        spec=_spec(market),
        delist_at=ends / 1000 if ends is not None else _end(market.get("info")),
    )


def _spec(market: Mapping[str, Any]) -> tuple[float | None, ...]:
    limits, precision = market.get("limits") or {}, market.get("precision") or {}
    minima = (number((limits.get(what) or {}).get("min"), 0.0) for what in ("amount", "cost", "price"))
    return (number(precision.get("price"), 0.0), number(precision.get("amount"), 0.0), *minima)


def _end(info: Any) -> float | None:
    """When the venue's own record says that it ends."""
    for key in _ENDS if isinstance(info, dict) else ():
        text = str(info.get(key) or "")
        at = float(text) / 1000 if text.isascii() and text.isdigit() and len(text) < 16 else 0.0  # noqa: PLR2004 - exact
        if 0 < at < NEVER:
            return at
    return None


def events(before: MarketReading | None, reading: MarketReading) -> Iterable[Event]:
    """A specification that differs."""
    if before is not None and before.spec != reading.spec:
        yield Event(SPEC_CHANGES, reading.labels)


def columns(readings: Readings[MarketReading]) -> Iterable[Column]:
    """Facts of each symbol."""
    rows = _rows(tuple((target, *_described(market)) for target, market in offered(readings)))
    yield Column(INFO, rows, [1.0] * len(rows))
    yield readings.column(ACTIVE, lambda market: market.active)
    yield readings.column(DELIST, lambda market: market.delist_at)


def _described(market: MarketReading) -> tuple[str, ...]:
    return market.base, market.quote, market.kind, market.settle, market.expiry, market.strike


@lru_cache(maxsize=64)
def _rows(described: tuple[tuple[Any, ...], ...]) -> Rows:
    names = ("base", "quote", "kind", "settle", "expiry", "strike")
    return tuple({**target.labels, **dict(zip(names, words, strict=True))} for target, *words in described)
