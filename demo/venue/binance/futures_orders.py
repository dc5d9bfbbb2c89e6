"""Binance USD-M futures over HTTP: orders. Conditional ones are algo orders, apart from the plain ones: what cancels or lists
the ones leaves the others alone.
"""

from collections.abc import Iterable
from decimal import Decimal

from demo.venue.desk import Fill, RefusalError, Ticket
from demo.venue.engine import Side
from demo.venue.positions import BOTH, LONG, SHORT, MarginMoney
from demo.venue.wire import Json

from .futures import numbers
from .market_data import wire
from .protocol import ApiError, Call, Endpoint, Fields, Routes, eight, refused, several
from .trading import Kind, common, fill_fields, found, state, ticket

_PLAIN = {kind.name: kind for kind in (Kind("LIMIT", priced=True), Kind("MARKET", priced=False))}
_ALGO = {
    kind.name: kind
    for kind in (
        Kind("STOP", priced=True, waits=True, in_force="GTC"),
        Kind("STOP_MARKET", priced=False, waits=True),
        Kind("TAKE_PROFIT", priced=True, waits=True, takes_profit=True, in_force="GTC"),
        Kind("TAKE_PROFIT_MARKET", priced=False, waits=True, takes_profit=True),
    )
}
_NOT_AS_MAKER = (
    "Due to the order could not be executed as maker, the Post Only order will be rejected. "
    "The order will not be recorded in the order history"
)
_REFUSED = {
    "duplicate": (-4116, "ClientOrderId is duplicated."),
    "immediately_triggers": (-2021, "Order would immediately trigger."),
    "would_take": (-5022, _NOT_AS_MAKER),
    "halted": (-4140, "Invalid symbol status for opening position."),
}
_UNKNOWN = (-2011, "Unknown order sent.")
_MISSING = (-2013, "Order does not exist.")
_DONE = {"code": 200, "msg": "The operation of cancel all open order is done."}


def money_of(call: Call) -> MarginMoney:
    if not isinstance(money := call.segment.desk.money, MarginMoney):
        raise TypeError("futures have margin")
    return money


def mine_of(call: Call, tickets: Iterable[Ticket]) -> list[Ticket]:
    return [each for each in tickets if each.account == call.signer.name]


def _placed(call: Call, kinds: dict[str, Kind], *, client_id: str, stop: str) -> Ticket:
    if (kind := kinds.get(call.text("type"))) is None:
        raise ApiError(-1116, "Invalid orderType.")
    placed = ticket(call, kind, client_id=client_id, stop=stop)
    _place_for(call, placed)
    try:
        call.segment.desk.place(placed)
    except RefusalError as error:
        raise refused(error, _REFUSED) from None
    return placed


def _place_for(call: Call, placed: Ticket) -> None:
    """Which position it is for: in hedge mode that must be said, and says whether the order only reduces."""
    side = call.params.get("positionSide", BOTH).upper()
    if side not in money_of(call).sides(call.signer.name):
        raise ApiError(-4061, "Order's position side does not match user's setting.")
    if side != BOTH and "reduceOnly" in call.params:
        raise ApiError(-1106, "Parameter 'reduceonly' sent when not required.")
    placed.position = side
    if (side, placed.order.side) in ((LONG, Side.SELL), (SHORT, Side.BUY)):
        placed.order.reduce_only = True
    elif side != BOTH and placed.closes:
        raise ApiError(-4509, "Time in Force (TIF) GTE can only be used with open positions.")


def _place(call: Call) -> Json:
    return order(_placed(call, _PLAIN, client_id="newClientOrderId", stop="stopPrice"))


def order(each: Ticket) -> Fields:
    text, listing = numbers(each.market), each.market.listing
    filled = each.order.filled
    average = Decimal(each.turnover).scaleb(-listing.price_decimals) / filled if filled else Decimal(0)
    return {
        **common(each, text),
        "cumQty": text.quantity(filled),
        "cumQuote": text.turnover(each.turnover),
        "avgPrice": eight(average),
        "reduceOnly": each.order.reduce_only and each.position == BOTH,
        "closePosition": False,
        "positionSide": each.position,
        "stopPrice": text.price(each.stop),
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": each.kind,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0,
        "time": each.placed,
        "updateTime": each.updated,
    }


def _query(call: Call) -> Json:
    each = found(call, order_id="orderId", client_id="origClientOrderId", missing=_MISSING)
    if each.waiting:
        raise ApiError(*_MISSING)
    return order(each)


def _cancel(call: Call) -> Json:
    each = found(call, order_id="orderId", client_id="origClientOrderId", missing=_UNKNOWN)
    if each.waiting:
        raise ApiError(*_UNKNOWN)
    call.segment.desk.cancel(each, call.stamp)
    return order(each)


def _standing(call: Call, *, waiting: bool) -> list[Ticket]:
    mine = call.segment.desk.open_of(call.signer.name, call.optional_market())
    return [each for each in mine if each.waiting is waiting]


def _open(call: Call) -> Json:
    return [order(each) for each in _standing(call, waiting=False)]


def _cancel_all(call: Call) -> Json:
    call.market()
    call.segment.desk.cancel_all(_standing(call, waiting=False), call.stamp)
    return _DONE


