"""What Kraken tells of an account's money and of its key: balances, margin, deposits and withdrawals."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from demo.venue import rights
from demo.venue.desk import SpotMoney
from demo.venue.transfers import Kind, Outcome, Transfer
from demo.venue.wire import Json

from . import names
from .rest import Call

_DAYS = 90 * 86_400_000  # ms
_ENDS = {Outcome.DONE: "Success", Outcome.FAILED: "Failure"}
_NETWORKS = {"BTC": "Bitcoin", "ETH": "Ethereum (ERC20)", "SOL": "Solana"}


def _money(call: Call) -> SpotMoney:
    if not isinstance(money := call.segment.desk.money, SpotMoney):
        raise TypeError("spot has balances")
    return money


def _balances(call: Call) -> Json:
    return {
        names.asset(asset): {"balance": f"{each.free + each.locked:.10f}", "hold_trade": f"{each.locked:.10f}"}
        for asset, each in _money(call).balances.get(call.signer.name, {}).items()
    }


def _totals(call: Call) -> Json:
    return {asset: each["balance"] for asset, each in _balances(call).items()}


def _trade_balance(call: Call) -> Json:
    """In dollars, at reference prices. Nothing is bought on margin here: no level of margin is told, as where none is used."""
    held, at = _money(call).balances.get(call.signer.name, {}), call.exchange.clock()
    reference = next(iter(call.segment.markets.values())).reference
    worth = sum((float(each.free + each.locked) * reference.dollars(asset, at) for asset, each in held.items()), 0.0)
    told = f"{worth:.4f}"
    nothing = dict.fromkeys(("m", "n", "c", "v", "uv"), "0.0000")
    return {"eb": told, "tb": told, **nothing, "e": told, "mf": told}


def _positions(_call: Call) -> Json:
    return {}


def _key(call: Call) -> Json:
    """0 says that there is no such limit."""
    key, expiry = call.signer, rights.expiry(call.exchange, call.signer)
    allowed = ["query-funds", "query-open-trades", "query-closed-trades", "query-ledger"]
    if rights.trades(call.exchange, key):
        allowed += ["modify-trades", "close-trades"]
    if rights.withdraws(call.exchange, key):
        allowed.append("withdraw-funds")
    created = "1600000000"
    return {
        "apiKeyName": key.name,
        "apiKey": key.api_key,
        "nonce": call.params.get("nonce", "0"),
        "nonceWindow": 0,
        "permissions": allowed,
        "iban": "",
        "validUntil": "0" if expiry is None else str(max(1, round(expiry))),
        "queryFrom": "0",
        "queryTo": "0",
        "createdTime": created,
        "modifiedTime": created,
        "ipAllowlist": list(key.addresses),
        "lastUsed": str(round(call.at)),
    }


def _withdrawals(call: Call) -> Json:
    return _listed(call, Kind.WITHDRAWAL, "withdrawals", {"key": "desk"})


def _deposits(call: Call) -> Json:
    return _listed(call, Kind.DEPOSIT, "deposit", {})


def _listed(call: Call, kind: Kind, name: str, more: Mapping[str, str]) -> Json:
    """A list; with `cursor`, a page, which is the only one here."""
    wanted = call.params.get("asset")
    since = call.exchange.stamp() - _DAYS
    found = [
        {**_transfer(each), **more}
        for each in call.exchange.transfers.of(call.signer.name, kind)
        if each.began >= since
        and wanted in (None, each.currency, names.asset(each.currency), names.short(each.currency))
    ]
    paged = call.params.get("cursor", "false").lower() != "false"
    return {name: found, "next_cursor": None} if paged else found


def _transfer(each: Transfer) -> dict[str, Json]:
    network = _NETWORKS.get(each.currency, each.network)
    return {
        "method": network,
        "network": network,
        "aclass": "currency",
        "asset": names.asset(each.currency),
        "refid": each.id[:20].upper(),
        "txid": each.transaction if each.closed else None,
        "info": each.address,
        "amount": f"{each.amount:.10f}",
        "fee": f"{Decimal(0):.10f}",
        "time": each.began // 1000,
        "status": _ENDS[each.outcome] if each.closed else "Pending",
    }


FUNDS: Mapping[str, Callable[[Call], Json]] = {
    "Balance": _totals,
    "BalanceEx": _balances,
    "TradeBalance": _trade_balance,
    "OpenPositions": _positions,
    "DepositStatus": _deposits,
    "WithdrawStatus": _withdrawals,
    "GetApiKeyInfo": _key,
}
