"""Binance USD-M futures over HTTP: wallet, positions and their margin."""

from decimal import Decimal

from demo.venue import margin, rights
from demo.venue.faults import Fault
from demo.venue.positions import Held, MarginMoney, entry
from demo.venue.wire import Json

from .futures import numbers
from .futures_orders import money_of
from .market_data import wire
from .protocol import Call, Endpoint, Fields, Routes, eight

_UNIFIED = {"accountStatus": "NORMAL", "virtualMaxWithdrawAmount": "0", "totalMarginOpenLoss": "0"}


# --- positions -------------------------------------------------------------------------------------------------------


def _every(call: Call) -> list[Held]:
    """Open or not."""
    money, name = money_of(call), call.signer.name
    return [
        Held(name, market, side, money.position(name, market, side))
        for market in ([call.market()] if "symbol" in call.params else call.segment.markets.values())
        for side in money.sides(name)
    ]


def _listed(call: Call) -> list[Held]:
    """Those that are open, and those of contracts with orders."""
    ordered = {ticket.market for ticket in call.segment.desk.open_of(call.signer.name)}
    return [each for each in _every(call) if each.position.lots or each.market in ordered]


def _positions(call: Call) -> Json:
    listed = _listed(call)
    if call.exchange.befalls(Fault.OTHER_ACCOUNT, call.signer.name):
        return [_unified_position(call, each) for each in listed]
    return [_position(call, each) for each in listed]


def _every_position(call: Call) -> Json:
    """As the older version has it: also what is flat, without the margins."""
    return [_older(call, each) for each in _every(call)]


def _basic(call: Call, held: Held) -> Fields:
    money, market = money_of(call), held.market
    open_price = entry(market, held.position)
    price = money.liquidation(held) if held.position.lots else None
    alone = money.isolated(held)
    profit = money.profit(held)
    return {
        "symbol": wire(market),
        "positionSide": held.side,
        "positionAmt": numbers(market).quantity(held.position.lots),
        "entryPrice": eight(open_price),
        "breakEvenPrice": eight(_even(open_price, held)),
        "markPrice": eight(money.mark(market)),
        "unRealizedProfit": eight(profit),
        "liquidationPrice": eight(price) if price else "0",
        "isolatedMargin": eight(held.position.margin + profit) if alone and held.position.lots else "0",
        "notional": eight(money.notional(held)),
        "isolatedWallet": eight(held.position.margin) if alone and held.position.lots else "0",
        "updateTime": held.position.updated,
    }


def _even(open_price: Decimal, held: Held) -> Decimal:
    """The price at which the position is closed without a loss, the fees of both trades paid."""
    fee = MarginMoney.taker_fee if held.position.lots > 0 else -MarginMoney.taker_fee
    return open_price * (1 + fee) / (1 - fee)


def _position(call: Call, held: Held) -> Fields:
    money = money_of(call)
    initial, ordered = money.initial(held), _ordered(call, held)
    clearing = call.segment.clearing
    return {
        **_basic(call, held),
        "marginAsset": held.market.listing.settle,
        "initialMargin": eight(initial + ordered),
        "maintMargin": eight(money.maintained(held)),
        "positionInitialMargin": eight(initial),
        "openOrderInitialMargin": eight(ordered),
        "adl": clearing.rank(held) if clearing and held.position.lots else 0,
        "bidNotional": "0",
        "askNotional": "0",
    }


def _ordered(call: Call, held: Held) -> Decimal:
    """What orders for this position hold."""
    found = money_of(call).ordered(call.signer.name)
    mine = (amount for each, amount in found if (each.market, each.position) == (held.market, held.side))
    return sum(mine, Decimal(0))


def _older(call: Call, held: Held) -> Fields:
    terms = money_of(call).terms(held.account, held.market)
    of = margin.brackets_of(held.market.listing.base)
    return {
        **_basic(call, held),
        "leverage": str(terms.leverage),
        "maxNotionalValue": str(max((each.cap for each in of if each.leverage >= terms.leverage), default=of[-1].cap)),
        "marginType": "isolated" if terms.isolated else "cross",
        "isAutoAddMargin": "false",
        "isolated": terms.isolated,
        "adlQuantile": 0,
    }


# --- account ---------------------------------------------------------------------------------------------------------


def _account(call: Call) -> Json:
    if call.exchange.befalls(Fault.OTHER_ACCOUNT, call.signer.name):
        return _unified(call)
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
    return {**totals, "assets": [asset], "positions": [_held(call, each) for each in _listed(call)]}


def _held(call: Call, held: Held) -> Fields:
    """A position as the account tells it."""
    money = money_of(call)
    initial, ordered = money.initial(held), _ordered(call, held)
    alone = money.isolated(held)
    profit = money.profit(held)
    return {
        "symbol": wire(held.market),
        "positionSide": held.side,
        "positionAmt": numbers(held.market).quantity(held.position.lots),
        "unrealizedProfit": eight(profit),
        "isolatedMargin": eight(held.position.margin + profit) if alone else "0",
        "notional": eight(money.notional(held)),
        "isolatedWallet": eight(held.position.margin) if alone else "0",
        "initialMargin": eight(initial + ordered),
        "maintMargin": eight(money.maintained(held)),
        "updateTime": held.position.updated,
    }


