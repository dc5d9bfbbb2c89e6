"""What an exchange has closed of an account's positions by force: for want of margin, or to deleverage others (ADL).

A list is asked for from an instant on, and holds what was seen before as well: who counts knows it by its id. One order that is
filled in parts is one reduction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from occ.http import bad_response

from .account import INVERSE, LINEAR, Keyed
from .margin import bybit_next
from .shape import Record, number, record, records, word

BEHALF = "fetch_my_liquidations"
"""The method of ccxt as which the requests are counted."""

Kind = Literal["liquidation", "adl"]
LIQUIDATION: Kind = "liquidation"
ADL: Kind = "adl"

_HOUR = 3600.0
_DAY = 24 * _HOUR
OVERLAP = _HOUR
"""By so much each look goes back behind the last one, for what the exchange tells late."""

AHEAD = _HOUR
"""And so much beyond now: the exchange's clock may be ahead of ours."""

LONGEST = 6.5 * _DAY
"""No further back is asked: several exchanges tell seven days."""


@dataclass(frozen=True, slots=True)
class Forced:
    """A reduction: `id` is unique within the account, `at` in Unix seconds."""

    id: str
    kind: Kind
    at: float


@dataclass(frozen=True, slots=True)
class Exchange:
    """How one is asked: for what happened from `since` until `until`, in ms; where `contracts`, an account that trades some."""

    asked: Callable[[Keyed, int, int], Awaitable[list[Forced]]]
    contracts: bool = True


async def reductions(keyed: Keyed, now: float, looked_at: float | None) -> list[Forced] | None:
    """Since OVERLAP before `looked_at`, the last look, or before now if there was none; both Unix seconds. None where it is not known how the
    exchange tells them, or where the account trades nothing that can be reduced. Raises SourceError.
    """
    exchange = EXCHANGES.get(keyed.exchange)
    if exchange is None or (exchange.contracts and not {LINEAR, INVERSE} & set(keyed.traded)):
        return None
    since = min(now, now if looked_at is None else looked_at) - OVERLAP
    return await exchange.asked(keyed, int(max(since, now - LONGEST) * 1000), int((now + AHEAD) * 1000))


# --- binance: "User's Force Orders (USER_DATA)" of USD-M and of COIN-M -------------------------------------------------


def binance(orders: Any) -> list[Forced]:
    """The list holds forced orders alone; those of ADL have the client id adl_autoclose, and settlement_autoclose-… are deliveries."""
    return [
        _binance(each) for each in records(orders, "forced orders") if not _client_id(each).startswith("settlement")
    ]


def _binance(order: Record) -> Forced:
    kind = ADL if _client_id(order).startswith("adl_autoclose") else LIQUIDATION
    return Forced(f"{word(order, 'symbol')}/{number(order, 'orderId')}", kind, _seconds(order, "time"))


def _client_id(order: Record) -> str:
    return word(order, "clientOrderId")


async def _binance_asked(keyed: Keyed, since: int, until: int) -> list[Forced]:
    methods = {LINEAR: "fapiPrivateGetForceOrders", INVERSE: "dapiPrivateGetForceOrders"}
    found = list[Forced]()
    for market, method in methods.items():
        if market in keyed.traded:
            found += binance(await _force_orders(keyed, method, since, until))
    return found


_FORCE_ORDERS = 100
"""The most that are told at once. In which order is not documented, so a full answer is asked for again in halves of its time."""


async def _force_orders(keyed: Keyed, method: str, since: int, until: int) -> Sequence[Record]:
    params = {"startTime": since, "endTime": until, "limit": _FORCE_ORDERS}
    told = records(await keyed.venue.ask(BEHALF, method, params), "forced orders")
    if len(told) < _FORCE_ORDERS:
        return told
    middle = (since + until) // 2
    if middle == since:
        raise bad_response("more forced orders in a millisecond than are told at once")
    halves = [await _force_orders(keyed, method, *each) for each in ((since, middle), (middle + 1, until))]
    return [order for half in halves for order in half]