def _all(call: Call) -> Json:
    mine = [each for each in call.segment.desk.of(call.signer.name, call.market()) if not each.waiting]
    return [order(each) for each in mine[-call.limit(500, 1000) :]]


def _place_algo(call: Call) -> Json:
    if call.text("algoType") != "CONDITIONAL":
        raise ApiError(-1116, "Invalid algoType.")
    return _algo(_placed(call, _ALGO, client_id="clientAlgoId", stop="triggerPrice"))


def _algo(each: Ticket) -> Fields:
    text, order = numbers(each.market), each.order
    sent = not each.waiting and state(each) not in ("CANCELED", "EXPIRED")
    return {
        "algoId": order.id,
        "clientAlgoId": each.client_id,
        "algoType": "CONDITIONAL",
        "orderType": each.kind,
        "symbol": wire(each.market),
        "side": order.side.name,
        "positionSide": each.position,
        "timeInForce": order.time_in_force.value,
        "quantity": text.quantity(0 if each.closes and each.waiting else order.quantity),
        "algoStatus": "FINISHED" if sent else state(each),
        "actualOrderId": str(order.id) if sent else "",
        "triggerPrice": text.price(each.stop),
        "price": text.price(order.price),
        "icebergQuantity": None,
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": "CONTRACT_PRICE",
        "priceMatch": "NONE",
        "closePosition": each.closes,
        "priceProtect": False,
        "reduceOnly": order.reduce_only and each.position == BOTH,
        "createTime": each.placed,
        "updateTime": each.updated,
        "triggerTime": each.updated if sent else 0,
        "goodTillDate": 0,
    }


def _algo_of(call: Call, missing: tuple[int, str]) -> Ticket:
    """By either id, which are unique here: no symbol is needed."""
    number, name = call.integer("algoId"), call.params.get("clientAlgoId")
    for market in call.segment.markets.values():
        for each in call.segment.desk.of(call.signer.name, market):
            if each.stop is not None and (each.order.id == number or (number is None and each.client_id == name)):
                return each
    raise ApiError(*missing)


def _query_algo(call: Call) -> Json:
    return _algo(_algo_of(call, _MISSING))


def _cancel_algo(call: Call) -> Json:
    each = _algo_of(call, _UNKNOWN)
    if not each.waiting:
        raise ApiError(*_UNKNOWN)
    call.segment.desk.cancel(each, call.stamp)
    return {"algoId": each.order.id, "clientAlgoId": each.client_id, "code": "200", "msg": "success"}


def _open_algo(call: Call) -> Json:
    return [_algo(each) for each in _standing(call, waiting=True)]


def _cancel_all_algo(call: Call) -> Json:
    call.market()
    call.segment.desk.cancel_all(_standing(call, waiting=True), call.stamp)
    return _DONE


def _my_trades(call: Call) -> Json:
    mine = call.segment.desk.of(call.signer.name, call.market())
    fills = sorted(((each, fill) for each in mine for fill in each.fills), key=lambda pair: pair[1].trade_id)
    return [_my_trade(call, *pair) for pair in fills[-call.limit(500, 1000) :]]


def _my_trade(call: Call, each: Ticket, fill: Fill) -> Fields:
    listing, product = each.market.listing, fill.price * fill.quantity
    quote = Decimal(product).scaleb(-listing.price_decimals - listing.lot_decimals)
    return {
        "symbol": wire(each.market),
        "id": fill.trade_id,
        "orderId": each.order.id,
        "side": each.order.side.name,
        **fill_fields(fill, numbers(each.market)),
        "realizedPnl": eight(fill.profit),
        "quoteQty": eight(quote),
        "commission": eight(money_of(call).commission(fill, quote)),
        "commissionAsset": listing.settle,
        "time": fill.at,
        "positionSide": each.position,
        "buyer": each.order.side is Side.BUY,
        "maker": fill.maker,
    }


SIGNED: Routes = {
    ("POST", "/fapi/v1/order"): Endpoint(_place, 0, signed=True, trade=True),
    ("DELETE", "/fapi/v1/order"): Endpoint(_cancel, 1, signed=True, trade=True),
    ("GET", "/fapi/v1/order"): Endpoint(_query, 1, signed=True),
    ("GET", "/fapi/v1/openOrders"): Endpoint(_open, several(1, 40), signed=True),
    ("DELETE", "/fapi/v1/allOpenOrders"): Endpoint(_cancel_all, 1, signed=True, trade=True),
    ("GET", "/fapi/v1/allOrders"): Endpoint(_all, 5, signed=True),
    ("GET", "/fapi/v1/userTrades"): Endpoint(_my_trades, 5, signed=True),
    ("POST", "/fapi/v1/algoOrder"): Endpoint(_place_algo, 0, signed=True, trade=True),
    ("DELETE", "/fapi/v1/algoOrder"): Endpoint(_cancel_algo, 1, signed=True, trade=True),
    ("GET", "/fapi/v1/algoOrder"): Endpoint(_query_algo, 1, signed=True),
    ("GET", "/fapi/v1/openAlgoOrders"): Endpoint(_open_algo, several(1, 40), signed=True),
    ("DELETE", "/fapi/v1/algoOpenOrders"): Endpoint(_cancel_all_algo, 1, signed=True, trade=True),
}
