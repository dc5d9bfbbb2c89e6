"""Kraken's private endpoints: keys, nonces, signatures, orders, plain ones and those that wait, all in one list."""

import base64
import binascii
import hashlib
import hmac
import json
import re
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from demo.venue import rights
from demo.venue.accounts import Account
from demo.venue.desk import Fill, RefusalError, SpotMoney, Ticket, amounts
from demo.venue.engine import Order, Side, State, TimeInForce
from demo.venue.exchange import Exchange
from demo.venue.market import Market
from demo.venue.wire import Json, Question

from . import names
from .funds import FUNDS
from .rest import ApiError, Call

PREFIX = "/0/private/"

CHANGES = frozenset({"AddOrder", "CancelOrder", "CancelAll", "CancelOrderBatch"})
"""What is to take effect; a key that only reads may not do it."""

_MOST_CANCELLED = 50  # orders of a request
_MOST_QUERIED = 50
_FILLS = 50  # of a page
_NUMBER = re.compile("[0-9]{1,20}([.][0-9]{1,10})?")
_SIDES = {"buy": Side.BUY, "sell": Side.SELL}
_WAITING = {"stop-loss": False, "stop-loss-limit": True, "take-profit": False, "take-profit-limit": True}
"""Whether it has a limit of its own, by type."""

_REFUSED = {
    "insufficient": "EOrder:Insufficient funds",
    "duplicate": "EGeneral:Invalid arguments:cl_ord_id",
    "immediately_triggers": "EOrder:Invalid price",
    "would_take": "EOrder:Post only order",
    "halted": "EService:Market in cancel_only mode",
    "reduce_only": "EOrder:Reduce only:No position exists",
    "unknown": "EOrder:Unknown order",
    "stuck": "EOrder:Cancel pending",
}
_STATES = {
    State.NEW: "open",
    State.PARTIALLY_FILLED: "open",
    State.FILLED: "closed",
    State.CANCELED: "canceled",
    State.EXPIRED: "expired",
    State.REJECTED: "canceled",
    State.EXPIRED_IN_MATCH: "canceled",
}


@dataclass
class Keys:
    """Who is let in. The nonce of a key must grow from request to request."""

    exchange: Exchange
    _nonces: dict[str, int] = field(default_factory=dict)

    def admitted(self, question: Question, given: Mapping[str, str]) -> Account:
        """Whose key it is, if the request is signed by that key and newer than the last. ApiError where it is not."""
        key = question.headers.get("API-Key", "")
        if (account := self.exchange.accounts.get(key)) is None:
            raise ApiError("EAPI:Invalid key")
        if rights.expired(self.exchange, account):
            raise ApiError("EAPI:Invalid key")
        if not rights.accepted(self.exchange, account, question.address):
            raise ApiError("EGeneral:Permission denied")
        if not hmac.compare_digest(_signature(question, given, account.secret), question.headers.get("API-Sign", "")):
            raise ApiError("EAPI:Invalid signature")
        nonce = int(given["nonce"])
        if nonce <= self._nonces.get(key, -1):
            raise ApiError("EAPI:Invalid nonce")
        self._nonces[key] = nonce
        changes = question.path.removeprefix(PREFIX) in CHANGES
        if (changes and not account.trades) or rights.denied(self.exchange, account, question.path):
            raise ApiError("EGeneral:Permission denied")
        return account


def _signature(question: Question, given: Mapping[str, str], secret: str) -> str:
    """HMAC SHA512 over the path and the SHA256 of nonce and body, in base 64, by the secret that base 64 holds."""
    if not (nonce := given.get("nonce", "")).isascii() or not nonce.isdigit():
        raise ApiError("EAPI:Invalid nonce")
    digest = hashlib.sha256((nonce + question.body).encode()).digest()
    signed = hmac.new(base64.b64decode(secret), question.path.encode() + digest, hashlib.sha512).digest()
    return base64.b64encode(signed).decode()


def parameters(question: Question) -> dict[str, str]:
    """Of a form, or of JSON, of which lists become comma-separated."""
    if not question.headers.get("Content-Type", "").startswith("application/json"):
        return dict(urllib.parse.parse_qsl(question.body))
    try:
        told = json.loads(question.body)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise ApiError("EGeneral:Invalid arguments")
    return {name: ",".join(map(str, value)) if isinstance(value, list) else str(value) for name, value in told.items()}


