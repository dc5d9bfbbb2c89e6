"""What an account holds in contracts and on margin, how near that is to liquidation, and what of it nobody configured.

At each look Binance takes a weight of 5 of the 2,400 of USD-M contracts, and 1 of those of COIN-M, 6 while a position is open there;
Bybit one request for each asset of settlement, one for inverse contracts and two for options, Deribit, Kraken and OKX one, Coinbase
one, and another for an account with futures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from exporters.exchange.checks import CheckOptions
from exporters.exchange.columns import ACCOUNT, offered
from exporters.exchange.reading import HOLDINGS, PositionsReading, SymbolPosition
from occ.errors import SourceError
from occ.job import Readings, Target
from occ.metrics import Family, Kind
from occ.page import Column, Rows

if TYPE_CHECKING:
    from adapters.venue.account import Keyed
    from adapters.venue.positions import Position
    from exporters.exchange.source import Source

PER = "accounts"
NEEDS = ("fetch_positions",)
INTERVAL = 30.0
DOLLARS = True

_SYMBOL = (*ACCOUNT, "symbol")

BASE = Family(
    "exchange_position_base",
    Kind.GAUGE,
    "What is held in a configured symbol, in units of the base asset, positive on both sides: contracts x contract size, of inverse "
    "contracts / mark price. 0 where nothing is, in the contracts that the account may trade.",
    (*_SYMBOL, "side"),
    values={"side": HOLDINGS},
)
NOTIONAL = Family(
    "exchange_position_notional_usd",
    Kind.GAUGE,
    "Value in dollars at the mark price of what is held in a configured symbol: long and short added up, both positive. 0 where "
    "nothing is held, absent while the quote asset has no price.",
    _SYMBOL,
    unit="usd",
    quiet=True,
)
PROFIT = Family(
    "exchange_position_unrealized_pnl_usd",
    Kind.GAUGE,
    "Open profit in dollars by the venue's word, negative for a loss, of long and short together; absent while the asset of "
    "settlement has no price.",
    _SYMBOL,
    unit="usd",
    quiet=True,
)
LIQUIDATION = Family(
    "exchange_position_liquidation_price",
    Kind.GAUGE,
    "Price in quote per base at which the position is liquidated, where the venue tells one: that of the side that is nearer to its.",
    _SYMBOL,
    quiet=True,
)
DISTANCE = Family(
    "exchange_position_liquidation_distance_ratio",
    Kind.GAUGE,
    "(mark - liquidation) / mark of a long position, (liquidation - mark) / mark of a short one, of the side that is nearer: 0 at "
    "liquidation and beyond, never negative. At Deribit, where the whole account is liquidated at that price, on whichever side of "
    "the mark it is. Absent where the venue tells no liquidation price, which does not mean that there is none.",
    _SYMBOL,
    unit="ratio",
    quiet=True,
)
ADL = Family(
    "exchange_position_adl_rank",
    Kind.GAUGE,
    "Place in the queue of those who are deleveraged, 1 to 5: 5 is next. Of the side that is further in front; absent where the "
    "venue does not tell.",
    _SYMBOL,
    quiet=True,
)
UNLISTED = Family(
    "exchange_position_unlisted_notional_usd",
    Kind.GAUGE,
    "Value in dollars of what the account holds in contracts and on margin in symbols that the configuration does not name, long and "
    "short added up. Absent while one of them can not be valued, and where the account can have no positions.",
    ACCOUNT,
    unit="usd",
    quiet=True,
)

FAMILIES = (BASE, NOTIONAL, PROFIT, LIQUIDATION, DISTANCE, ADL, UNLISTED)


class Options(CheckOptions):
    """Nothing of its own."""

    longest_wait: ClassVar[float] = 24.0


async def read(
    source: Source, targets: tuple[Target, ...], _options: Options
) -> Mapping[Target, PositionsReading | SourceError | None]:
    """Asks with the account's key. None where it is not known how the exchange keeps positions."""
    from adapters.venue.positions import listings, opened  # noqa: PLC0415 - ccxt is loaded when a venue is asked, not when a board is made

    (target,) = targets
    keyed = source.keyed(target)
    if (lists := listings(keyed)) is None:
        return {target: None}
    if not lists:
        return {target: PositionsReading({}, {}, None)}
    found = await opened(keyed, lists)
    contracts = await _contracts(keyed, source.venue.symbols.named)
    return {target: reading(found, contracts, source.venue.symbols.named, source.usd_of)}


async def _contracts(keyed: Keyed, named: Iterable[str]) -> Sequence[str]:
    """Of these symbols those that are contracts which the account may trade."""
    known = await keyed.venue.markets()
    markets = {symbol: known[symbol] for symbol in named if symbol in known}
    return [symbol for symbol, each in markets.items() if each.get("contract") and any(map(each.get, keyed.traded))]


