"""Binance USD-M futures over HTTP: what happened to an account, and what may: statement, forced orders, queue of deleveraging."""

from demo.venue.desk import Forced, Ticket
from demo.venue.market import Market
from demo.venue.positions import BOTH, LONG, SHORT, Income
from demo.venue.wire import Json

from .futures_orders import mine_of, money_of, order
from .market_data import wire
from .protocol import ApiError, Call, Endpoint, Fields, Routes, eight, several

_WEEK = 7 * 86_400_000  # ms


def _income(call: Call) -> Json:
    """The oldest first; the last seven days where no time is asked for."""
    kind, market = call.params.get("incomeType"), call.optional_market()
    start, end = call.between(_WEEK)
    found = [
        each
        for each in money_of(call).statements[call.signer.name]
        if kind in (None, each.kind) and market in (None, each.market) and start <= each.at <= end
    ]
    return [_entry(number, each) for number, each in enumerate(found[: call.limit(100, 1000)], 1)]


def _entry(number: int, each: Income) -> Fields:
    return {
        "symbol": wire(each.market) if each.market else "",
        "incomeType": each.kind,
        "income": eight(each.amount),
        "asset": "USDT",
        "info": each.kind if each.trade_id is None else str(each.trade_id),
        "time": each.at,
        "tranId": each.at * 1000 + number,
        "tradeId": "" if each.trade_id is None else str(each.trade_id),
    }


def _forced(call: Call) -> Json:
    """The latest ones, the oldest first; of the last seven days where no start is asked for."""
    why, market = call.params.get("autoCloseType"), call.optional_market()
    if why is not None and why not in list(Forced):
        raise ApiError(-1102, "Mandatory parameter 'autoCloseType' was not sent, was empty/null, or malformed.")
    start, end = call.between(_WEEK)
    found = [
        each
        for each in mine_of(call, call.segment.desk.forced)
        if why in (None, each.forced) and market in (None, each.market) and start <= each.placed <= end
    ]
    return [_forced_order(each) for each in found[-call.limit(50, 100) :]]


def _forced_order(each: Ticket) -> Fields:
    """A limit order by its name, which takes what there is at any price."""
    told = order(each)
    kind = {"type": "LIMIT", "origType": "LIMIT", "timeInForce": "IOC" if each.forced is Forced.LIQUIDATION else "GTC"}
    kept = (
        "orderId",
        "symbol",
        "status",
        "clientOrderId",
        "avgPrice",
        "origQty",
        "executedQty",
        "cumQuote",
        "closePosition",
    )
    times = {name: told[name] for name in ("side", "positionSide", "workingType", "time", "updateTime")}
    return {
        **{name: told[name] for name in kept},
        **kind,
        **times,
        "price": told["avgPrice"],
        "reduceOnly": False,
        "stopPrice": "0",
    }


def _quantiles(call: Call) -> Json:
    """Of contracts with a position, 0 to 4. Both sides of hedge mode are told one on cross margin, marked by HEDGE."""
    money, clearing, name, asked = money_of(call), call.segment.clearing, call.signer.name, call.optional_market()
    ranks: dict[Market, dict[str, int]] = {}
    for each in money.held(name):
        if asked in (None, each.market):
            ranks.setdefault(each.market, {})[each.side] = clearing.rank(each) if clearing else 0
    nothing = {LONG: 0, SHORT: 0, BOTH: 0}
    told = {market: {**nothing, **sides} for market, sides in ranks.items()}
    for market in told if name in money.hedged else ():
        if not money.terms(name, market).isolated:
            told[market] = {**dict.fromkeys((LONG, SHORT), max(ranks[market].values())), "HEDGE": 0}
    return [{"symbol": wire(market), "adlQuantile": sides} for market, sides in told.items()]


HISTORY: Routes = {
    ("GET", "/fapi/v1/income"): Endpoint(_income, 30, signed=True),
    ("GET", "/fapi/v1/forceOrders"): Endpoint(_forced, several(20, 50), signed=True),
    ("GET", "/fapi/v1/adlQuantile"): Endpoint(_quantiles, 5, signed=True),
}