# --- bybit: "Get Trade History", execType BustTrade and AdlTrade ------------------------------------------------------


def bybit(executions: Iterable[Record]) -> Iterator[Forced]:
    """Takeovers by the liquidation engine, and auto-deleveraging."""
    for each in executions:
        if (kind := _BYBIT.get(word(each, "execType"))) is None:
            raise bad_response("an execution of a kind that was not asked for")
        yield Forced(str(each.get("orderId") or word(each, "execId")), kind, _seconds(each, "execTime"))


_BYBIT: Mapping[str, Kind] = {"BustTrade": LIQUIDATION, "AdlTrade": ADL}
_EXECUTIONS = 100


async def _bybit_asked(keyed: Keyed, since: int, until: int) -> list[Forced]:
    found = list[Forced]()
    window = {"startTime": since, "endTime": until, "limit": _EXECUTIONS}
    for market in (each for each in (LINEAR, INVERSE) if each in keyed.traded):
        for kind in _BYBIT:
            params = {"category": market, "execType": kind, **window}
            for page in await keyed.pages(BEHALF, "privateGetV5ExecutionList", params, bybit_next(_EXECUTIONS)):
                found += bybit(records(page["result"].get("list"), "executions"))
    return found


# --- okx: "Get bills details (last 7 days)", type 5 (liquidation) and 9 (ADL) ------------------------------------------


def okx(bills: Iterable[Record]) -> Iterator[Forced]:
    """By the type; the exchange's taking over (subtypes 110, 111) and clawbacks (108) are no reductions of their own. A margin position
    has a bill for each of its two currencies, with one order.
    """
    for each in bills:
        if (kind := _OKX.get(word(each, "type"))) is None:
            raise bad_response("a bill of a type that was not asked for")
        if word(each, "subType") not in _NO_REDUCTION:
            yield Forced(str(each.get("ordId") or word(each, "billId")), kind, _seconds(each, "ts"))


_OKX: Mapping[str, Kind] = {"5": LIQUIDATION, "9": ADL}
_NO_REDUCTION = ("108", "110", "111")
_BILLS = 100


async def _okx_asked(keyed: Keyed, since: int, until: int) -> list[Forced]:
    found = list[Forced]()
    for kind in _OKX:
        params = {"type": kind, "begin": str(since), "end": str(until), "limit": str(_BILLS)}
        for page in await keyed.pages(BEHALF, "privateGetAccountBills", params, _okx_next):
            found += okx(_bills(page))
    return found


def _okx_next(page: Any) -> Mapping[str, Any]:
    bills = _bills(page)
    return {"after": word(bills[-1], "billId")} if len(bills) >= _BILLS else {}


def _bills(page: Any) -> Sequence[Record]:
    return records(record(page, "bills").get("data"), "bills")


# --- deribit: "private/get_user_trades_by_currency_and_time", "private/get_transaction_log" ----------------------------


def deribit_trades(trades: Iterable[Record]) -> Iterator[Forced]:
    """Trades where our side was under liquidation: `liquidation` names the sides that were, `liquidity` ours (M maker, T taker)."""
    for each in trades:
        if word(each, "liquidity") in (word(each, "liquidation") if each.get("liquidation") else ""):
            yield Forced(word(each, "order_id"), LIQUIDATION, _seconds(each, "timestamp"))


def deribit_log(entries: Iterable[Record]) -> Iterator[Forced]:
    """Positions that were moved by force. Off an account that was short of margin (role source) that is a liquidation, to whomever
    it went; onto one that held the other side (destination) it is ADL. Taking part in the liquidity support program is no reduction.

    Source: Deribit's article on LSP and ADL, "Transaction Log Entries".
    """
    for each in entries:
        if (roles := _MOVED.get(str(each.get("type")))) is None:
            continue
        role = str(each.get("role") or record(each.get("info") or {}, "an entry of the log").get("role"))
        if role not in roles:
            raise bad_response("a position that was moved by force, and not told to whom")
        if (kind := roles[role]) is not None:
            yield Forced(f"log {number(each, 'id')}", kind, _seconds(each, "timestamp"))


