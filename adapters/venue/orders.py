"""Open orders of an account: in which lists an exchange keeps them, what each of them is, and how they are cancelled.

Several exchanges keep orders that wait for a price apart from the others, and what asks for the ones, or cancels them, leaves the
others alone. So an exchange whose lists are not written down here is not asked at all: what nobody saw would look cancelled.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from itertools import groupby
from operator import attrgetter
from typing import Any, Literal

from occ.http import bad_response

from .venue import Venue

Side = Literal["buy", "sell"]
Holding = Literal["long", "short"]


# --- exchanges -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Section:
    """One list of open orders. `market` is what is traded there: spot, linear or inverse contracts.

    `conditional`: it holds orders alone that wait for a price (True), none of them (False), or both (None). `asked` is what ccxt
    is told to ask for it, `named` to speak of an order in it.
    """

    name: str
    market: str
    conditional: bool | None
    asked: Mapping[str, Any] = field(default_factory=dict)
    named: Mapping[str, Any] = field(default_factory=dict)

    def holds(self, market: Mapping[str, Any]) -> bool:
        """Whether orders in this market of ccxt's are in this list."""
        return bool(market.get(self.market))


@dataclass(frozen=True, slots=True)
class Manner:
    """How an exchange deals with orders.

    `by_symbol`: one symbol is asked for at a lower price than all. `all_of` is what one request can cancel: all orders of a
    `symbol`, or of the `account`. `batch` ids may stand in one request. `at_once` requests may be on their way: those that carry
    a nonce must not overtake each other.
    """

    sections: tuple[Section, ...]
    by_symbol: bool = False
    all_of: Literal["symbol", "account"] = "symbol"
    batch: int = 1
    at_once: int = 8

    @property
    def markets(self) -> tuple[str, ...]:
        """What can be traded there."""
        return tuple(dict.fromkeys(section.market for section in self.sections))


def _contracts(market: str) -> tuple[Section, ...]:
    asked, waiting = {"type": "swap", "subType": market}, {"trigger": True}
    return (
        Section(market, market, conditional=False, asked=asked),
        Section(f"{market} conditional", market, conditional=True, asked={**asked, **waiting}, named=waiting),
    )


_BINANCE_SPOT = Section("spot", "spot", conditional=None, asked={"type": "spot"})

MANNERS: Mapping[str, Manner] = {
    "binance": Manner((_BINANCE_SPOT, *_contracts("linear"), *_contracts("inverse")), by_symbol=True),
    "binanceusdm": Manner(_contracts("linear"), by_symbol=True),
    "binancecoinm": Manner(_contracts("inverse"), by_symbol=True),
    "kraken": Manner((Section("spot", "spot", conditional=None),), all_of="account", batch=50, at_once=1),
}
"""By ccxt's id. Of Binance neither margin nor options nor a portfolio margin account; of Kraken no futures (krakenfutures).

Tests run spot, linear contracts and Kraken with orders; of inverse contracts no more than that nothing is open.
"""

OPTIONS: Mapping[str, Any] = {
    "fetchOpenOrders": {"warnWithoutSymbol": False},  # what it costs is known, and counted
    "recvWindow": 5000,  # milliseconds after which Binance refuses what was signed
}
"""ccxt's options for whoever asks for orders."""


