"""What an account holds: which wallets an exchange keeps for it, and what of them belongs to the account."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from occ.http import bad_response

from . import margin
from .account import INVERSE, LINEAR, SPOT, Keyed, one_page
from .shape import flag, maybe, number, record, records, word

WHAT = "balances"
BEHALF = "fetch_balance"
"""The method of ccxt as which the requests are counted."""

MOST_ASSETS = 5_000
"""More than any of these exchanges lists."""


@dataclass(frozen=True, slots=True)
class Balance:
    """Of one asset, in its units. `total` is what belongs to the account: with the open profit of contracts that are settled in the
    asset, and less what is owed, so that it may be negative.

    `free` may be used now, `used` is held by open orders and as margin. Both are the venue's own words, which need not add up to
    `total`; None where it says nothing.
    """

    total: Decimal
    free: Decimal | None
    used: Decimal | None

    def __add__(self, other: Balance) -> Balance:
        return Balance(self.total + other.total, _sum(self.free, other.free), _sum(self.used, other.used))


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one + other


Found = Iterator[tuple[str, Balance]]
"""Balances by the exchange's own names of assets; one may come several times."""


@dataclass(frozen=True, slots=True)
class Wallet:
    """One request for what an account holds that trades in any of `markets`; `read` takes an answer apart and is pure.

    `after` tells of an answer how the next page is asked for, `there` whether the account has such a wallet, where not all have.
    """

    markets: tuple[str, ...]
    method: str
    read: Callable[[Any], Found]
    params: Mapping[str, Any] = field(default_factory=dict)
    after: Callable[[Any], Mapping[str, Any]] = one_page
    there: Callable[[Keyed], Awaitable[bool]] | None = None


# --- exchanges -------------------------------------------------------------------------------------------------------


def binance_spot(told: Any) -> Found:
    """Spot API, "Account information"."""
    for each in records(record(told, WHAT).get("balances"), WHAT):
        free, locked = number(each, "free"), number(each, "locked")
        yield word(each, "asset"), Balance(free + locked, free, locked)


def binance_contracts(told: Any) -> Found:
    """USD-M futures, "Account Information V3"; COIN-M, "Account Information". The margin balance of an asset is the
    wallet and the open profit. In multi-assets mode each asset tells as free what all of them together allow.
    """
    for each in records(record(told, WHAT).get("assets"), WHAT):
        total = number(each, "marginBalance")
        yield word(each, "asset"), Balance(total, number(each, "availableBalance"), number(each, "initialMargin"))


def bybit(told: Any) -> Found:
    """A unified account, "Get Wallet Balance". The equity of a coin is walletBalance - spotBorrow + unrealisedPnl + the value of
    options. What is free of a coin it does not say: it is what orders and margin leave of that.
    """
    return _bybit(told, "UNIFIED")


def bybit_contracts(told: Any) -> Found:
    """The same page: the wallet beside it that covers inverse contracts in UTA 1.0. The equity of a coin has the open profit."""
    return _bybit(told, "CONTRACT")


def _bybit(told: Any, kind: str) -> Found:
    accounts = records(record(record(told, WHAT).get("result"), WHAT).get("list"), WHAT)
    if [each.get("accountType") for each in accounts] != [kind]:
        raise bad_response(f"balances: not of one {kind} account")
    for each in records(accounts[0].get("coin"), WHAT):
        total = number(each, "equity")
        held = [maybe(each, key) for key in ("locked", "totalPositionIM", "totalOrderIM")]
        used = None if None in held else sum(filter(None, held), Decimal(0))
        yield word(each, "coin"), Balance(total, None if used is None else total - used, used)


async def _inverse_apart(keyed: Keyed) -> bool:
    return INVERSE in margin.bybit_kind(await keyed.venue.ask(BEHALF, "privateGetV5AccountInfo", {})).apart


def coinbase(told: Any) -> Found:
    """Advanced Trade API, "List Accounts": one account for each currency, and for each vault. The dollars of US futures may stand among
    them: `coinbase_futures` has those.
    """
    for each in records(record(told, WHAT).get("accounts"), WHAT):
        if (each.get("platform"), each.get("currency")) == _COINBASE_FUTURES:
            continue
        free, held = (number(record(each.get(key), WHAT), "value") for key in ("available_balance", "hold"))
        yield word(each, "currency"), Balance(free + held, free, held)


def coinbase_futures(told: Any) -> Found:
    """US futures, "Get Futures Balance Summary": what is in their wallet, with the profit that is open and that of the day, which is
    moved at its end. What of that is free it does not say. Nothing of an account without futures.
    """
    if (summary := margin.coinbase_futures(told)) is not None:
        parts = (number(record(summary.get(key), WHAT), "value") for key in _COINBASE_PARTS)
        yield "USD", Balance(sum(parts, Decimal(0)), None, None)


_COINBASE_FUTURES = ("ACCOUNT_PLATFORM_CFM_CONSUMER", "USD")
_COINBASE_PARTS = ("cfm_usd_balance", "unrealized_pnl", "daily_realized_pnl")


def _coinbase_after(told: Any) -> Mapping[str, Any]:
    return {"cursor": word(told, "cursor")} if flag(record(told, WHAT), "has_next") else {}


