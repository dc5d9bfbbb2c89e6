"""What Binance tells an account of itself on a stream: USD-M futures by listen key."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from demo.venue.desk import Event, Forced, Ticket
from demo.venue.exchange import Exchange, Segment
from demo.venue.positions import Held, Income, MarginMoney, entry
from demo.venue.wire import Json, Streams

from .futures import numbers
from .market_data import wire
from .protocol import ApiError, Call, Endpoint, Fields, Routes, eight
from .trading import status

_VALID = 60 * 60_000  # ms
_CALLED = 0.8  # usage of the maintenance margin
_MISSING = (-1125, "This listenKey does not exist.")
_REASONS: Mapping[str, str] = {"FUNDING_FEE": "FUNDING_FEE", "INSURANCE_CLEAR": "INSURANCE_CLEAR"}


@dataclass
class Users:
    """Listen keys of the accounts of one segment, and what is said on the streams that are called like them."""

    exchange: Exchange
    segment: Segment
    streams: Streams
    _keys: dict[str, tuple[str, int]] = field(default_factory=dict)  # by account: the key, and when it ends
    _called: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.segment.desk.tell = self._tell
        self.money.tell = self._booked

    @property
    def money(self) -> MarginMoney:
        if not isinstance(money := self.segment.desk.money, MarginMoney):
            raise TypeError("futures have margin")
        return money

    # --- keys ----------------------------------------------------------------------------------------------------

    def open(self, call: Call) -> Json:
        """The key that there is lives on; else a new one."""
        name = call.signer.name
        key = self._keys[name][0] if name in self._keys else secrets.token_hex(32)
        self._keys[name] = key, call.stamp + _VALID
        return {"listenKey": key}

    def keep(self, call: Call) -> Json:
        if call.signer.name not in self._keys:
            raise ApiError(*_MISSING)
        return self.open(call)

    def close(self, call: Call) -> Json:
        if self._keys.pop(call.signer.name, None) is None:
            raise ApiError(*_MISSING)
        return {}

    def publish(self) -> None:
        """What comes with time."""
        stamp = self.exchange.stamp()
        for name, (key, ends) in list(self._keys.items()):
            if ends <= stamp:
                self.streams.say(key, {"e": "listenKeyExpired", "E": stamp, "listenKey": key})
                del self._keys[name]
            else:
                self._warn(name, stamp)

    def _warn(self, account: str, stamp: int) -> None:
        """Once each time that the margin of a position is all but used up."""
        risky = [each for pot in self.money.pots(account) if pot.usage >= _CALLED for each in pot.held]
        if risky and account not in self._called:
            told = {"e": "MARGIN_CALL", "E": stamp, "cw": eight(self.money.cross_wallet(account))}
            self._say(account, {**told, "p": [self._risk(each) for each in risky]})
        (self._called.add if risky else self._called.discard)(account)

    def _risk(self, held: Held) -> Fields:
        alone = self.money.isolated(held)
        return {
            "s": wire(held.market),
            "ps": held.side,
            "pa": numbers(held.market).quantity(held.position.lots),
            "mt": "ISOLATED" if alone else "CROSSED",
            "iw": eight(held.position.margin) if alone else "0",
            "mp": eight(self.money.mark(held.market)),
            "up": eight(self.money.profit(held)),
            "mm": eight(self.money.maintained(held)),
        }

    # --- events --------------------------------------------------------------------------------------------------

    def _say(self, account: str, message: Json) -> None:
        if account in self._keys:
            self.streams.say(self._keys[account][0], message)

    def _tell(self, event: Event) -> None:
        ticket, stamp = event.ticket, self.exchange.stamp()
        if ticket.account not in self._keys:
            return
        if event.fill:
            self._say(ticket.account, self._account("ORDER", ticket.account, Decimal(0), self._changed(ticket)))
        if event.waiting or (ticket.stop is not None and event.kind != "TRADE" and not ticket.fills):
            self._say(ticket.account, {"e": "ALGO_UPDATE", "T": event.at, "E": stamp, "o": _algo(event)})
        if not event.waiting and (event.kind != "EXPIRED" or ticket.stop is None or ticket.fills):
            told = {"e": "ORDER_TRADE_UPDATE", "E": stamp, "T": event.at, "o": self._order(event)}
            self._say(ticket.account, told)

    def _changed(self, ticket: Ticket) -> list[Held]:
        position = self.money.position(ticket.account, ticket.market, ticket.position)
        return [Held(ticket.account, ticket.market, ticket.position, position)]

    def _booked(self, account: str, income: Income) -> None:
        """What changes a wallet without an order. Of a cross position funding tells the balance alone, as documented."""
        moved = "DEPOSIT" if income.amount > 0 else "WITHDRAW"
        reason = moved if income.kind == "TRANSFER" else _REASONS.get(income.kind)
        if reason and account in self._keys:
            held = [each for each in self.money.held(account) if each.market is income.market]
            isolated = [each for each in held if self.money.isolated(each)]
            self._say(account, self._account(reason, account, income.amount, isolated))

    def _account(self, reason: str, account: str, change: Decimal, changed: list[Held]) -> Fields:
        stamp = self.exchange.stamp()
        wallet, cross = eight(self.money.wallets[account]), eight(self.money.cross_wallet(account))
        balance = {"a": "USDT", "wb": wallet, "cw": cross, "bc": eight(change)}
        update = {"m": reason, "B": [balance], "P": [self._position(each) for each in changed]}
        return {"e": "ACCOUNT_UPDATE", "E": stamp, "T": stamp, "a": update}

    def _position(self, held: Held) -> Fields:
        alone, open_price = self.money.isolated(held), eight(entry(held.market, held.position))
        profits = (
            each.amount
            for each in self.money.statements[held.account]
            if each.kind == "REALIZED_PNL" and each.market is held.market
        )
        return {
            "s": wire(held.market),
            "pa": numbers(held.market).quantity(held.position.lots),
            "ep": open_price,
            "bep": open_price,
            "cr": eight(sum(profits, Decimal(0))),
            "up": eight(self.money.profit(held)),
            "mt": "isolated" if alone else "cross",
            "iw": eight(held.position.margin) if alone else "0",
            "ps": held.side,
            "ma": held.market.listing.settle,
        }

    def _order(self, event: Event) -> Fields:
        ticket, fill = event.ticket, event.fill
        text, order, listing = numbers(ticket.market), ticket.order, ticket.market.listing
        filled = sum(each.quantity for each in ticket.fills)
        average = Decimal(ticket.turnover).scaleb(-listing.price_decimals) / filled if filled else Decimal(0)
        quote = Decimal(fill.price * fill.quantity if fill else 0).scaleb(
            -listing.price_decimals - listing.lot_decimals
        )
        kind = "LIQUIDATION" if ticket.forced is Forced.LIQUIDATION else ticket.kind
        paid = {"N": listing.settle, "n": eight(self.money.commission(fill, quote))} if fill else {}
        return {
            **_head(ticket, kind),
            "q": text.quantity(order.quantity),
            "p": text.price(order.price),
            "ap": eight(average),
            "sp": text.price(ticket.stop),
            "x": event.kind,
            "X": status(event),
            "i": order.id,
            "l": text.quantity(fill.quantity if fill else 0),
            "z": text.quantity(filled),
            "L": text.price(fill.price if fill else 0),
            **paid,
            "T": event.at,
            "t": fill.trade_id if fill else 0,
            "b": "0",
            "a": "0",
            "m": fill.maker if fill else False,
            "R": order.reduce_only and ticket.position == "BOTH",
            "wt": "CONTRACT_PRICE",
            "ot": ticket.kind,
            "ps": ticket.position,
            "cp": ticket.closes,
            "rp": eight(fill.profit if fill else Decimal(0)),
            "pP": False,
            "si": 0,
            "ss": 0,
            "V": "EXPIRE_MAKER",
            "pm": "NONE",
            "gtd": 0,
        }


def _head(ticket: Ticket, kind: str) -> Fields:
    in_force = "GTX" if ticket.order.post_only else ticket.order.time_in_force.value
    names = {"s": wire(ticket.market), "c": ticket.client_id}
    return {**names, "S": ticket.order.side.name, "o": kind, "f": in_force}


def _algo(event: Event) -> Fields:
    """An order that waits for its price; TRIGGERED when it is sent."""
    ticket, order = event.ticket, event.ticket.order
    text, sent = numbers(ticket.market), event.kind == "NEW" and not event.waiting
    return {
        "caid": ticket.client_id,
        "aid": order.id,
        "at": "CONDITIONAL",
        "o": ticket.kind,
        "s": wire(ticket.market),
        "S": order.side.name,
        "ps": ticket.position,
        "f": order.time_in_force.value,
        "q": text.quantity(0 if ticket.closes and event.waiting else order.quantity),
        "X": "TRIGGERED" if sent else status(event),
        "ai": str(order.id) if sent else "",
        "tp": text.price(ticket.stop),
        "p": text.price(order.price),
        "V": "EXPIRE_MAKER",
        "wt": "CONTRACT_PRICE",
        "pm": "NONE",
        "cp": ticket.closes,
        "pP": False,
        "R": order.reduce_only and ticket.position == "BOTH",
        "tt": event.at if sent else 0,
        "gtd": 0,
    }


def listening(users: Users) -> Routes:
    """Where listen keys are had."""
    path = "/fapi/v1/listenKey"
    return {
        ("POST", path): Endpoint(users.open, 1, keyed=True),
        ("PUT", path): Endpoint(users.keep, 1, keyed=True),
        ("DELETE", path): Endpoint(users.close, 1, keyed=True),
    }
