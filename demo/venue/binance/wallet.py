"""Binance's wallet over HTTP: system status, networks, deposits and withdrawals, and what a key may do."""

from datetime import UTC, datetime

from demo.venue import rights
from demo.venue.desk import SpotMoney
from demo.venue.faults import Fault
from demo.venue.positions import Income, MarginMoney
from demo.venue.transfers import Kind, Outcome, Transfer
from demo.venue.wire import Json

from .market_data import withdrawn
from .protocol import ApiError, Call, Endpoint, Fields, Routes
from .spot_orders import balances

_NETWORKS = {
    "BTC": (("BTC", "Bitcoin", "0.00005", 1), ("BSC", "BNB Smart Chain (BEP20)", "0.0000045", 15)),
    "ETH": (("ETH", "Ethereum (ERC20)", "0.0004", 6), ("ARBITRUM", "Arbitrum One", "0.00004", 20)),
    "SOL": (("SOL", "Solana", "0.001", 1),),
}
_OTHERS = (
    ("ETH", "Ethereum (ERC20)", "2", 6),
    ("TRX", "Tron (TRC20)", "1", 1),
    ("BSC", "BNB Smart Chain (BEP20)", "0.1", 15),
)
"""Of every other coin: network, its name, the fee of a withdrawal and the confirmations of a deposit."""

_QUARTER = 90 * 86_400_000  # ms


def _system_status(call: Call) -> Json:
    down = call.exchange.on(Fault.MAINTENANCE)
    return {"status": 1, "msg": "system_maintenance"} if down else {"status": 0, "msg": "normal"}


def _coins(call: Call) -> Json:
    held = {each["asset"]: each for each in balances(call)}
    listings = [market.listing for market in call.segment.markets.values()]
    coins = dict.fromkeys(coin for listing in listings for coin in (listing.base, listing.quote))
    return [_coin(call, coin, held.get(coin, {})) for coin in coins]


def _coin(call: Call, coin: str, held: Fields) -> Fields:
    networks = [_network(call, coin, first=not number, name=name) for number, name in enumerate(_networks(coin))]
    return {
        "coin": coin,
        "depositAllEnable": True,
        "withdrawAllEnable": any(network["withdrawEnable"] for network in networks),
        "name": coin,
        "free": held.get("free", "0"),
        "locked": held.get("locked", "0"),
        "freeze": "0",
        "withdrawing": "0",
        "ipoing": "0",
        "ipoable": "0",
        "storage": "0",
        "isLegalMoney": False,
        "trading": True,
        "networkList": networks,
    }


def _networks(coin: str) -> tuple[tuple[str, str, str, int], ...]:
    return _NETWORKS.get(coin, _OTHERS)


def _network(call: Call, coin: str, *, first: bool, name: tuple[str, str, str, int]) -> Fields:
    network, title, fee, confirmations = name
    suspended = withdrawn(call, coin, network)
    return {
        "network": network,
        "coin": coin,
        "withdrawIntegerMultiple": "0.00000001",
        "isDefault": first,
        "depositEnable": True,
        "withdrawEnable": not suspended,
        "depositDesc": "",
        "withdrawDesc": "The wallet is currently undergoing maintenance. Withdrawals will be resumed shortly."
        if suspended
        else "",
        "specialTips": "",
        "specialWithdrawTips": "",
        "name": title,
        "resetAddressStatus": False,
        "addressRegex": "^[0-9A-Za-z]{20,62}$",
        "memoRegex": "",
        "withdrawFee": fee,
        "withdrawMin": fee,
        "withdrawMax": "9999999",
        "withdrawInternalMin": "0.00000001",
        "depositDust": "0.00000001",
        "minConfirm": confirmations,
        "unLockConfirm": 0,
        "sameAddress": False,
        "estimatedArrivalTime": confirmations,
        "busy": False,
    }


def _restrictions(call: Call) -> Json:
    """The time at which the right to trade ends is told only where it does."""
    trades, expiry = rights.trades(call.exchange, call.signer), rights.expiry(call.exchange, call.signer)
    return {
        "ipRestrict": bool(call.signer.addresses),
        "createTime": 1_600_000_000_000,
        "enableReading": True,
        "enableWithdrawals": rights.withdraws(call.exchange, call.signer),
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": trades,
        "permitsUniversalTransfer": trades,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enableSpotAndMarginTrading": trades,
        "enablePortfolioMarginTrading": False,
        **({"tradingAuthorityExpirationTime": round(expiry * 1000)} if expiry is not None else {}),
    }


# --- deposits and withdrawals ----------------------------------------------------------------------------------------

_WITHDRAWN = {Outcome.DONE: 6, Outcome.FAILED: 5}  # 4 while it is processed
_DEPOSITED = {Outcome.DONE: 1, Outcome.FAILED: 2}  # 0 while it is confirmed