def deribit(told: Any) -> Found:
    """API method "private/get_account_summaries": the equity is the balance with the open profit and the value of options."""
    summaries = records(record(record(told, WHAT).get("result"), WHAT).get("summaries"), WHAT)
    if not summaries:
        raise bad_response("balances: of no currency, though each of them is told, held or not")
    for each in summaries:
        total = number(each, "equity")
        yield word(each, "currency"), Balance(total, number(each, "available_funds"), number(each, "initial_margin"))


_NAME = re.compile(r"[^\s/:]{1,32}")
_EARNING = re.compile(r"([A-Z0-9]+?)(?:\d\d)?\.([BFMS])")
"""An asset that earns: XBT.F, and with the days for which it is bound DOT28.S."""


def kraken(told: Any) -> Found:
    """Spot API, "Get Extended Balance": available = balance + credit - credit_used - hold_trade; used credit is owed.

    What earns is the asset itself: `.F` can be traded, `.B`, `.M` and `.S` are bound. The open profit of positions on margin is
    not in it.
    """
    for name, told_of in record(record(told, WHAT).get("result"), WHAT).items():
        each = record(told_of, WHAT)
        credit, owed = (maybe(each, key) or Decimal(0) for key in ("credit", "credit_used"))
        balance, held = number(each, "balance"), number(each, "hold_trade")
        if earning := _EARNING.fullmatch(name):
            held = held if earning[2] == "F" else balance
        yield earning[1] if earning else name, Balance(balance - owed, balance + credit - owed - held, held)


def okx(told: Any) -> Found:
    """The trading account, "Get balance". The equity of a currency is the balance, the open profit of cross positions, margin and
    open profit of isolated ones, and the value of options, less interest; a liability is a negative balance ("Multi-currency
    margin mode: cross margin trading").
    """
    accounts = records(record(told, WHAT).get("data"), WHAT)
    if len(accounts) != 1:
        raise bad_response("balances: not of one account")
    for each in records(accounts[0].get("details"), WHAT):
        free = maybe(each, "availEq")
        free = maybe(each, "availBal") if free is None else free
        yield word(each, "ccy"), Balance(number(each, "eq"), free, maybe(each, "frozenBal"))


# --- asking ----------------------------------------------------------------------------------------------------------

_LINEAR = Wallet((LINEAR,), "fapiPrivateV3GetAccount", binance_contracts)
_INVERSE = Wallet((INVERSE,), "dapiPrivateGetAccount", binance_contracts)
_OF_BYBIT = "privateGetV5AccountWalletBalance"

WALLETS: Mapping[str, tuple[Wallet, ...]] = {
    "binance": (
        Wallet((SPOT,), "privateGetAccount", binance_spot, {"omitZeroBalances": "true"}),
        _LINEAR,
        _INVERSE,
    ),
    "binanceusdm": (_LINEAR,),
    "binancecoinm": (_INVERSE,),
    "bybit": (
        Wallet((SPOT, LINEAR, INVERSE), _OF_BYBIT, bybit, {"accountType": "UNIFIED"}),
        Wallet((INVERSE,), _OF_BYBIT, bybit_contracts, {"accountType": "CONTRACT"}, there=_inverse_apart),
    ),
    "coinbase": (
        Wallet((SPOT,), "v3PrivateGetBrokerageAccounts", coinbase, {"limit": "250"}, _coinbase_after),
        Wallet((SPOT,), "v3PrivateGetBrokerageCfmBalanceSummary", coinbase_futures),
    ),
    "deribit": (Wallet((LINEAR, INVERSE), "privateGetGetAccountSummaries", deribit),),
    "kraken": (Wallet((SPOT,), "privatePostBalanceEx", kraken),),
    "okx": (Wallet((SPOT, LINEAR, INVERSE), "privateGetAccountBalance", okx),),
}
"""By ccxt's id. Of Binance neither margin, funding, options nor a portfolio margin account; of Bybit and OKX no funding account; of
Coinbase no perpetuals (INTX), of Kraken no futures.
"""


async def held(keyed: Keyed) -> Mapping[str, Balance] | None:
    """What the account holds by asset, over all wallets in which it trades; None where it is not known how the exchange tells it.

    Raises SourceError: what can not be seen whole is not told in part.
    """
    if (wallets := WALLETS.get(keyed.exchange)) is None:
        return None
    found: dict[str, Balance] = {}
    for wallet in wallets:
        for page in await _told(keyed, wallet):
            for name, balance in wallet.read(page):
                asset = _asset(keyed.venue.asset(name))
                found[asset] = found[asset] + balance if asset in found else balance
    if len(found) > MOST_ASSETS:
        raise bad_response("balances: of more assets than there are")
    return found


async def _told(keyed: Keyed, wallet: Wallet) -> list[Any]:
    """All pages of a wallet; none of one that the account has not, or where it does not trade."""
    if set(wallet.markets).isdisjoint(keyed.traded) or (wallet.there is not None and not await wallet.there(keyed)):
        return []
    return await keyed.pages(BEHALF, wallet.method, wallet.params, wallet.after)


def _asset(name: str) -> str:
    """It becomes a label. Raises bad_response for what no asset is called."""
    if not _NAME.fullmatch(name) or not name.isprintable():
        raise bad_response("balances: of what is no asset")
    return name
