"""Binance spot over HTTP: balances and orders, plain and conditional."""

from decimal import Decimal

from demo.venue import rights
from demo.venue.desk import Fill, SpotMoney, Ticket
from demo.venue.engine import Side
from demo.venue.wire import Json

from .market_data import wire
from .protocol import ApiError, Call, Endpoint, Fields, Routes, eight, several
from .spot import numbers
from .trading import Kind, common, fill_fields, found, ticket

_KINDS = {
    kind.name: kind
    for kind in (
        Kind("LIMIT", priced=True),
        Kind("LIMIT_MAKER", priced=True, post_only=True),
        Kind("MARKET", priced=False),
        Kind("STOP_LOSS", priced=False, waits=True),
        Kind("STOP_LOSS_LIMIT", priced=True, waits=True),
        Kind("TAKE_PROFIT", priced=False, waits=True, takes_profit=True),
        Kind("TAKE_PROFIT_LIMIT", priced=True, waits=True, takes_profit=True),
    )
}
_NO_LIST = {"orderListId": -1}
_UNKNOWN = (-2011, "Unknown order sent.")
_MISSING = (-2013, "Order does not exist.")


def balances(call: Call) -> list[Fields]:
    money = call.segment.desk.money
    if not isinstance(money, SpotMoney):
        raise TypeError("spot has balances")
    mine = money.balances.get(call.signer.name, {})
    if call.params.get("omitZeroBalances", "").lower() == "true":
        mine = {asset: each for asset, each in mine.items() if each.free or each.locked}
    return [{"asset": asset, "free": eight(each.free), "locked": eight(each.locked)} for asset, each in mine.items()]


def _account(call: Call) -> Json:
    fee = eight(SpotMoney.fee)
    return {
        "makerCommission": 10,
        "takerCommission": 10,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {"maker": fee, "taker": fee, "buyer": eight(Decimal(0)), "seller": eight(Decimal(0))},
        "canTrade": rights.trades(call.exchange, call.signer),
        "canWithdraw": rights.withdraws(call.exchange, call.signer),
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": call.stamp,
        "accountType": "SPOT",
        "balances": balances(call),
        "permissions": ["SPOT"],
    }


def _place(call: Call) -> Json:
    if (kind := _KINDS.get(call.text("type"))) is None:
        raise ApiError(-1116, "Invalid orderType.")
    placed = ticket(call, kind, client_id="newClientOrderId", stop="stopPrice")
    call.segment.desk.place(placed)
    if call.params.get("newOrderRespType") == "ACK":
        return _acknowledged(placed)
    return {**_acknowledged(placed), **_order(placed), "fills": [_filled(placed, fill) for fill in placed.fills]}


def _acknowledged(placed: Ticket) -> Fields:
    names = {"symbol": wire(placed.market), "orderId": placed.order.id, "clientOrderId": placed.client_id}
    return {**names, **_NO_LIST, "transactTime": placed.updated}


def _order(each: Ticket) -> Fields:
    text = numbers(each.market)
    return {
        **common(each, text),
        **_NO_LIST,
        "cummulativeQuoteQty": text.turnover(each.turnover),
        "origQuoteOrderQty": text.turnover(0),
        "workingTime": -1 if each.waiting else each.updated,
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }


def _filled(each: Ticket, fill: Fill) -> Fields:
    return {**fill_fields(fill, numbers(each.market)), **commission(each, fill), "tradeId": fill.trade_id}


def commission(each: Ticket, fill: Fill) -> Fields:
    """In the asset that was received."""
    listing, buys = each.market.listing, each.order.side is Side.BUY
    base = Decimal(fill.quantity).scaleb(-listing.lot_decimals)
    quote = Decimal(fill.price * fill.quantity).scaleb(-listing.lot_decimals - listing.price_decimals)
    paid = (base if buys else quote) * SpotMoney.fee
    return {"commission": eight(paid), "commissionAsset": listing.base if buys else listing.quote}


def _known(each: Ticket) -> Fields:
    """An order as it is asked for later."""
    zero = numbers(each.market).quantity(0)
    times = {"time": each.placed, "updateTime": each.updated, "isWorking": not each.waiting}
    return {"stopPrice": numbers(each.market).price(0), "icebergQty": zero, **_order(each), **times}


def _query(call: Call) -> Json:
    return _known(found(call, order_id="orderId", client_id="origClientOrderId", missing=_MISSING))


def _cancel(call: Call) -> Json:
    return _cancelled(call, found(call, order_id="orderId", client_id="origClientOrderId", missing=_UNKNOWN))


def _cancelled(call: Call, each: Ticket) -> Fields:
    call.segment.desk.cancel(each, call.stamp)
    return _gone(each)


def _gone(each: Ticket) -> Fields:
    return {**_order(each), "origClientOrderId": each.client_id, "transactTime": each.updated}


def _open(call: Call) -> Json:
    return [_known(each) for each in call.segment.desk.open_of(call.signer.name, call.optional_market())]


def _cancel_all(call: Call) -> Json:
    standing = call.segment.desk.open_of(call.signer.name, call.market())
    if not standing:
        raise ApiError(*_UNKNOWN)
    return [_gone(each) for each in call.segment.desk.cancel_all(standing, call.stamp)]


def _all(call: Call) -> Json:
    first = call.integer("orderId") or 0
    mine = [each for each in call.segment.desk.of(call.signer.name, call.market()) if each.order.id >= first]
    limit = call.limit(500, 1000)
    return [_known(each) for each in (mine[:limit] if first else mine[-limit:])]


def _my_trades(call: Call) -> Json:
    market, wanted, first = call.market(), call.integer("orderId"), call.integer("fromId") or 0
    mine = [each for each in call.segment.desk.of(call.signer.name, market) if wanted in (None, each.order.id)]
    fills = [(each, fill) for each in mine for fill in each.fills if fill.trade_id >= first]
    fills.sort(key=lambda pair: pair[1].trade_id)
    limit = call.limit(500, 1000)
    return [_my_trade(*pair) for pair in (fills[:limit] if first else fills[-limit:])]


def _my_trade(each: Ticket, fill: Fill) -> Fields:
    return {
        "symbol": wire(each.market),
        "id": fill.trade_id,
        "orderId": each.order.id,
        **_NO_LIST,
        **fill_fields(fill, numbers(each.market)),
        "quoteQty": numbers(each.market).turnover(fill.price * fill.quantity),
        **commission(each, fill),
        "time": fill.at,
        "isBuyer": each.order.side is Side.BUY,
        "isMaker": fill.maker,
        "isBestMatch": True,
    }


SIGNED: Routes = {
    ("GET", "/api/v3/account"): Endpoint(_account, 20, signed=True),
    ("GET", "/api/v3/myTrades"): Endpoint(_my_trades, 20, signed=True),
    ("POST", "/api/v3/order"): Endpoint(_place, 1, signed=True, trade=True),
    ("DELETE", "/api/v3/order"): Endpoint(_cancel, 1, signed=True, trade=True),
    ("GET", "/api/v3/order"): Endpoint(_query, 4, signed=True),
    ("GET", "/api/v3/openOrders"): Endpoint(_open, several(6, 80), signed=True),
    ("DELETE", "/api/v3/openOrders"): Endpoint(_cancel_all, 1, signed=True, trade=True),
    ("GET", "/api/v3/allOrders"): Endpoint(_all, 20, signed=True),
}