def _status(each: Transfer) -> int:
    if each.kind is Kind.WITHDRAWAL:
        return _WITHDRAWN[each.outcome] if each.closed else 4
    return _DEPOSITED[each.outcome] if each.closed else 0


def _asked(call: Call, kind: Kind) -> list[Transfer]:
    """The latest first, those of ninety days where no time is asked for."""
    start, end = call.between(_QUARTER)
    if end - start > _QUARTER:
        raise ApiError(-1100, "Please make sure the timestamp interval is within 0-90 days.")
    coin, status = call.params.get("coin"), call.integer("status")
    found = [
        each
        for each in call.exchange.transfers.of(call.signer.name, kind)
        if coin in (None, each.currency) and status in (None, _status(each)) and start <= each.began <= end
    ]
    offset = call.integer("offset") or 0
    return found[offset : offset + call.limit(1000, 1000)]


def _withdrawals(call: Call) -> Json:
    return [_withdrawal(each) for each in _asked(call, Kind.WITHDRAWAL)]


def _withdrawal(each: Transfer) -> Fields:
    done = each.closed and each.outcome is Outcome.DONE
    return {
        "id": each.id,
        "amount": f"{each.amount:f}",
        "transactionFee": "0",
        "coin": each.currency,
        "status": _status(each),
        "address": each.address,
        "addressTag": "",
        "txId": each.transaction if done else "",
        "applyTime": _date(each.began),
        "network": each.network,
        "transferType": 0,
        "withdrawOrderId": "",
        "info": "The address is not valid. Please confirm with the recipient" if each.closed and not done else "",
        "confirmNo": 12 if done else 0,
        "walletType": 0,
        "txKey": "",
        **({"completeTime": _date(each.ends)} if done else {}),
    }


def _date(stamp: int) -> str:
    return datetime.fromtimestamp(stamp / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _deposits(call: Call) -> Json:
    return [_deposit(each) for each in _asked(call, Kind.DEPOSIT)]


def _deposit(each: Transfer) -> Fields:
    confirmations = next((it[3] for it in _networks(each.currency) if it[0] == each.network), 1)
    return {
        "id": each.id,
        "amount": f"{each.amount:f}",
        "coin": each.currency,
        "network": each.network,
        "status": _status(each),
        "address": each.address,
        "addressTag": "",
        "txId": each.transaction,
        "insertTime": each.began,
        "transferType": 0,
        "confirmTimes": f"{confirmations if each.closed else 0}/{confirmations}",
        "unlockConfirm": confirmations,
        "walletType": 0,
        **({"completeTime": each.ends} if each.closed else {}),
    }


_WAYS = {"MAIN_UMFUTURE": 1, "UMFUTURE_MAIN": -1}


def _move(call: Call) -> Json:
    """Between spot and contracts, at once; in USDT alone."""
    way, asset, amount, name = _WAYS.get(call.text("type")), call.text("asset"), call.amount("amount"), call.signer.name
    spot, contracts = call.segment.desk.money, call.exchange.segments["futures"].desk.money
    if way is None or asset != "USDT" or not isinstance(spot, SpotMoney) or not isinstance(contracts, MarginMoney):
        raise ApiError(-1102, "Mandatory parameter 'type' was not sent, was empty/null, or malformed.")
    if way < 0 and amount > contracts.withdrawable(name):
        raise ApiError(-5013, "Asset transfer failed: insufficient balance")
    spot.move(name, asset, -way * amount)
    contracts.book(name, Income("TRANSFER", None, way * amount, call.stamp))
    return {"tranId": call.stamp}


def _no_pairs(_call: Call) -> Json:
    return []


WALLET: Routes = {
    ("GET", "/sapi/v1/system/status"): Endpoint(_system_status, 1),
    ("GET", "/sapi/v1/capital/config/getall"): Endpoint(_coins, 10, signed=True),
    ("GET", "/sapi/v1/account/apiRestrictions"): Endpoint(_restrictions, 1, signed=True),
    ("GET", "/sapi/v1/capital/deposit/hisrec"): Endpoint(_deposits, 1, signed=True),
    ("GET", "/sapi/v1/margin/allPairs"): Endpoint(_no_pairs, 1, signed=True),
    ("GET", "/sapi/v1/margin/isolated/allPairs"): Endpoint(_no_pairs, 10, signed=True),
}

BY_SECOND: Routes = {("GET", "/sapi/v1/capital/withdraw/history"): Endpoint(_withdrawals, 18_000, signed=True)}
"""What is counted by the second."""

BY_ACCOUNT: Routes = {("POST", "/sapi/v1/asset/transfer"): Endpoint(_move, 900, signed=True, trade=True)}
"""What is counted as the account's and not as the address'; here all accounts have one count."""
