"""Binance USD-M futures over HTTP: wallet, positions and orders. Conditional orders are algo orders, apart from the plain ones:
what cancels or lists the ones leaves the others alone.
"""

from decimal import Decimal

from demo.venue.desk import Fill, RefusalError, Ticket
from demo.venue.engine import Side
from demo.venue.margin import LEVERAGE, MAINTENANCE, MarginMoney, Position
from demo.venue.market import Market
from demo.venue.wire import Json

from .futures import numbers
from .market_data import wire
from .protocol import ApiError, Call, Endpoint, Fields, Routes, refused, several
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


def _money(call: Call) -> MarginMoney:
    if not isinstance(money := call.segment.desk.money, MarginMoney):
        raise TypeError("futures have margin")
    return money


def _eight(amount: Decimal) -> str:
    return f"{amount:.8f}"


def _held(call: Call) -> list[tuple[Market, Position]]:
    money, markets = _money(call), [call.market()] if "symbol" in call.params else call.segment.markets.values()
    return [(market, money.position(call.signer.name, market)) for market in markets]


def _positions(call: Call) -> Json:
    """Those that are open."""
    return [_position(call, market, position) for market, position in _held(call) if position.lots]


def _every_position(call: Call) -> Json:
    """Also what is flat, as the older version has it."""
    extra = {
        "leverage": str(LEVERAGE),
        "maxNotionalValue": "100000000",
        "marginType": "cross",
        "isAutoAddMargin": "false",
    }
    return [{**_position(call, market, position), **extra} for market, position in _held(call)]


def _position(call: Call, market: Market, position: Position) -> Fields:
    money, at, text = _money(call), call.exchange.clock(), numbers(market)
    listing = market.listing
    notional = money.notional(position, market, at)
    initial = abs(notional) / LEVERAGE
    entry = abs(position.cost / position.lots).scaleb(listing.lot_decimals) if position.lots else Decimal(0)
    return {
        "symbol": wire(market),
        "positionSide": "BOTH",
        "positionAmt": text.quantity(position.lots),
        "entryPrice": _eight(entry),
        "breakEvenPrice": _eight(entry),
        "markPrice": f"{market.mark(at) * listing.price_unit:.8f}",
        "unRealizedProfit": _eight(money.profit(call.signer.name, market, at)),
        "liquidationPrice": _eight(money.liquidation(call.signer.name, market, call.segment.markets.values(), at)),
        "isolatedMargin": "0",
        "notional": _eight(notional),
        "marginAsset": listing.settle,
        "isolatedWallet": "0",
        "initialMargin": _eight(initial),
        "maintMargin": _eight(abs(notional) * MAINTENANCE),
        "positionInitialMargin": _eight(initial),
        "openOrderInitialMargin": "0",
        "adl": 1,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": position.updated,
    }


def _account(call: Call) -> Json:
    asset = _asset(call)
    totals = {
        "totalInitialMargin": asset["initialMargin"],
        "totalMaintMargin": asset["maintMargin"],
        "totalWalletBalance": asset["walletBalance"],
        "totalUnrealizedProfit": asset["unrealizedProfit"],
        "totalMarginBalance": asset["marginBalance"],
        "totalPositionInitialMargin": asset["positionInitialMargin"],
        "totalOpenOrderInitialMargin": asset["openOrderInitialMargin"],
        "totalCrossWalletBalance": asset["crossWalletBalance"],
        "totalCrossUnPnl": asset["crossUnPnl"],
        "availableBalance": asset["availableBalance"],
        "maxWithdrawAmount": asset["maxWithdrawAmount"],
    }
    positions = [{**each, "unrealizedProfit": each["unRealizedProfit"]} for each in _positions(call)]
    rights = {"canTrade": call.signer.trades, "canDeposit": True, "canWithdraw": call.signer.withdraws, "feeTier": 0}
    return {**rights, "multiAssetsMargin": False, **totals, "assets": [asset], "positions": positions}


def _asset(call: Call) -> Fields:
    money, name, at = _money(call), call.signer.name, call.exchange.clock()
    held = _held(call)
    profit = sum((money.profit(name, market, at) for market, _ in held), Decimal(0))
    value = sum((abs(money.notional(position, market, at)) for market, position in held), Decimal(0))
    wallet, ordered = money.wallets[name], sum(money.ordered(name), Decimal(0))
    free = _eight(max(Decimal(0), money.available(name) + min(profit, Decimal(0))))
    return {
        "asset": "USDT",
        "walletBalance": _eight(wallet),
        "unrealizedProfit": _eight(profit),
        "marginBalance": _eight(wallet + profit),
        "maintMargin": _eight(value * MAINTENANCE),
        "initialMargin": _eight(value / LEVERAGE + ordered),
        "positionInitialMargin": _eight(value / LEVERAGE),
        "openOrderInitialMargin": _eight(ordered),
        "crossWalletBalance": _eight(wallet),
        "crossUnPnl": _eight(profit),
        "availableBalance": free,
        "maxWithdrawAmount": free,
        "marginAvailable": True,
        "updateTime": call.stamp,
    }