_MOVED: Mapping[str, Mapping[str, Kind | None]] = {
    "ADL transfer": {"source": LIQUIDATION, "destination": ADL},
    "LSP transfer": {"source": LIQUIDATION, "destination": None},
}
_TRADES, _ENTRIES = 1000, 250

_RECENT = 23 * _HOUR
"""Trades of the last 24 hours are told apart from those before ("Accessing Historical Trades and Orders Using API"), which are told
after a delay.
"""


async def _deribit_asked(keyed: Keyed, since: int, until: int) -> list[Forced]:
    markets = (await keyed.venue.markets()).values()
    histories = ("false", "true") if until - since > (_RECENT + AHEAD) * 1000 else ("false",)
    found = list[Forced]()
    for currency in sorted({market["settleId"] for market in markets if market.get("contract")}):
        window = {"currency": currency, "start_timestamp": since, "end_timestamp": until}
        for historical in histories:
            trades = {**window, "count": _TRADES, "sorting": "asc", "historical": historical}
            for page in await keyed.pages(BEHALF, "privateGetGetUserTradesByCurrencyAndTime", trades, _deribit_next):
                found += deribit_trades(_result(page, "trades"))
        moved = {**window, "count": _ENTRIES, "query": "transfer"}
        for page in await keyed.pages(BEHALF, "privateGetGetTransactionLog", moved, _deribit_follows):
            found += deribit_log(_result(page, "logs"))
    return found


def _deribit_next(page: Any) -> Mapping[str, Any]:
    trades = _result(page, "trades")
    more = page["result"].get("has_more")
    if not isinstance(more, bool):
        raise bad_response("a page of trades that does not say whether there are more")
    return {"start_timestamp": int(number(trades[-1], "timestamp"))} if more and trades else {}


def _deribit_follows(page: Any) -> Mapping[str, Any]:
    _result(page, "logs")
    token = page["result"].get("continuation")
    return {} if token is None else {"continuation": token}


def _result(page: Any, key: str) -> Sequence[Record]:
    return records(record(record(page, key).get("result"), key).get(key), key)


# --- kraken: "Get Trades History" ------------------------------------------------------------------------------------


def kraken(page: Any) -> list[Forced]:
    """Trades of margin positions that were closed by an order of type "liquidation market". Kraken's spot margin has no ADL."""
    trades = record(record(record(page, "trades").get("result"), "trades").get("trades"), "trades")
    closed = records(list(trades.values()), "trades")
    return [
        Forced(word(each, "ordertxid"), LIQUIDATION, float(number(each, "time")))
        for each in closed
        if word(each, "ordertype").startswith("liquidation")
    ]


async def _kraken_asked(keyed: Keyed, since: int, until: int) -> list[Forced]:
    params = {"type": "closing position", "start": since // 1000, "end": until // 1000}
    pages = await keyed.pages(BEHALF, "privatePostTradesHistory", params, _kraken_next())
    return [each for page in pages for each in kraken(page)]


def _kraken_next() -> Callable[[Any], Mapping[str, Any]]:
    told = 0

    def after(page: Any) -> Mapping[str, Any]:
        nonlocal told
        result = record(record(page, "trades").get("result"), "trades")
        found = len(record(result.get("trades"), "trades"))
        told += found
        return {"ofs": told} if found and told < number(result, "count") else {}

    return after


# --- asking ----------------------------------------------------------------------------------------------------------


def _seconds(told: Record, key: str) -> float:
    return float(number(told, key)) / 1000


EXCHANGES: Mapping[str, Exchange] = {
    "binance": Exchange(_binance_asked),
    "binancecoinm": Exchange(_binance_asked),
    "binanceusdm": Exchange(_binance_asked),
    "bybit": Exchange(_bybit_asked),
    "deribit": Exchange(_deribit_asked),
    "kraken": Exchange(_kraken_asked, contracts=False),
    "okx": Exchange(_okx_asked),
}
"""By ccxt's id. Coinbase tells none apart."""