def text_id(number: int) -> str:
    """OXXXXX-XXXXX-XXXXXX, as transactions are called."""
    digits = f"{number:016X}"
    return f"O{digits[:5]}-{digits[5:10]}-{digits[10:]}"


def number_of(text: str) -> int | None:
    try:
        return int(text.removeprefix("O").replace("-", ""), 16)
    except (ValueError, binascii.Error):
        return None


# --- endpoints -------------------------------------------------------------------------------------------------------


def _open(call: Call) -> Json:
    return {"open": {text_id(each.order.id): _order(each) for each in call.segment.desk.open_of(call.signer.name)}}


def _query(call: Call) -> Json:
    wanted = _named(call, "txid", _MOST_QUERIED)
    known = {text_id(each.order.id): each for market in _all(call) for each in market}
    if missing := [name for name in wanted if name not in known]:
        raise ApiError("EOrder:Unknown order" if len(missing) == len(wanted) else "EOrder:Invalid order")
    return {name: _order(known[name]) for name in wanted}


def _all(call: Call) -> Iterable[list[Ticket]]:
    return (call.segment.desk.of(call.signer.name, market) for market in call.segment.markets.values())


def _order(each: Ticket) -> Json:
    order, market = each.order, each.market
    turnover = Decimal(each.turnover).scaleb(-market.listing.price_decimals - market.listing.lot_decimals)
    average = Decimal(each.turnover) / order.filled if order.filled else Decimal(0)
    return {
        "refid": None,
        "userref": 0,
        "cl_ord_id": each.client_id,
        "status": _STATES[order.state],
        "opentm": each.placed / 1000,
        "starttm": 0,
        "expiretm": 0,
        "descr": _described(each),
        "vol": names.quantity(market, order.quantity),
        "vol_exec": names.quantity(market, order.filled),
        "cost": f"{turnover:.5f}",
        "fee": f"{turnover * SpotMoney.fee:.5f}",
        "price": f"{average.scaleb(-market.listing.price_decimals):.5f}",
        "stopprice": names.price(market, each.stop),
        "limitprice": names.price(market, order.price if each.stop is not None else 0),
        "misc": "",
        "oflags": "post,fciq" if order.post_only else "fciq",
        "trigger": "last",
        "reason": None,
    }


def _described(each: Ticket) -> Json:
    order, market = each.order, each.market
    first, second = (each.stop, order.price) if each.stop is not None else (order.price, 0)
    side, pair = order.side.name.lower(), names.alternative(market)
    size, price = names.quantity(market, order.quantity), names.price(market, first)
    return {
        "pair": pair,
        "aclass": "forex",
        "type": side,
        "ordertype": each.kind,
        "price": price,
        "price2": names.price(market, second),
        "leverage": "none",
        "order": f"{side} {size} {pair} @ {each.kind.replace('-', ' ')} {price}",
        "close": "",
    }


def _add(call: Call) -> Json:
    placed = _ticket(call)
    try:
        call.segment.desk.place(placed)
    except RefusalError as error:
        raise ApiError(_REFUSED[error.why]) from None
    return {"descr": {"order": _described(placed)["order"]}, "txid": [text_id(placed.order.id)]}


def _ticket(call: Call) -> Ticket:
    market, kind, side = call.market(), call.params.get("ordertype", ""), _SIDES.get(call.params.get("type", ""))
    if side is None or kind not in {"limit", "market", *_WAITING}:
        raise ApiError("EGeneral:Invalid arguments:ordertype")
    waits = kind in _WAITING
    price = _units(call, "price2" if waits else "price", market) if kind == "limit" or _WAITING.get(kind) else None
    stop = _units(call, "price", market) if waits else None
    in_force = TimeInForce(call.params["timeinforce"]) if call.params.get("timeinforce") in {"IOC"} else TimeInForce.GTC
    post_only = "post" in call.params.get("oflags", "").split(",")
    order = Order(next(market.ids), side, price, _lots(call, market), in_force, post_only, owner=call.signer.name)
    name = call.params.get("cl_ord_id") or text_id(order.id)
    rises = kind.startswith("take-profit") is (side is Side.SELL)
    return Ticket(call.signer.name, market, order, name, kind, call.exchange.stamp(), stop, rises)


