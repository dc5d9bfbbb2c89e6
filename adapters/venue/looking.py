"""Open orders of accounts where nothing is ever cancelled: exchanges whose lists are looked at, each of them, to the last page.

What an exchange cancels by one request and what it leaves alone has not been tried there, so these are not in `orders.MANNERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from occ.http import bad_response

from .account import INVERSE, LINEAR, SPOT, Keyed
from .contracts import Market, milliseconds, moment
from .shape import Record, record, records, word

Side = Literal["buy", "sell"]

WHAT = "open orders"
EVERY = (SPOT, LINEAR, INVERSE)


@dataclass(frozen=True, slots=True)
class SeenOrder:
    """One open order. `symbol` is the exchange's own name where ccxt knows no such market. `placed_at` is in Unix seconds."""

    id: str
    symbol: str
    side: Side
    placed_at: float | None


@dataclass(frozen=True, slots=True)
class Listing:
    """One list of open orders: those in markets of these `kinds`, settled in the asset `settle` where one is given.

    `id` is where a record of it has its own id.
    """

    method: str
    params: Mapping[str, Any] = field(default_factory=dict)
    kinds: tuple[str, ...] = EVERY
    settle: str | None = None
    id: str = "id"

    def holds(self, market: Market) -> bool:
        """Whether orders in this market are in this list."""
        return any(market.get(kind) for kind in self.kinds) and self.settle in (None, market.get("settle"))


def _whole(_page: Any, _listing: Listing) -> Mapping[str, Any]:
    """For lists that are told at once."""
    return {}


@dataclass(frozen=True, slots=True)
class Manner:
    """In which lists an exchange keeps orders, and how it tells of them: `found` is the records of a page, `after` what asks for the
    next one. The others are where a record has its market, its side, and the time at which it was placed.
    """

    listings: tuple[Listing, ...]
    found: Callable[[Any], Sequence[Record]]
    market: str
    side: str
    placed: str
    placed_at: Callable[[Record, str], float | None] = milliseconds
    after: Callable[[Any, Listing], Mapping[str, Any]] = _whole


def read(told: Record, listing: Listing, manner: Manner, names: Mapping[str, str]) -> SeenOrder:
    """A record; `names` are symbols by the exchange's own names. Raises bad_response for what is no open order."""
    name, side = word(told, manner.market), word(told, manner.side).lower()
    if side not in ("buy", "sell"):
        raise bad_response("an open order without its side")
    placed_at = manner.placed_at(told, manner.placed)
    return SeenOrder(word(told, listing.id), names.get(name, name), "buy" if side == "buy" else "sell", placed_at)


# --- bybit -----------------------------------------------------------------------------------------------------------

_PAGE_OF_BYBIT = 50


def _in_bybit(page: Any) -> Sequence[Record]:
    return records(record(record(page, WHAT).get("result"), WHAT).get("list"), WHAT)


def _after_bybit(page: Any, _listing: Listing) -> Mapping[str, Any]:
    """A page may be short and not the last, which has a cursor as well: what comes behind that is empty."""
    told = _in_bybit(page)
    cursor = page["result"].get("nextPageCursor")
    return {"cursor": cursor} if cursor and told else {}


def _of_bybit(category: str, settle: str | None = None) -> Listing:
    """Orders of all kinds, those that wait for a price included. Linear contracts are told for one asset in which they are settled."""
    settled = {} if settle is None else {"settleCoin": settle}
    asked = {"category": category, "limit": _PAGE_OF_BYBIT, **settled}
    return Listing("privateGetV5OrderRealtime", asked, (category,), settle, "orderId")


_BYBIT = Manner(
    (_of_bybit(SPOT), _of_bybit(LINEAR, "USDT"), _of_bybit(LINEAR, "USDC"), _of_bybit(INVERSE)),
    _in_bybit,
    market="symbol",
    side="side",
    placed="createdTime",
    after=_after_bybit,
)

# --- okx -------------------------------------------------------------------------------------------------------------

_PAGE_OF_OKX = 100

ALGOS = ("conditional,oco", "trigger", "move_order_stop", "chase", "iceberg", "smart_iceberg", "twap")
"""Kinds of orders that wait for something or are placed bit by bit: one in a request, but for the first two."""


def _in_okx(page: Any) -> Sequence[Record]:
    return records(record(page, WHAT).get("data"), WHAT)