def _account_before(call: Call) -> Json:
    """As the older version has it: with rights, and every contract."""
    if call.exchange.befalls(Fault.OTHER_ACCOUNT, call.signer.name):
        return _unified(call)
    money, name = money_of(call), call.signer.name
    rights_of = {
        "feeTier": 0,
        "feeBurn": True,
        "canTrade": rights.trades(call.exchange, call.signer),
        "canDeposit": True,
        "canWithdraw": rights.withdraws(call.exchange, call.signer),
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
    }
    positions = [
        {
            **_held(call, each),
            "positionInitialMargin": eight(money.initial(each)),
            "openOrderInitialMargin": eight(_ordered(call, each)),
            "leverage": str(money.terms(name, each.market).leverage),
            "isolated": money.isolated(each),
            "entryPrice": eight(entry(each.market, each.position)),
            "bidNotional": "0",
            "askNotional": "0",
        }
        for each in _every(call)
    ]
    return {**rights_of, **_account(call), "positions": positions}


def _asset(call: Call) -> Fields:
    """The totals: margins and profits of all positions, cross or not; what is available is of the cross wallet."""
    money, name = money_of(call), call.signer.name
    held = money.held(name)
    profit = sum(map(money.profit, held), Decimal(0))
    initial, ordered = sum(map(money.initial, held), Decimal(0)), sum((it for _, it in money.ordered(name)), Decimal(0))
    wallet, free = money.wallets[name], eight(max(Decimal(0), money.available(name)))
    crossed = (money.profit(each) for each in held if not money.isolated(each))
    return {
        "asset": "USDT",
        "walletBalance": eight(wallet),
        "unrealizedProfit": eight(profit),
        "marginBalance": eight(wallet + profit),
        "maintMargin": eight(sum(map(money.maintained, held), Decimal(0))),
        "initialMargin": eight(initial + ordered),
        "positionInitialMargin": eight(initial),
        "openOrderInitialMargin": eight(ordered),
        "crossWalletBalance": eight(money.cross_wallet(name)),
        "crossUnPnl": eight(sum(crossed, Decimal(0))),
        "availableBalance": free,
        "maxWithdrawAmount": eight(money.withdrawable(name)),
        "marginAvailable": True,
        "updateTime": call.stamp,
    }


def _balance(call: Call) -> Json:
    asset = _asset(call)
    if call.exchange.befalls(Fault.OTHER_ACCOUNT, call.signer.name):
        return [
            {"asset": "USDT", "totalWalletBalance": asset["walletBalance"], "umWalletBalance": asset["walletBalance"]}
        ]
    kept = ("asset", "crossWalletBalance", "crossUnPnl", "availableBalance", "maxWithdrawAmount")
    head = {"accountAlias": "SgsR", "balance": asset["walletBalance"], **{name: asset[name] for name in kept}}
    return [{**head, "marginAvailable": True, "updateTime": call.stamp}]


def _unified(call: Call) -> Fields:
    """An account as /papi/v1/account tells that of portfolio margin."""
    asset = _asset(call)
    money = money_of(call)
    ratio = Decimal(1 / usage).quantize(Decimal("0.00000001")) if (usage := money.usage(call.signer.name)) else 0
    return {
        "uniMMR": str(ratio),
        "accountEquity": asset["marginBalance"],
        "actualEquity": asset["marginBalance"],
        "accountInitialMargin": asset["initialMargin"],
        "accountMaintMargin": asset["maintMargin"],
        **_UNIFIED,
        "totalAvailableBalance": asset["availableBalance"],
        "updateTime": call.stamp,
    }


def _unified_position(call: Call, held: Held) -> Fields:
    """As /papi/v1/um/positionRisk tells it: no margin of its own."""
    older = _older(call, held)
    kept = ("symbol", "positionSide", "positionAmt", "entryPrice", "markPrice", "unRealizedProfit", "liquidationPrice")
    return {**{name: older[name] for name in (*kept, "notional", "maxNotionalValue", "updateTime")}, "leverage": "0"}


ACCOUNT: Routes = {
    ("GET", "/fapi/v2/account"): Endpoint(_account_before, 5, signed=True),
    ("GET", "/fapi/v3/account"): Endpoint(_account, 5, signed=True),
    ("GET", "/fapi/v2/balance"): Endpoint(_balance, 5, signed=True),
    ("GET", "/fapi/v3/balance"): Endpoint(_balance, 5, signed=True),
    ("GET", "/fapi/v2/positionRisk"): Endpoint(_every_position, 5, signed=True),
    ("GET", "/fapi/v3/positionRisk"): Endpoint(_positions, 5, signed=True),
}