def _units(call: Call, name: str, market: Market) -> int:
    units = _number(call, name).scaleb(market.listing.price_decimals)
    if units <= 0 or units % market.tick:
        raise ApiError("EOrder:Invalid price:Invalid price argument")
    return int(units)


def _lots(call: Call, market: Market) -> int:
    """Kraken cuts off what is beyond its eight decimals; here it is what the book counts in."""
    lots = int(_number(call, "volume").scaleb(market.listing.lot_decimals))
    if lots < max(1, market.listing.min_notional):
        raise ApiError("EOrder:Order minimum not met")
    return lots


def _number(call: Call, name: str) -> Decimal:
    if not _NUMBER.fullmatch(text := call.params.get(name, "")):
        raise ApiError(f"EGeneral:Invalid arguments:{name}")
    return Decimal(text)


def _cancel(call: Call) -> Json:
    (name, *_) = _named(call, "txid", 1)
    if (each := _standing(call).get(name)) is None:
        raise ApiError("EOrder:Unknown order")
    try:
        call.segment.desk.cancel(each, call.exchange.stamp())
    except RefusalError as error:
        raise ApiError(_REFUSED[error.why]) from None
    return {"count": 1}


def _cancel_batch(call: Call) -> Json:
    """What is not open any more counts for nothing."""
    standing = _standing(call)
    found = [standing[name] for name in _named(call, "orders", _MOST_CANCELLED) if name in standing]
    return {"count": len(call.segment.desk.cancel_all(found, call.exchange.stamp()))}


def _cancel_all(call: Call) -> Json:
    return {"count": len(call.segment.desk.cancel_all(_standing(call).values(), call.exchange.stamp()))}


def _standing(call: Call) -> dict[str, Ticket]:
    return {text_id(each.order.id): each for each in call.segment.desk.open_of(call.signer.name)}


def _fills(call: Call) -> Json:
    """The latest first, a page of them; nothing is bought on margin, so that there are none of positions."""
    start, end = (_number(call, name) if name in call.params else None for name in ("start", "end"))
    found = [
        (each, fill)
        for market in _all(call)
        for each in market
        for fill in each.fills
        if (start is None or fill.at / 1000 > start) and (end is None or fill.at / 1000 <= end)
    ]
    if call.params.get("type", "all") not in ("all", "no position"):
        found = []
    found.sort(key=lambda pair: pair[1].at, reverse=True)
    skipped = int(_number(call, "ofs")) if "ofs" in call.params else 0
    page = found[skipped : skipped + _FILLS]
    return {"trades": {_trade_id(*pair): _trade(*pair) for pair in page}, "count": len(found)}


def _trade_id(each: Ticket, fill: Fill) -> str:
    return text_id(each.order.id * 2**12 + fill.trade_id % 2**12).replace("O", "T", 1)


def _trade(each: Ticket, fill: Fill) -> Json:
    base, quote = amounts(each.market, fill)
    return {
        "ordertxid": text_id(each.order.id),
        "postxid": "TKH2SE-M7IF5-CFI7LT",
        "pair": names.pair(each.market),
        "aclass": "forex",
        "time": fill.at / 1000,
        "type": each.order.side.name.lower(),
        "ordertype": each.kind,
        "price": names.price(each.market, fill.price),
        "cost": f"{quote:.5f}",
        "fee": f"{quote * SpotMoney.fee:.5f}",
        "vol": f"{base:.8f}",
        "margin": "0.00000",
        "leverage": "0",
        "misc": "",
        "trade_id": fill.trade_id,
        "maker": fill.maker,
    }


def _named(call: Call, key: str, most: int) -> list[str]:
    found = [name for name in call.params.get(key, "").split(",") if name]
    if not found or len(found) > most or any(number_of(name) is None for name in found):
        raise ApiError(f"EGeneral:Invalid arguments:{key}")
    return found


PRIVATE: Mapping[str, Callable[[Call], Json]] = {
    **FUNDS,
    "OpenOrders": _open,
    "QueryOrders": _query,
    "TradesHistory": _fills,
    "AddOrder": _add,
    "CancelOrder": _cancel,
    "CancelOrderBatch": _cancel_batch,
    "CancelAll": _cancel_all,
}
