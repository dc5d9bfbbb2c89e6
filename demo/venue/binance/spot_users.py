"""Binance's WebSocket API of spot, as far as accounts are told of themselves: subscriptions that are signed, and their events."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import orjson

from demo.venue.accounts import Account
from demo.venue.desk import Event, SpotMoney
from demo.venue.exchange import Exchange, Segment
from demo.venue.wire import Json, Line, Question, Streams

from .market_data import wire
from .protocol import ApiError, Fields, eight, fresh, permitted
from .spot import numbers
from .spot_orders import commission
from .trading import status

HOST, PATH = "ws-api.binance.com:443", "/ws-api/v3"


@dataclass
class SpotUsers:
    """Tells each account of its orders and balances, on the stream that is called like it."""

    exchange: Exchange
    segment: Segment
    streams: Streams

    def __post_init__(self) -> None:
        self.segment.desk.tell = self._tell
        self.money.tell = self._moved

    @property
    def money(self) -> SpotMoney:
        if not isinstance(money := self.segment.desk.money, SpotMoney):
            raise TypeError("spot has balances")
        return money

    def _tell(self, event: Event) -> None:
        ticket = event.ticket
        if ticket.account in self.streams:
            self.streams.say(ticket.account, self._report(event))
            listing = ticket.market.listing
            self.streams.say(ticket.account, self._balances(ticket.account, (listing.base, listing.quote), event.at))

    def _moved(self, account: str, asset: str, amount: Decimal) -> None:
        if account in self.streams:
            stamp = self.exchange.stamp()
            self.streams.say(account, {"e": "balanceUpdate", "E": stamp, "a": asset, "d": eight(amount), "T": stamp})
            self.streams.say(account, self._balances(account, (asset,), stamp))

    def _balances(self, account: str, assets: Iterable[str], at: int) -> Json:
        held = {asset: self.money.balance(account, asset) for asset in assets}
        told = [{"a": asset, "f": eight(each.free), "l": eight(each.locked)} for asset, each in held.items()]
        return {"e": "outboundAccountPosition", "E": self.exchange.stamp(), "u": at, "B": told}

    def _report(self, event: Event) -> Fields:
        ticket, fill = event.ticket, event.fill
        order, text = ticket.order, numbers(ticket.market)
        filled = sum(each.quantity for each in ticket.fills)
        cancels = event.kind == "CANCELED"
        return {
            "e": "executionReport",
            "E": self.exchange.stamp(),
            "s": wire(ticket.market),
            "c": f"cancel-{ticket.client_id}" if cancels else ticket.client_id,
            "S": order.side.name,
            "o": ticket.kind,
            "f": order.time_in_force.value,
            "q": text.quantity(order.quantity),
            "p": text.price(order.price),
            "P": text.price(ticket.stop),
            "F": text.quantity(0),
            "g": -1,
            "C": ticket.client_id if cancels else "",
            "x": event.kind,
            "X": status(event),
            "r": "NONE",
            "i": order.id,
            "l": text.quantity(fill.quantity if fill else 0),
            "z": text.quantity(filled),
            "L": text.price(fill.price if fill else 0),
            **_paid(event),
            "T": event.at,
            "t": fill.trade_id if fill else -1,
            "w": not event.waiting and event.kind in ("NEW", "TRADE"),
            "m": fill.maker if fill else False,
            "M": False,
            "O": ticket.placed,
            "Z": text.turnover(ticket.turnover),
            "Y": text.turnover(fill.price * fill.quantity if fill else 0),
            "Q": text.turnover(0),
            "V": "EXPIRE_MAKER",
        }


def _paid(event: Event) -> Fields:
    if event.fill is None:
        return {"n": "0", "N": None}
    told = commission(event.ticket, event.fill)
    return {"n": told["commission"], "N": told["commissionAsset"]}


class ApiConversation:
    """One client of the WebSocket API; it may follow its account, and is answered nothing else but the time."""

    def __init__(self, users: SpotUsers, line: Line) -> None:
        self.line = line
        self._users = users
        self._followed: Account | None = None
        line.envelope = lambda _, text: f'{{"subscriptionId":0,"event":{text}}}'

    def hear(self, text: str) -> None:
        try:
            asked = orjson.loads(text)
        except ValueError:
            asked = None
        if not isinstance(asked, dict):
            self.line.tell({"id": None, "status": 400, "error": {"code": -1135, "msg": "Invalid JSON Request"}})
            return
        try:
            told = {"status": 200, "result": self._obey(str(asked.get("method")), asked.get("params") or {})}
        except ApiError as error:
            told = {"status": error.answer.status, "error": orjson.loads(error.answer.body)}
        self.line.tell({"id": asked.get("id"), **told, "rateLimits": []})

    def close(self) -> None:
        if self._followed:
            self._users.streams.leave(self._followed.name, self.line)
            self._followed = None

    def _obey(self, method: str, params: dict[str, Json]) -> Json:
        match method:
            case "userDataStream.subscribe.signature":
                self._followed = self._signed({name: str(value) for name, value in params.items()})
                self._users.streams.join(self._followed.name, self.line)
                return {"subscriptionId": 0}
            case "userDataStream.unsubscribe":
                self.close()
                return {}
            case "time":
                return {"serverTime": self._users.exchange.stamp()}
            case "ping":
                return {}
            case _:
                raise ApiError(-1100, f"Illegal characters found in parameter 'method'; no method {method}.")

    def _signed(self, params: dict[str, str]) -> Account:
        """Whose key it is; the signature is over all parameters by name, without the signature itself."""
        exchange = self._users.exchange
        fresh(params, exchange.stamp())
        key = permitted(exchange, params.get("apiKey", ""), Question("", HOST, PATH))
        signed = "&".join(f"{name}={value}" for name, value in sorted(params.items()) if name != "signature")
        wanted = hmac.new(key.secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted.encode(), params["signature"].encode()):
            raise ApiError(-1022, "Signature for this request is not valid.")
        return key
