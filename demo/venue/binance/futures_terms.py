"""Binance USD-M futures over HTTP: on what terms an account holds contracts: brackets, leverage, modes, margin of its own."""

from decimal import Decimal

from demo.venue import margin, rights
from demo.venue.market import Market
from demo.venue.positions import BOTH, MarginMoney
from demo.venue.wire import Json

from .futures_orders import money_of
from .market_data import wire
from .protocol import ApiError, Call, Endpoint, Fields, Routes

_CHANGED = {"code": 200, "msg": "success"}


def _brackets(call: Call) -> Json:
    return [{"symbol": wire(market), "notionalCoef": 1.0, "brackets": _levels(market)} for market in call.markets()]


def _levels(market: Market) -> list[Fields]:
    return [
        {
            "bracket": number,
            "initialLeverage": each.leverage,
            "notionalCap": int(each.cap),
            "notionalFloor": int(each.floor),
            "maintMarginRatio": float(each.ratio),
            "cum": float(each.amount),
        }
        for number, each in enumerate(margin.brackets_of(market.listing.base), 1)
    ]


def _mode(call: Call) -> Json:
    return {"dualSidePosition": call.signer.name in money_of(call).hedged}


def _set_mode(call: Call) -> Json:
    money, name = money_of(call), call.signer.name
    wanted = call.text("dualSidePosition").lower() == "true"
    if wanted is (name in money.hedged):
        raise ApiError(-4059, "No need to change position side.")
    if call.segment.desk.open_of(name):
        raise ApiError(-4067, "Position side cannot be changed if there exists open orders.")
    if money.held(name):
        raise ApiError(-4068, "Position side cannot be changed if there exists position.")
    (money.hedged.add if wanted else money.hedged.discard)(name)
    return _CHANGED


def _set_leverage(call: Call) -> Json:
    market, leverage = call.market(), call.integer("leverage") or 0
    money, name = money_of(call), call.signer.name
    of = margin.brackets_of(market.listing.base)
    if not 1 <= leverage <= of[0].leverage:
        raise ApiError(-4028, f"Leverage {leverage} is not valid")
    held = [each for each in money.held(name) if each.market is market]
    if any(margin.bracket(money.notional(each), of).leverage < leverage for each in held):
        raise ApiError(-2027, "Exceeded the maximum allowable position at current leverage.")
    money.terms(name, market).leverage = leverage
    most = max(each.cap for each in of if each.leverage >= leverage)
    return {"leverage": leverage, "maxNotionalValue": str(most), "symbol": wire(market)}


def _set_type(call: Call) -> Json:
    market, kind = call.market(), call.text("marginType").upper()
    money, name = money_of(call), call.signer.name
    if kind not in ("ISOLATED", "CROSSED"):
        raise ApiError(-1102, "Mandatory parameter 'marginType' was not sent, was empty/null, or malformed.")
    terms = money.terms(name, market)
    if terms.isolated is (kind == "ISOLATED"):
        raise ApiError(-4046, "No need to change margin type.")
    if call.segment.desk.open_of(name, market):
        raise ApiError(-4047, "Margin type cannot be changed if there exists open orders.")
    if any(each.market is market for each in money.held(name)):
        raise ApiError(-4048, "Margin type cannot be changed if there exists position.")
    terms.isolated = kind == "ISOLATED"
    return _CHANGED


def _set_margin(call: Call) -> Json:
    """More of the wallet for an isolated position, or less."""
    money, name, market = money_of(call), call.signer.name, call.market()
    amount, kind = call.amount("amount"), call.integer("type")
    held = next(
        (
            each
            for each in money.held(name)
            if each.market is market and each.side == call.params.get("positionSide", BOTH)
        ),
        None,
    )
    if held is None or not money.isolated(held):
        raise ApiError(-4050, "Cross balance insufficient.") if held else ApiError(-4053, "No open position.")
    if kind == 1 and amount > money.available(name):
        raise ApiError(-4050, "Cross balance insufficient.")
    spare = held.position.margin + min(Decimal(0), money.profit(held)) - money.initial(held)
    if kind == 2 and amount > spare:  # noqa: PLR2004 - 1 adds, 2 takes away
        raise ApiError(-4051, "Isolated balance insufficient.")
    held.position.margin += amount if kind == 1 else -amount
    return {"amount": float(amount), "code": 200, "msg": "Successfully modify position margin.", "type": kind}


def _account_config(call: Call) -> Json:
    return {
        "feeTier": 0,
        "canTrade": rights.trades(call.exchange, call.signer),
        "canDeposit": True,
        "canWithdraw": rights.withdraws(call.exchange, call.signer),
        "dualSidePosition": call.signer.name in money_of(call).hedged,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
    }


def _symbol_config(call: Call) -> Json:
    money = money_of(call)
    terms = {market: money.terms(call.signer.name, market) for market in call.markets()}
    return [
        {
            "symbol": wire(market),
            "marginType": "ISOLATED" if each.isolated else "CROSSED",
            "isAutoAddMargin": False,
            "leverage": each.leverage,
            "maxNotionalValue": str(margin.brackets_of(market.listing.base)[-1].cap),
        }
        for market, each in terms.items()
    ]


def _commission(call: Call) -> Json:
    fees = {"makerCommissionRate": f"{MarginMoney.maker_fee}", "takerCommissionRate": f"{MarginMoney.taker_fee}"}
    return {"symbol": wire(call.market()), **fees}


TERMS: Routes = {
    ("GET", "/fapi/v1/leverageBracket"): Endpoint(_brackets, 1, signed=True),
    ("GET", "/fapi/v1/accountConfig"): Endpoint(_account_config, 5, signed=True),
    ("GET", "/fapi/v1/symbolConfig"): Endpoint(_symbol_config, 5, signed=True),
    ("GET", "/fapi/v1/positionSide/dual"): Endpoint(_mode, 30, signed=True),
    ("POST", "/fapi/v1/positionSide/dual"): Endpoint(_set_mode, 1, signed=True, trade=True),
    ("POST", "/fapi/v1/leverage"): Endpoint(_set_leverage, 1, signed=True, trade=True),
    ("POST", "/fapi/v1/marginType"): Endpoint(_set_type, 1, signed=True, trade=True),
    ("POST", "/fapi/v1/positionMargin"): Endpoint(_set_margin, 1, signed=True, trade=True),
    ("GET", "/fapi/v1/commissionRate"): Endpoint(_commission, 20, signed=True),
}