def _after_okx(page: Any, listing: Listing) -> Mapping[str, Any]:
    """What was placed before the last of a page: the newest come first."""
    told = _in_okx(page)
    return {"after": word(told[-1], listing.id)} if len(told) >= _PAGE_OF_OKX else {}


_OKX = Manner(
    (
        *(Listing("privateGetTradeOrdersAlgoPending", {"ordType": kind}, id="algoId") for kind in ALGOS),
        Listing(
            "privateGetTradeOrdersPending", id="ordId"
        ),  # last: what waited becomes one of these, never the other way
    ),
    _in_okx,
    market="instId",
    side="side",
    placed="cTime",
    after=_after_okx,
)

# --- deribit ---------------------------------------------------------------------------------------------------------


def _in_deribit(answer: Any) -> Sequence[Record]:
    return records(record(answer, WHAT).get("result"), WHAT)


_DERIBIT = Manner(
    (Listing("privateGetGetOpenOrders", id="order_id"),),
    _in_deribit,
    market="instrument_name",
    side="direction",
    placed="creation_timestamp",
)

# --- coinbase --------------------------------------------------------------------------------------------------------


def _in_coinbase(page: Any) -> Sequence[Record]:
    return records(record(page, WHAT).get("orders"), WHAT)


def _after_coinbase(page: Any, _listing: Listing) -> Mapping[str, Any]:
    more = record(page, WHAT).get("has_next")
    if not isinstance(more, bool):
        raise bad_response("a page of open orders that does not tell whether there are more")
    return {"cursor": word(page, "cursor")} if more else {}


_COINBASE = Manner(
    (
        Listing(
            "v3PrivateGetBrokerageOrdersHistoricalBatch",
            {"order_status": "OPEN", "limit": 100},
            (SPOT, LINEAR),
            id="order_id",
        ),
    ),
    _in_coinbase,
    market="product_id",
    side="side",
    placed="created_time",
    placed_at=moment,
    after=_after_coinbase,
)

# --- all of them -----------------------------------------------------------------------------------------------------

MANNERS: Mapping[str, Manner] = {"bybit": _BYBIT, "coinbase": _COINBASE, "deribit": _DERIBIT, "okx": _OKX}
"""By ccxt's id. Of Bybit not options, which are a category of their own."""


@dataclass(frozen=True)
class Looked:
    """The orders of an account, to be looked at alone."""

    keyed: Keyed
    manner: Manner

    async def tradable(self, symbols: Iterable[str]) -> tuple[str, ...]:
        """Those of these symbols that the venue lists and that are asked for. Raises SourceError."""
        known = await self.keyed.venue.markets()
        return tuple(symbol for symbol in symbols if symbol in known and self._asked(known[symbol]))

    def _asked(self, market: Market) -> bool:
        traded = any(market.get(kind) for kind in self._kinds)
        return traded and any(listing.holds(market) for listing in self.manner.listings)

    @property
    def _kinds(self) -> Collection[str]:
        """Where the account trades by the configuration, or all that the lists can hold."""
        return self.keyed.markets or EVERY

    async def open(self, symbols: Collection[str] | None = None) -> tuple[SeenOrder, ...]:
        """All open orders, or those in these symbols. Raises SourceError: what can not be seen whole is not told in part."""
        known = await self.keyed.venue.markets()
        found = [
            order
            for listing in self.manner.listings
            if self._wanted(listing, symbols, known)
            for order in await self._of(listing, known)
        ]
        return tuple(order for order in found if symbols is None or order.symbol in symbols)

    def _wanted(self, listing: Listing, symbols: Collection[str] | None, known: Mapping[str, Market]) -> bool:
        if set(listing.kinds).isdisjoint(self._kinds):
            return False
        return symbols is None or any(symbol in known and listing.holds(known[symbol]) for symbol in symbols)

    async def _of(self, listing: Listing, known: Mapping[str, Market]) -> Iterable[SeenOrder]:
        """A list may move on while its pages are turned: what then stands on two of them is one order."""
        pages = await self.keyed.pages(
            "fetch_open_orders", listing.method, listing.params, lambda page: self.manner.after(page, listing)
        )
        told = [each for page in pages for each in self.manner.found(page)]
        names = {str(market["id"]): symbol for symbol, market in known.items() if told and listing.holds(market)}
        orders = [read(each, listing, self.manner, names) for each in told]
        return {order.id: order for order in orders}.values()