# --- what it comes to ------------------------------------------------------------------------------------------------

Usd = Callable[[str], float | None]


def reading(found: Sequence[Position], contracts: Iterable[str], named: Sequence[str], usd: Usd) -> PositionsReading:
    """All positions of an account, by symbol where that is configured."""
    symbols: dict[str, list[Position]] = {symbol: [] for symbol in contracts}
    configured = frozenset(named)
    unlisted: list[Position] = []
    for each in found:
        (symbols.setdefault(each.symbol, []) if each.symbol in configured else unlisted).append(each)
    return PositionsReading(
        symbols={symbol: _held(held, usd) for symbol, held in symbols.items()},
        deltas=deltas(found),
        unlisted_usd=_sum(_dollars(each.notional, each.quote, usd) for each in unlisted),
    )


def _dollars(amount: Decimal | None, asset: str, usd: Usd) -> float | None:
    price = usd(asset)
    return None if amount is None or price is None else float(amount) * price


def _held(positions: Sequence[Position], usd: Usd) -> SymbolPosition:
    """The positions in one symbol."""
    distance, price = nearest(positions) or (None, None)
    return SymbolPosition(
        base={side: float(sum(each.amount for each in positions if each.side == side)) for side in HOLDINGS},
        notional_usd=_sum(_dollars(each.notional, each.quote, usd) for each in positions),
        profit_usd=_sum(_dollars(each.profit, each.settle, usd) for each in positions),
        liquidation_price=price,
        liquidation_distance=distance,
        adl_rank=max((each.adl for each in positions if each.adl is not None), default=None),
    )


def _sum(values: Iterable[float | None]) -> float | None:
    """None where one of them is."""
    known = list(values)
    return None if None in known else sum(filter(None, known), 0.0)


def nearest(positions: Sequence[Position]) -> tuple[float, float] | None:
    """How far the mark price is from the nearest liquidation price, as a share of it, and that price; None where none is told. Of the
    positions in one symbol.
    """
    net = sum((each.signed for each in positions if each.pot == "cross"), Decimal(0))
    told = [each for each in positions if each.liquidation is not None and each.mark is not None]
    return min(((_distance(each, net), float(each.liquidation or 0)) for each in told), default=None)


def _distance(position: Position, net: Decimal) -> float:
    """0 at the liquidation price and beyond, where a position loses. What is hedged on cross margin is threatened where the symbol loses
    `net`; what is even, or is liquidated with the account, from wherever the price is.
    """
    mark, price = position.mark or Decimal(0), position.liquidation or Decimal(0)
    below = float((mark - price) / mark)
    if position.pot == "account" or (position.pot == "cross" and not net):
        return abs(below)
    sides = (position.signed, net) if position.pot == "cross" else (position.signed,)
    return max(0.0, *(below if held > 0 else -below for held in sides))


def deltas(positions: Iterable[Position]) -> Mapping[str, float | None]:
    """By asset what positions are beside the balances, in the base and in the quote; None where that is not known of one."""
    found: dict[str, Decimal | None] = {}
    for each in positions:
        for asset, delta in ((each.base, each.delta), (each.quote, each.owed)):
            before = found.get(asset, Decimal(0))
            found[asset] = None if before is None or delta is None else before + delta
    return {asset: None if delta is None else float(delta) for asset, delta in found.items()}


# --- on the page -----------------------------------------------------------------------------------------------------


def columns(readings: Readings[PositionsReading | None]) -> Iterable[Column]:
    """Rows per account and symbol, and side."""
    told = offered(readings)
    held = [(target, symbol, each) for target, of in told for symbol, each in of.symbols.items()]
    keys = tuple((target, symbol) for target, symbol, _ in held)
    yield Column(BASE, _sides(keys), [each.base[side] for _, _, each in held for side in HOLDINGS])
    rows = _rows(keys)
    yield Column(NOTIONAL, rows, [each.notional_usd for _, _, each in held])
    yield Column(PROFIT, rows, [each.profit_usd for _, _, each in held])
    yield Column(LIQUIDATION, rows, [each.liquidation_price for _, _, each in held])
    yield Column(DISTANCE, rows, [each.liquidation_distance for _, _, each in held])
    yield Column(ADL, rows, [each.adl_rank for _, _, each in held])
    yield readings.column(UNLISTED, lambda each: None if each is None else each.unlisted_usd)


@lru_cache(maxsize=64)
def _rows(keys: tuple[tuple[Target, str], ...]) -> Rows:
    return tuple({**target.labels, "symbol": symbol} for target, symbol in keys)


@lru_cache(maxsize=64)
def _sides(keys: tuple[tuple[Target, str], ...]) -> Rows:
    return tuple({**row, "side": side} for row in _rows(keys) for side in HOLDINGS)
