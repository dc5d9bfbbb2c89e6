"""What orders of spot and futures have in common: their parameters, filters and fields."""

import re
import secrets
from dataclasses import dataclass
from decimal import Decimal

from demo.venue.desk import Event, Fill, RefusalError, Ticket
from demo.venue.engine import Order, Side, State, TimeInForce
from demo.venue.market import Market

from .market_data import Numbers, wire
from .protocol import ApiError, Call, Fields

_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
_NUMBER = re.compile("^([0-9]{1,20})(\\.[0-9]{1,20})?$")
MOST_PRICE, MOST_QUANTITY = 10_000_000, 9_000_000  # of any order
_POST_ONLY = "GTX"  # a time in force of futures


@dataclass(frozen=True)
class Kind:
    """A type of order: whether it has a price of its own, and the price it waits for, to lose less or to take profit.

    `in_force` is the time in force where none is said; without one it must be.
    """

    name: str
    priced: bool
    waits: bool = False
    takes_profit: bool = False
    post_only: bool = False
    in_force: str = ""

    def rises(self, side: Side) -> bool:
        """Whether it waits for the price to rise: a purchase that stops a loss, and a sale that takes a profit."""
        return self.takes_profit is (side is Side.SELL)


def ticket(call: Call, kind: Kind, *, client_id: str, stop: str, fallback: Side | None = None) -> Ticket:
    """Of the parameters; `client_id` and `stop` are the names of theirs. ApiError where one is missing or breaks a filter."""
    market = call.market()
    side = fallback or _side(call)
    price = _units(call, "price", market) if kind.priced else None
    waits_for = _units(call, stop, market) if kind.waits else None
    closes = kind.waits and call.params.get("closePosition", "").lower() == "true"
    quantity = 1 if closes else _quantity(call, market, side)
    if price is not None:
        _worth(market, price * quantity)
    in_force, post_only = _in_force(call, kind)
    order = Order(
        next(market.ids),
        side,
        price,
        quantity,
        in_force,
        kind.post_only or post_only,
        closes or call.params.get("reduceOnly", "").lower() == "true",
        call.signer.name,
    )
    name = call.params.get(client_id) or secrets.token_hex(11)
    return Ticket(call.signer.name, market, order, name, kind.name, call.stamp, waits_for, kind.rises(side), closes)


def _side(call: Call) -> Side:
    if (side := _SIDES.get(call.text("side"))) is None:
        raise ApiError(-1117, "Invalid side.")
    return side


def _in_force(call: Call, kind: Kind) -> tuple[TimeInForce, bool]:
    """And whether that says post-only."""
    if not kind.priced or kind.post_only:
        return TimeInForce.GTC, False
    text = call.params.get("timeInForce") or kind.in_force or call.text("timeInForce")
    if text == _POST_ONLY:
        return TimeInForce.GTC, True
    if text not in list(TimeInForce):
        raise ApiError(-1115, "Invalid timeInForce.")
    return TimeInForce(text), False


def _number(call: Call, name: str) -> Decimal:
    if not _NUMBER.fullmatch(text := call.text(name)):
        raise ApiError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{_NUMBER.pattern}'.")
    return Decimal(text)


def _units(call: Call, name: str, market: Market) -> int:
    """A price in price units."""
    units = _number(call, name).scaleb(market.listing.price_decimals)
    if not 0 < units <= MOST_PRICE * 10**market.listing.price_decimals or units % market.tick:
        raise ApiError(-1013, "Filter failure: PRICE_FILTER")
    return int(units)


def _quantity(call: Call, market: Market, side: Side) -> int:
    """In lots; a purchase may say what it is to cost instead."""
    if "quoteOrderQty" in call.params and "quantity" not in call.params:
        return _affordable(market, side, _number(call, "quoteOrderQty"))
    lots = _number(call, "quantity").scaleb(market.listing.lot_decimals)
    if not 0 < lots <= MOST_QUANTITY * 10**market.listing.lot_decimals or lots % 1:
        raise ApiError(-1013, "Filter failure: LOT_SIZE")
    return int(lots)


def _affordable(market: Market, side: Side, cost: Decimal) -> int:
    """How many lots a market order moves for `cost` of the quote asset, by the book as it is."""
    left = int(cost.scaleb(market.listing.price_decimals + market.listing.lot_decimals))
    lots = 0
    for level in market.book.levels(side.other):
        lots += (taken := min(level.quantity, left // level.price))
        left -= taken * level.price
        if taken < level.quantity:
            break
    if lots <= 0:
        raise ApiError(-1013, "Filter failure: NOTIONAL")
    return lots


def _worth(market: Market, turnover: int) -> None:
    listing = market.listing
    if turnover < listing.min_notional * 10 ** (listing.price_decimals + listing.lot_decimals):
        raise ApiError(-1013, "Filter failure: NOTIONAL")


def found(call: Call, *, order_id: str, client_id: str, missing: tuple[int, str]) -> Ticket:
    """The ticket that the parameters name by either id; `missing` is the error where there is none."""
    number, name = call.integer(order_id), call.params.get(client_id)
    if number is None and name is None:
        raise ApiError(-1102, f"Param '{client_id}' or '{order_id}' must be sent, but both were empty/null!")
    market = call.market()
    try:
        return call.segment.desk.find(call.signer.name, market, number, name)
    except RefusalError:
        raise ApiError(*missing) from None


def state(ticket: Ticket) -> str:
    """An order that expired is told as such whether or not some of it traded."""
    known = {State.REJECTED: State.EXPIRED}
    return known.get(ticket.order.state, ticket.order.state).value


def status(event: Event) -> str:
    """Of the order as it is right after the event."""
    if event.kind == "TRADE":
        filled = sum(fill.quantity for fill in event.ticket.fills)
        return "FILLED" if filled == event.ticket.order.quantity else "PARTIALLY_FILLED"
    return "NEW" if event.kind == "NEW" else state(event.ticket)


def common(ticket: Ticket, text: Numbers) -> Fields:
    """The fields that every answer about an order has."""
    order = ticket.order
    in_force = _POST_ONLY if order.post_only and ticket.kind == "LIMIT" else order.time_in_force.value
    return {
        "symbol": wire(ticket.market),
        "orderId": order.id,
        "clientOrderId": ticket.client_id,
        "price": text.price(order.price),
        "origQty": text.quantity(order.quantity),
        "executedQty": text.quantity(order.filled),
        "status": state(ticket),
        "timeInForce": in_force,
        "type": ticket.kind,
        "side": order.side.name,
        **({"stopPrice": text.price(ticket.stop)} if ticket.stop is not None else {}),
    }


def fill_fields(fill: Fill, text: Numbers) -> Fields:
    return {
        "price": text.price(fill.price),
        "qty": text.quantity(fill.quantity),
    }
