"""Margin usage of an account: what each exchange is asked for it. What is made of the answers is in `margin`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from occ.http import bad_response

from . import margin
from .account import INVERSE, LINEAR, Keyed
from .margin import Usage, worst
from .shape import Record, number, record, records, word

BEHALF = "fetch_balance"
"""The method of ccxt as which the requests are counted."""


async def usage(keyed: Keyed) -> Usage | None:
    """Of an account; None where it is not known how the exchange tells it, or where nothing that the account trades needs margin.

    Raises SourceError: with one list of several missing nobody knows which pot is the worst.
    """
    asked = EXCHANGES.get(keyed.exchange)
    return None if asked is None else await asked(keyed)


async def _ask(keyed: Keyed, method: str, **params: Any) -> Any:
    return await keyed.venue.ask(BEHALF, method, params)


async def _settled(keyed: Keyed, kind: str, symbols: Iterable[str] = ()) -> Mapping[str, str]:
    """The margin assets of all contracts of a kind by the exchange's own names; of these symbols also when they are new."""
    found = _settling(await keyed.venue.markets(), kind)
    if not found.keys() >= set(symbols):
        await keyed.venue.refresh()
        found = _settling(await keyed.venue.markets(), kind)
    return found


def _settling(markets: Mapping[str, Any], kind: str) -> Mapping[str, str]:
    return {market["id"]: market["settleId"] for market in markets.values() if market.get(kind)}


# --- binance ---------------------------------------------------------------------------------------------------------


async def _binance(keyed: Keyed) -> Usage | None:
    asked = {LINEAR: _usd_m, INVERSE: _coin_m}
    pots = [await asked[kind](keyed) for kind in asked if kind in keyed.traded]
    return worst(pots) if pots else None


async def _usd_m(keyed: Keyed) -> Usage:
    config = record(await _ask(keyed, "fapiPrivateGetAccountConfig"), "the configuration of USD-M futures")
    multi = config.get("multiAssetsMargin")
    if not isinstance(multi, bool):
        raise bad_response("the configuration of USD-M futures without multiAssetsMargin")
    account = record(await _ask(keyed, "fapiPrivateV3GetAccount"), "the account of USD-M futures")
    if multi:
        return margin.binance_multi(account)
    symbols = [word(each, "symbol") for each in margin.binance_positions(account)]
    return margin.binance_linear(account, await _settled(keyed, LINEAR, symbols))


async def _coin_m(keyed: Keyed) -> Usage:
    account = record(await _ask(keyed, "dapiPrivateGetAccount"), "the account of COIN-M futures")
    positions = margin.binance_positions(account)
    isolated = any(map(margin.binance_isolated, positions))
    risks = await _ask(keyed, "dapiPrivateGetPositionRisk") if isolated else []
    symbols = [word(each, "symbol") for each in positions]
    return margin.binance_inverse(account, risks, await _settled(keyed, INVERSE, symbols))


# --- bybit -----------------------------------------------------------------------------------------------------------


async def _bybit(keyed: Keyed) -> Usage:
    kind = margin.bybit_kind(await _ask(keyed, "privateGetV5AccountInfo"))
    pots = list[Usage]()
    if kind.rated:
        pots.append(margin.bybit_unified(await _wallet(keyed, "UNIFIED")))
    for market in (LINEAR, INVERSE):
        if market not in keyed.traded or (kind.rated and market not in kind.apart):
            continue
        positions = await _positions(keyed, market)
        if market in kind.apart:
            pots.append(margin.bybit_classic(await _wallet(keyed, "CONTRACT"), positions))
        else:
            pots += [
                margin.bybit_isolated(each, inverse=market == INVERSE) for held in positions.values() for each in held
            ]
    return worst(pots)


async def _wallet(keyed: Keyed, kind: str) -> Any:
    return await _ask(keyed, "privateGetV5AccountWalletBalance", accountType=kind)


async def _positions(keyed: Keyed, market: str) -> Mapping[str, list[Record]]:
    """What is held in contracts of a kind, by the coin that they are settled in."""
    settled = await _settled(keyed, market)
    asked = [{"settleCoin": coin} for coin in sorted(set(settled.values()))] if market == LINEAR else [{}]
    found = dict[str, list[Record]]()
    for which in asked:
        params = {"category": market, "limit": _POSITIONS, **which}
        for page in await keyed.pages(BEHALF, "privateGetV5PositionList", params, margin.bybit_next(_POSITIONS)):
            for each in records(page["result"].get("list"), "positions"):
                if number(each, "size"):
                    coin = which.get("settleCoin") or settled.get(word(each, "symbol"), "")
                    found.setdefault(coin, []).append(each)
    return found


_POSITIONS = 200
"""The most that one page holds."""

# --- the others ------------------------------------------------------------------------------------------------------


async def _okx(keyed: Keyed) -> Usage:
    balance = await _ask(keyed, "privateGetAccountBalance")
    return margin.okx(balance, await _ask(keyed, "privateGetAccountPositions"))


async def _deribit(keyed: Keyed) -> Usage:
    return margin.deribit(await _ask(keyed, "privateGetGetAccountSummaries"))


async def _kraken(keyed: Keyed) -> Usage:
    return margin.kraken(await _ask(keyed, "privatePostTradeBalance"))


async def _coinbase(keyed: Keyed) -> Usage | None:
    return margin.coinbase(await _ask(keyed, "v3PrivateGetBrokerageCfmBalanceSummary"))


EXCHANGES: Mapping[str, Callable[[Keyed], Awaitable[Usage | None]]] = {
    "binance": _binance,
    "binancecoinm": _binance,
    "binanceusdm": _binance,
    "bybit": _bybit,
    "coinbase": _coinbase,
    "deribit": _deribit,
    "kraken": _kraken,
    "okx": _okx,
}
"""By ccxt's id. Of Binance neither margin nor options nor a portfolio margin account; of Kraken no futures."""