def _balance(call: Call) -> Json:
    asset = _asset(call)
    kept = (
        "asset",
        "crossWalletBalance",
        "crossUnPnl",
        "availableBalance",
        "maxWithdrawAmount",
        "marginAvailable",
        "updateTime",
    )
    return [{"accountAlias": "SgsR", "balance": asset["walletBalance"], **{name: asset[name] for name in kept}}]


def _brackets(call: Call) -> Json:
    bracket = {
        "bracket": 1,
        "initialLeverage": LEVERAGE,
        "notionalCap": 100_000_000,
        "notionalFloor": 0,
        "maintMarginRatio": float(MAINTENANCE),
        "cum": 0.0,
    }
    return [{"symbol": wire(market), "notionalCoef": 1.0, "brackets": [bracket]} for market in call.markets()]


def _mode(_call: Call) -> Json:
    return {"dualSidePosition": False}


def _placed(call: Call, kinds: dict[str, Kind], *, client_id: str, stop: str) -> Ticket:
    if (kind := kinds.get(call.text("type"))) is None:
        raise ApiError(-1116, "Invalid orderType.")
    placed = ticket(call, kind, client_id=client_id, stop=stop)
    try:
        call.segment.desk.place(placed)
    except RefusalError as error:
        raise refused(error, _REFUSED) from None
    return placed


def _place(call: Call) -> Json:
    return _order(_placed(call, _PLAIN, client_id="newClientOrderId", stop="stopPrice"))


def _order(each: Ticket) -> Fields:
    text, listing = numbers(each.market), each.market.listing
    filled = each.order.filled
    average = Decimal(each.turnover).scaleb(-listing.price_decimals) / filled if filled else Decimal(0)
    return {
        **common(each, text),
        "cumQty": text.quantity(filled),
        "cumQuote": text.turnover(each.turnover),
        "avgPrice": f"{average:.8f}",
        "reduceOnly": each.order.reduce_only,
        "closePosition": False,
        "positionSide": "BOTH",
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
    return _order(each)


def _cancel(call: Call) -> Json:
    each = found(call, order_id="orderId", client_id="origClientOrderId", missing=_UNKNOWN)
    if each.waiting:
        raise ApiError(*_UNKNOWN)
    call.segment.desk.cancel(each, call.stamp)
    return _order(each)


def _standing(call: Call, *, waiting: bool) -> list[Ticket]:
    mine = call.segment.desk.open_of(call.signer.name, call.optional_market())
    return [each for each in mine if each.waiting is waiting]


def _open(call: Call) -> Json:
    return [_order(each) for each in _standing(call, waiting=False)]


def _cancel_all(call: Call) -> Json:
    call.market()
    call.segment.desk.cancel_all(_standing(call, waiting=False), call.stamp)
    return _DONE


def _all(call: Call) -> Json:
    mine = [each for each in call.segment.desk.of(call.signer.name, call.market()) if not each.waiting]
    return [_order(each) for each in mine[-call.limit(500, 1000) :]]


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
        "positionSide": "BOTH",
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
        "reduceOnly": order.reduce_only,
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
        "realizedPnl": _eight(fill.profit),
        "quoteQty": _eight(quote),
        "commission": _eight(quote * _money(call).fee),
        "commissionAsset": listing.settle,
        "time": fill.at,
        "positionSide": "BOTH",
        "buyer": each.order.side is Side.BUY,
        "maker": fill.maker,
    }


SIGNED: Routes = {
    ("GET", "/fapi/v2/account"): Endpoint(_account, 5, signed=True),
    ("GET", "/fapi/v3/account"): Endpoint(_account, 5, signed=True),
    ("GET", "/fapi/v2/balance"): Endpoint(_balance, 5, signed=True),
    ("GET", "/fapi/v3/balance"): Endpoint(_balance, 5, signed=True),
    ("GET", "/fapi/v2/positionRisk"): Endpoint(_every_position, 5, signed=True),
    ("GET", "/fapi/v3/positionRisk"): Endpoint(_positions, 5, signed=True),
    ("GET", "/fapi/v1/leverageBracket"): Endpoint(_brackets, 1, signed=True),
    ("GET", "/fapi/v1/positionSide/dual"): Endpoint(_mode, 30, signed=True),
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