# --- orders ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """One open order, in a list (`section`) of a market. Amounts are in what the venue counts the symbol in: base, or contracts.

    `stops`: it waits for the price to go against a position. `lowers` is the only holding that it can ever lower; None where it
    could open one. `notional` in `currency` is what it may still trade, at its price, or else at the price that it waits for;
    None where neither says.
    """

    id: str
    symbol: str
    side: Side
    section: str
    market: str
    remaining: Decimal
    filled: Decimal
    price: Decimal | None = None
    conditional: bool = False
    stops: bool = False
    lowers: Holding | None = None
    notional: Decimal | None = None
    currency: str = ""
    placed_at: float | None = None


def read(told: Any, section: Section, market: Mapping[str, Any]) -> OpenOrder:
    """What ccxt makes of an open order. Raises bad_response where it is none: then nobody knows what is open."""
    order = told if isinstance(told, dict) else {}
    side, id_, symbol = order.get("side"), order.get("id"), order.get("symbol")
    if side not in ("buy", "sell") or not isinstance(id_, str) or not id_ or not isinstance(symbol, str) or not symbol:
        raise bad_response("an open order without id, symbol or side")
    amount, filled = _decimal(order.get("amount")), _decimal(order.get("filled")) or Decimal(0)
    prices = (_decimal(order.get(key)) for key in ("price", "triggerPrice", "stopLossPrice", "takeProfitPrice"))
    price = next(filter(None, prices), None)
    remaining = max(Decimal(0), (amount or Decimal(0)) - filled)
    info = order["info"] if isinstance(order.get("info"), dict) else {}
    words = _words(info)
    at = order.get("timestamp")
    return OpenOrder(
        id=id_,
        symbol=symbol,
        side=side,
        section=section.name,
        market=section.market,
        remaining=remaining,
        filled=filled,
        price=price,
        conditional=section.conditional is True or words.startswith(_WAITING),
        stops=words.startswith(_STOPPING),
        lowers=_lowers(side, order, info, spot=section.market == "spot"),
        notional=_notional(remaining, price, market),
        currency=str(market.get("quote") or ""),
        placed_at=at / 1000 if isinstance(at, int) and at > 0 else None,
    )


_STOPPING = ("stop", "trailing_stop")
_WAITING = (*_STOPPING, "take_profit")


def _words(info: Mapping[str, Any]) -> str:
    """The exchange's own name of the order's type: Binance's type or orderType, Kraken's descr.ordertype."""
    described = info.get("descr")
    own = described.get("ordertype") if isinstance(described, dict) else None
    return str(info.get("orderType") or own or info.get("type") or "").lower().replace("-", "_")


def _lowers(side: Side, order: Mapping[str, Any], info: Mapping[str, Any], *, spot: bool) -> Holding | None:
    """What the venue itself guarantees. In hedge mode an order names the side of the position, and a sale of the long one can but
    lower it; spot without borrowing sells what is held, and nothing else.
    """
    against: Holding = "long" if side == "sell" else "short"
    hedged = str(info.get("positionSide") or "BOTH").lower()
    if hedged in ("long", "short"):
        return against if hedged == against else None
    if order.get("reduceOnly") is True or str(info.get("closePosition")).lower() == "true":
        return against
    return "long" if spot and side == "sell" and not _borrows(info) else None


def _borrows(info: Mapping[str, Any]) -> bool:
    described = info.get("descr")
    leverage = described.get("leverage") if isinstance(described, dict) else None
    return leverage not in (None, "", "none")


def _notional(remaining: Decimal, price: Decimal | None, market: Mapping[str, Any]) -> Decimal | None:
    size = _decimal(market.get("contractSize")) if market.get("contract") else Decimal(1)
    if size is None or (price is None and not market.get("inverse")):
        return None
    return remaining * size if market.get("inverse") else remaining * size * (price or 0)


def _decimal(number: Any) -> Decimal | None:
    try:
        found = None if number is None or isinstance(number, bool) else Decimal(str(number))
    except InvalidOperation:
        return None
    return found if found is not None and found.is_finite() else None


# --- cancelling ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cancel:
    """One request: the orders of a list with these ids, or without ids all in it, of a symbol or (None) of the account."""

    section: str
    symbol: str | None
    orders: tuple[OpenOrder, ...] = ()
    whole: bool = False


def cancels(manner: Manner, orders: Iterable[OpenOrder], *, sparing: bool, account: bool) -> Iterator[Cancel]:
    """The requests that cancel these orders, all that are open but for those that stay.

    `sparing`: some kinds of orders are to stay. Then a list that may hold them is never cancelled as a whole, since one that was
    placed a moment ago is known to nobody here. `account`: no symbol is left out.
    """
    conditional = {section.name: section.conditional for section in manner.sections}
    by_list = attrgetter("section", "symbol")
    if manner.all_of == "account" and account and not sparing:
        for name, group in groupby(sorted(orders, key=by_list), key=attrgetter("section")):
            yield Cancel(name, None, tuple(group), whole=True)
        return
    for (name, symbol), group in groupby(sorted(orders, key=by_list), key=by_list):
        found = tuple(group)
        if manner.all_of == "symbol" and (not sparing or conditional[name] is False):
            yield Cancel(name, symbol, found, whole=True)
        else:
            batches = (found[at : at + manner.batch] for at in range(0, len(found), manner.batch))
            yield from (Cancel(name, symbol, batch) for batch in batches)


# --- asking ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Orders:
    """The orders of the account that a venue is called for. `markets` are those of the exchange where the account trades; what
    the key may not ask for fails, rather than be left out.
    """

    venue: Venue
    manner: Manner
    markets: frozenset[str] = field(default=frozenset())

    @property
    def sections(self) -> tuple[Section, ...]:
        """The lists that there are."""
        return tuple(each for each in self.manner.sections if each.market in (self.markets or self.manner.markets))

    def _section(self, name: str) -> Section:
        return next(section for section in self.manner.sections if section.name == name)

    async def tradable(self, symbols: Iterable[str]) -> tuple[str, ...]:
        """Those of these symbols that the venue lists and that are asked for. Raises SourceError."""
        known = await self.venue.markets()
        return tuple(
            symbol
            for symbol in symbols
            if symbol in known and any(section.holds(known[symbol]) for section in self.sections)
        )

    async def open(self, symbols: Collection[str] | None = None, *, urgent: bool = False) -> tuple[OpenOrder, ...]:
        """All open orders, or those in these symbols. Raises SourceError: what can not be seen whole is not told in part.

        `urgent`: with what is reserved of the rate limit.
        """
        ask = self._asking(urgent=urgent)
        found, known = await self._listed(symbols, ask), await self.venue.markets()
        if not all(self._section(order.section).holds(known.get(order.symbol, {})) for order in found):
            await self.venue.refresh()  # in a market that was listed since: without it the order could not be named
            found = await self._listed(symbols, ask)
        return tuple(order for order in found if symbols is None or order.symbol in symbols)

    async def _listed(self, symbols: Collection[str] | None, ask: Callable[..., Awaitable[Any]]) -> list[OpenOrder]:
        known = await self.venue.markets()
        return [order for section in self.sections for order in await self._of(section, symbols, known, ask)]

    def _asking(self, *, urgent: bool) -> Callable[..., Awaitable[Any]]:
        return functools.partial(self.venue.act, _always) if urgent else self.venue.call

    async def _of(
        self,
        section: Section,
        symbols: Collection[str] | None,
        known: Mapping[str, Any],
        ask: Callable[..., Awaitable[Any]],
    ) -> list[OpenOrder]:
        there = None if symbols is None else [each for each in symbols if section.holds(await self.venue.check(each))]
        if there == []:
            return []
        asked: list[str | None] = [*there] if there and self.manner.by_symbol else [None]
        told = [
            order for symbol in asked for order in await ask("fetch_open_orders", symbol, params=dict(section.asked))
        ]
        return [read(order, section, known.get(_symbol(order), {})) for order in told]

    async def held(self, markets: Collection[str], *, urgent: bool = False) -> frozenset[tuple[str, Holding]]:
        """The positions that there are in contracts of these kinds, by symbol and side. Raises SourceError."""
        ask, found = self._asking(urgent=urgent), set[tuple[str, Holding]]()
        for market in sorted(set(markets) - {"spot"}):
            for position in await ask("fetch_positions", None, {"type": "swap", "subType": market}):
                if (side := position.get("side")) in ("long", "short") and _decimal(position.get("contracts")):
                    found.add((str(position.get("symbol")), side))
        return frozenset(found)

    async def cancel(self, request: Cancel, clear: Callable[[], Awaitable[None]]) -> Mapping[str, Decimal]:
        """Sends it; returns what the answer tells of what was filled in all, by order. Raises SourceError and what `clear` raises.

        How many are gone no answer tells: one looks again.
        """
        section = self._section(request.section)
        params, ids = dict(section.named), [order.id for order in request.orders]
        if request.whole:
            answer = await self.venue.act(clear, "cancel_all_orders", request.symbol, params)
        elif self.manner.batch > 1:
            answer = await self.venue.act(clear, "cancel_orders", ids, request.symbol, params)
        else:
            answer = [await self.venue.act(clear, "cancel_order", ids[0], request.symbol, params)]
        return dict(_fills(answer))

    async def filled(self, order: OpenOrder) -> Decimal | None:
        """What was filled of an order in all, also when it is not open any more; None where the venue does not say.

        Raises SourceError.
        """
        section = self._section(order.section)
        told = await self.venue.call("fetch_order", order.id, order.symbol, dict(section.named))
        return _decimal(told.get("filled")) if isinstance(told, dict) else None


async def _always() -> None:
    """A question may always be put."""


def _symbol(order: Any) -> str:
    return str(order.get("symbol")) if isinstance(order, dict) else ""


def _fills(answer: Any) -> Iterator[tuple[str, Decimal]]:
    for order in answer if isinstance(answer, list) else []:
        if isinstance(order, dict) and isinstance(order.get("id"), str) and order.get("amount"):
            filled = _decimal(order.get("filled"))
            if filled is not None:
                yield order["id"], filled
