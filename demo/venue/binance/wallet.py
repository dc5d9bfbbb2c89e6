"""Binance's wallet over HTTP: system status, networks, and what a key may do."""

from demo.venue.faults import Fault
from demo.venue.wire import Json

from .market_data import withdrawn
from .protocol import Call, Endpoint, Fields, Routes
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
    return {
        "ipRestrict": False,
        "createTime": 1_600_000_000_000,
        "enableReading": True,
        "enableWithdrawals": call.signer.withdraws,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": call.signer.trades,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enableSpotAndMarginTrading": call.signer.trades,
        "enablePortfolioMarginTrading": False,
    }


def _no_pairs(_call: Call) -> Json:
    return []


WALLET: Routes = {
    ("GET", "/sapi/v1/system/status"): Endpoint(_system_status, 1),
    ("GET", "/sapi/v1/capital/config/getall"): Endpoint(_coins, 10, signed=True),
    ("GET", "/sapi/v1/account/apiRestrictions"): Endpoint(_restrictions, 1, signed=True),
    ("GET", "/sapi/v1/margin/allPairs"): Endpoint(_no_pairs, 1, signed=True),
    ("GET", "/sapi/v1/margin/isolated/allPairs"): Endpoint(_no_pairs, 10, signed=True),
}
