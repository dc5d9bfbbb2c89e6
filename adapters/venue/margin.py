"""How much of what an account has is needed to keep its positions: 1 is liquidation, whatever the exchange's own convention.

The money of an account lies in pots that do not help each other: one for all positions on cross margin (for each asset where assets
do not cover each other), and one for each isolated position. An account is as near to liquidation as the worst of its pots.
Formulas with their sources are at the functions that read an exchange's answers, and in docs/margin.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from occ.http import bad_response

from .account import INVERSE, LINEAR
from .shape import Record, maybe, number, record, records, word


@dataclass(frozen=True, slots=True)
class Usage:
    """Shares of a pot: `maintenance` is 1 where the exchange begins to liquidate, `initial` 1 where nothing more can be opened.

    inf where positions are held and nothing covers them. `initial` is None where nothing else can be opened with the pot, or
    where the exchange does not say.
    """

    maintenance: float
    initial: float | None = None


def used(equity: Decimal, maintenance: Decimal, initial: Decimal | None = None, *, held: bool) -> Usage:
    """Of a pot with this equity, profits included. `held`: there are positions, which need cover also where they need it in a
    moment alone. Raises bad_response for a margin below 0.
    """
    return Usage(
        _share(maintenance, equity, held=held), None if initial is None else _share(initial, equity, held=held)
    )


def _share(needed: Decimal, equity: Decimal, *, held: bool) -> float:
    if needed < 0:
        raise bad_response("a margin below 0")
    if equity > 0:
        return float(needed / equity)
    return math.inf if needed or held else 0.0


def worst(pots: Iterable[Usage]) -> Usage:
    """Of an account that has these; nothing is needed where there is none."""
    found = tuple(pots)
    initials = [pot.initial for pot in found if pot.initial is not None]
    return Usage(max((pot.maintenance for pot in found), default=0.0), max(initials, default=None))


def _parted(positions: Iterable[Record], isolated: Callable[[Record], bool]) -> tuple[list[Record], list[Record]]:
    """Those that are isolated, and those on cross margin."""
    parts: tuple[list[Record], list[Record]] = [], []
    for each in positions:
        parts[not isolated(each)].append(each)
    return parts


# --- binance ---------------------------------------------------------------------------------------------------------


def binance_multi(account: Record) -> Usage:
    """USD-M in multi-assets mode, where all assets cover all positions: totalMaintMargin / totalMarginBalance, in dollars.

    Source: Binance, "Account Information V3 (USER_DATA)".
    """
    equity, needed = number(account, "totalMarginBalance"), number(account, "totalMaintMargin")
    return used(
        equity, needed, number(account, "totalInitialMargin"), held=any(map(_held, _listed(account, "positions")))
    )


def binance_linear(account: Record, settled: Mapping[str, str]) -> Usage:
    """USD-M in single-asset mode: for each asset maintMargin of what is on cross margin / (crossWalletBalance + crossUnPnl), for an
    isolated position maintMargin / (isolatedWallet + unrealizedProfit). That is Binance's margin ratio, at 100 % of which positions
    are liquidated. The totals of the answer speak of USDT alone, and of isolated positions too.

    `settled` are the margin assets of the contracts. Source: Binance, "Account Information V3 (USER_DATA)".
    """
    isolated, crossed = _parted(
        binance_positions(account), lambda each: bool(number(each, "isolatedWallet") or number(each, "isolatedMargin"))
    )
    own = (
        used(
            number(each, "isolatedWallet") + number(each, "unrealizedProfit"),
            number(each, "maintMargin"),
            held=_held(each),
        )
        for each in isolated
    )
    return worst((*_crossed(account, crossed, settled), *own))


def binance_inverse(account: Record, risks: Any, settled: Mapping[str, str]) -> Usage:
    """COIN-M: as USD-M in single-asset mode, for each coin; an isolated position maintMargin / isolatedMargin, which `risks` tell,
    profit included.

    Source: Binance, "Account Information (USER_DATA)" and "Position Information (USER_DATA)" of COIN-M.
    """
    isolated, crossed = _parted(binance_positions(account), binance_isolated)
    margins = {_side(each): number(each, "isolatedMargin") for each in records(risks, "positions of COIN-M futures")}
    if not {_side(each) for each in isolated} <= margins.keys():
        raise bad_response("an isolated position whose margin is not told")
    own = (used(margins[_side(each)], number(each, "maintMargin"), held=_held(each)) for each in isolated)
    return worst((*_crossed(account, crossed, settled), *own))


def binance_positions(account: Record) -> Sequence[Record]:
    """The positions that need margin, and those to be that open orders stand for: COIN-M lists every symbol."""
    return [each for each in _listed(account, "positions") if _held(each) or any(number(each, key) for key in _MARGINS)]


def binance_isolated(position: Record) -> bool:
    """Whether a position of COIN-M is."""
    told = position.get("isolated")
    if not isinstance(told, bool):
        raise bad_response("a position that is neither isolated nor on cross margin")
    return told


def _crossed(account: Record, positions: Sequence[Record], settled: Mapping[str, str]) -> Iterator[Usage]:
    """The pot of each asset."""
    assets = _listed(account, "assets")
    of: dict[str | None, list[Record]] = {}
    for each in positions:
        of.setdefault(settled.get(word(each, "symbol")), []).append(each)
    if not of.keys() <= {word(asset, "asset") for asset in assets}:
        raise bad_response("a position in a symbol whose margin asset is not told")
    told = {settled.get(word(each, "symbol")) for each in binance_positions(account)}
    for asset in assets:
        if asset["asset"] not in told and maybe(asset, "maintMargin"):
            raise bad_response("a maintenance margin without the position that needs it")
        mine = of.get(asset["asset"], [])
        equity = number(asset, "crossWalletBalance") + number(asset, "crossUnPnl")
        needed, initial = (sum((number(each, key) for each in mine), Decimal(0)) for key in _MARGINS)
        yield used(equity, needed, initial, held=any(map(_held, mine)))


_MARGINS = ("maintMargin", "initialMargin")


def _listed(account: Record, key: str) -> Sequence[Record]:
    return records(account.get(key), f"{key} of futures")


def _held(position: Record) -> bool:
    return bool(number(position, "positionAmt"))


def _side(position: Record) -> tuple[str, str]:
    return word(position, "symbol"), word(position, "positionSide")


# --- bybit -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kind:
    """Of an account at Bybit. `rated`: there are rates of the account as a whole. `apart` are contracts of these kinds that are
    covered by a derivatives wallet beside it.
    """

    rated: bool
    apart: tuple[str, ...] = ()


_CLASSIC, _UTA_1, _UTA_2 = (1,), (3, 4), (5, 6)
_SHARED, _ISOLATED = ("REGULAR_MARGIN", "PORTFOLIO_MARGIN"), "ISOLATED_MARGIN"


def bybit_kind(info: Any) -> Kind:
    """By unifiedMarginStatus and marginMode. Source: Bybit, "Get Account Info"."""
    told = record(record(info, "the account").get("result"), "the account")
    status, mode = told.get("unifiedMarginStatus"), word(told, "marginMode")
    if status not in (*_CLASSIC, *_UTA_1, *_UTA_2) or mode not in (*_SHARED, _ISOLATED):
        raise bad_response("an account of a kind that is not known")
    if status in _CLASSIC:
        return Kind(rated=False, apart=(LINEAR, INVERSE))
    return Kind(rated=mode in _SHARED, apart=(INVERSE,) if status in _UTA_1 else ())


def bybit_unified(wallet: Any) -> Usage:
    """The account's own rates, accountMMRate and accountIMRate: maintenance margin / (margin balance - haircut) and the same of the
    initial one. "Liquidation is triggered when MMR reaches 100 %".

    Source: Bybit, "Get Wallet Balance" and "Trading Rules: Liquidation Process (Unified Trading Account)".
    """
    told = _account(wallet, "UNIFIED")
    needed, initial = number(told, "totalMaintenanceMargin"), number(told, "totalInitialMargin")
    by_totals = used(number(told, "totalMarginBalance"), needed, initial, held=False)
    if by_totals.maintenance == math.inf:
        return by_totals
    rates = number(told, "accountMMRate"), number(told, "accountIMRate")
    if min(rates) < 0:
        raise bad_response("a margin rate below 0")
    return Usage(*map(float, rates))


def bybit_isolated(position: Record, *, inverse: bool) -> Usage:
    """An isolated position of a unified account: positionMM / what is left of its margin. That is not told; but at liqPrice it is
    positionMM, and at markPrice that much more as the position has gained since. Without liqPrice, which is left out where it is far
    away: positionIM + unrealisedPnl, to which margin may have been added.

    Source: Bybit, "Get Position Info".
    """
    needed, price = number(position, "positionMM"), maybe(position, "liqPrice")
    if not price:
        return used(number(position, "positionIM") + number(position, "unrealisedPnl"), needed, held=True)
    mark, size, side = number(position, "markPrice"), number(position, "size"), word(position, "side")
    if side not in _SIGNS or mark <= 0 or price < 0:
        raise bad_response("a position without side or price")
    gained = size * (1 / price - 1 / mark) if inverse else size * (mark - price)
    return used(needed + _SIGNS[side] * gained, needed, held=True)


_SIGNS = {"Buy": 1, "Sell": -1}


def bybit_classic(wallet: Any, positions: Mapping[str, Sequence[Record]]) -> Usage:
    """A derivatives wallet that is not unified (a classic account's, and that of inverse contracts in UTA 1.0), where each coin covers
    its own positions: positionMM of those on cross margin / (equity without what isolated ones have); an isolated one positionMM /
    (positionBalance + unrealisedPnl). `positions` by coin.

    Source: Bybit, "Get Wallet Balance" of CONTRACT and "Get Position Info".
    """
    coins = records(_account(wallet, "CONTRACT").get("coin"), "coins")
    if not {word(coin, "coin") for coin in coins} >= positions.keys():
        raise bad_response("a position in a coin that the account does not have")
    return worst(pot for coin in coins for pot in _of_coin(coin, positions.get(coin["coin"], ())))


def _of_coin(coin: Record, positions: Sequence[Record]) -> Iterator[Usage]:
    isolated, crossed = _parted(positions, lambda each: each.get("tradeMode") == 1)
    own = [number(each, "positionBalance") + number(each, "unrealisedPnl") for each in isolated]
    for equity, each in zip(own, isolated, strict=True):
        yield used(equity, number(each, "positionMM"), held=True)
    needed = sum((number(each, "positionMM") for each in crossed), Decimal(0))
    initial = sum((number(each, "positionIM") for each in crossed), number(coin, "totalOrderIM"))
    yield used(number(coin, "equity") - sum(own, Decimal(0)), needed, initial, held=bool(crossed))


def _account(answer: Any, kind: str) -> Record:
    what = f"the {kind} wallet"
    accounts = records(record(record(answer, what).get("result"), what).get("list"), what)
    found = [account for account in accounts if account.get("accountType") == kind]
    if len(found) != 1:
        raise bad_response(f"{what} is not told")
    return found[0]


def bybit_next(limit: int) -> Callable[[Any], Mapping[str, Any]]:
    """By which parameter the page after one of up to `limit` records is asked for; the last one has a cursor as well. Raises
    bad_response for what is no page.
    """

    def after(page: Any) -> Mapping[str, Any]:
        told = record(record(page, "a page").get("result"), "a page")
        full, cursor = len(records(told.get("list"), "a page")) >= limit, told.get("nextPageCursor")
        return {"cursor": cursor} if full and cursor else {}

    return after


# --- okx -------------------------------------------------------------------------------------------------------------


def okx(balance: Any, positions: Any) -> Usage:
    """1 / mgnRatio, OKX's adjusted equity / (maintenance margin and the fees of liquidating): "values at or below 1.0 indicate the
    account is at or past the liquidation boundary". In spot, multi-currency and portfolio mode the account has one; in futures
    (single-currency) mode each currency has one; each isolated position has its own in any mode. Initial: imr / adjEq, or imr / (eq -
    isoEq) of a currency. What does not apply in a mode is empty, and so is the ratio where nothing is held.

    Source: "Get balance" and "Get positions" of OKX's trading account API.
    """
    accounts = _data(balance, "the balance")
    if len(accounts) != 1:
        raise bad_response("the balance is not told, or that of several accounts")
    account = accounts[0]
    held = [each for each in _data(positions, "positions") if number(each, "pos")]
    if not {word(each, "mgnMode") for each in held} <= {"cross", "isolated"}:
        raise bad_response("a position that is neither isolated nor on cross margin")
    crossed = [each for each in held if each["mgnMode"] == "cross"]
    whole = maybe(account, "mmr") is not None
    cross = [_okx_account(account, held=bool(crossed))] if whole else _okx_currencies(account, crossed)
    return worst((*cross, *(Usage(_okx_ratio(each, held=True)) for each in held if each["mgnMode"] == "isolated")))


def _okx_account(account: Record, *, held: bool) -> Usage:
    maintenance = _okx_ratio(account, held=held)
    initial = used(number(account, "adjEq"), number(account, "imr"), held=held).maintenance
    return Usage(maintenance, initial)


def _okx_currencies(account: Record, crossed: Sequence[Record]) -> list[Usage]:
    details = {word(each, "ccy"): each for each in records(account.get("details"), "currencies")}
    told = {currency: each for currency, each in details.items() if maybe(each, "mgnRatio") is not None}
    held = {word(each, "ccy") for each in crossed}
    if not held <= told.keys():
        raise bad_response("a position in a currency whose margin ratio is not told")
    pots = [Usage(0.0, 0.0)]
    for currency, each in told.items():
        own, there = number(each, "eq") - (maybe(each, "isoEq") or 0), currency in held
        maintenance = _okx_ratio(each, held=there)
        pots.append(Usage(maintenance, used(own, number(each, "imr"), held=there).maintenance))
    return pots


def _okx_ratio(told: Record, *, held: bool) -> float:
    """1 / mgnRatio; 0 where nothing is to be maintained, and there is none, or it is told as 0."""
    ratio = maybe(told, "mgnRatio")
    if ratio is None:
        if number(told, "mmr"):
            raise bad_response("a maintenance margin without a margin ratio")
        return 0.0
    if not ratio and not held and maybe(told, "mmr") == 0:
        return 0.0
    return float(1 / ratio) if ratio > 0 else math.inf


def _data(answer: Any, what: str) -> Sequence[Record]:
    return records(record(answer, what).get("data"), what)


# --- deribit, kraken, coinbase ---------------------------------------------------------------------------------------


def deribit(summaries: Any) -> Usage:
    """maintenance_margin / margin_balance of each currency; an account whose currencies cover each other is told for each as a whole,
    converted to it. Positions are liquidated when the maintenance margin exceeds the margin balance.

    Source: "private/get_account_summaries".
    """
    told = record(record(summaries, "account summaries").get("result"), "account summaries")
    listed = records(told.get("summaries"), "account summaries")
    if not listed:
        raise bad_response("no account summary")
    return worst(_deribit(each) for each in listed)


def _deribit(each: Record) -> Usage:
    needed, initial = number(each, "maintenance_margin"), number(each, "initial_margin")
    held = bool(needed or initial or maybe(each, "options_value"))
    return used(number(each, "margin_balance"), needed, initial, held=held)


KRAKEN_STOP = Decimal("0.4")
"""Of the used margin: Kraken's margin liquidation level (`margin_stop` of "Get Tradable Asset Pairs")."""


def kraken(balance: Any) -> Usage:
    """0.4 m / e, of the used margin m and the equity e: positions are liquidated at a margin level e / m of about 40 %. At the level
    of the margin call, about 80 %, this is 0.5; Kraken may close positions from there on. Initial: m / e, since nothing more can
    be opened at 100 %.

    Source: "Get Trade Balance"; Kraken's "Margin call level and margin liquidation level".
    """
    told = record(record(balance, "the trade balance").get("result"), "the trade balance")
    margin = number(told, "m")
    return used(number(told, "e"), KRAKEN_STOP * margin, margin, held=bool(margin))


def coinbase(summary: Any) -> Usage | None:
    """liquidation_threshold / available_margin of US futures: positions are liquidated when the funds available for margin equal the
    threshold. Initial: initial_margin / available_margin. None for an account without futures. Portfolios of perpetuals (INTX) are
    not asked for.

    Source: "Get Futures Balance Summary"; Coinbase's "Liquidation buffer (Futures)".
    """
    if (told := coinbase_futures(summary)) is None:
        return None
    equity, needed, initial = (number(record(told.get(key), key), "value") for key in _COINBASE)
    return used(equity, needed, initial, held=bool(needed or initial))


_COINBASE = ("available_margin", "liquidation_threshold", "initial_margin")


def coinbase_futures(summary: Any) -> Record | None:
    """The summary of an account's US futures; None for one without. Raises bad_response."""
    told = record(summary, "the futures balance").get("balance_summary")
    return None if told is None and "balance_summary" in summary else record(told, "the futures balance")
