"""Open interest: what all open contracts of a kind are worth. Each exchange counts them in units of its own (docs/derivatives.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from occ.errors import SourceError
from occ.http import bad_response

from .contracts import Ask, Manner, Market, all_at_once, by, by_kind, by_settlement, each, of_each
from .funding import (
    data_of_okx,
    details_of_coinbase,
    kind_of_okx,
    marks_of_okx,
    products_of_coinbase,
    summaries_of_deribit,
    tickers_of_bybit,
    tickers_of_kraken,
)
from .shape import Record, number, record

WHAT = "open interest"


def notional(amount: Decimal, price: Decimal, *, inverse: bool) -> float:
    """In the quote asset: `amount` units of the base asset at a price, or (`inverse`) of the quote asset itself. Raises bad_response
    for what can be no amount or price.
    """
    if amount < 0 or price <= 0:
        raise bad_response("an open interest or price below zero")
    return float(amount if inverse else amount * price)


def size(market: Market) -> Decimal:
    """How much one contract is: of the base asset, or of the quote asset where the contract is settled in the base asset."""
    return number(market, "contractSize")


def _inverse(market: Market) -> bool:
    return bool(market.get("inverse"))


async def _binance(ask: Ask, markets: Sequence[Market]) -> Mapping[str, float | SourceError]:
    """Contracts of 10 or 100 dollars where they are settled in the base asset, else amounts of it. Told of one contract at a time."""
    if _inverse(markets[0]):
        return await each({market["symbol"]: _of_coin_margined(ask, market) for market in markets})
    marks = by("symbol", await ask("fapiPublicGetPremiumIndex", {}), WHAT)
    return await each({market["symbol"]: _of_usd_margined(ask, market, marks) for market in markets})


async def _of_coin_margined(ask: Ask, market: Market) -> float:
    told = record(await ask("dapiPublicGetOpenInterest", {"symbol": market["id"]}), WHAT)
    return notional(number(told, "openInterest") * size(market), Decimal(1), inverse=True)


async def _of_usd_margined(ask: Ask, market: Market, marks: Mapping[str, Record]) -> float:
    told = record(await ask("fapiPublicGetOpenInterest", {"symbol": market["id"]}), WHAT)
    return notional(number(told, "openInterest"), number(marks.get(market["id"], {}), "markPrice"), inverse=False)


async def _bybit(ask: Ask, markets: Sequence[Market]) -> Mapping[str, float | SourceError]:
    """Amounts of the base asset, or of dollars where contracts are settled in the base asset."""
    return of_each(markets, await tickers_of_bybit(ask, markets), _by("openInterest", "markPrice"))


def _by(amount: str, price: str) -> Callable[[Record, Market], float]:
    """Reads an amount of what a contract is counted in, and a price, from under these keys."""
    return lambda told, market: notional(number(told, amount), number(told, price), inverse=_inverse(market))


async def _okx(ask: Ask, markets: Sequence[Market]) -> Mapping[str, float | SourceError]:
    """Numbers of contracts."""
    kinds = sorted({kind_of_okx(market) for market in markets})
    marks, *answers = await asyncio.gather(
        marks_of_okx(ask, markets), *(ask("publicGetPublicOpenInterest", {"instType": kind}) for kind in kinds)
    )
    told = {name: each for answer in answers for name, each in data_of_okx(answer, "instId", WHAT).items()}
    return of_each(markets, told, lambda each, market: _of_okx(each, marks.get(market["id"], {}), market))


def _of_okx(told: Record, marked: Record, market: Market) -> float:
    return notional(number(told, "oi") * size(market), number(marked, "markPx"), inverse=_inverse(market))


async def _deribit(ask: Ask, markets: Sequence[Market]) -> Mapping[str, float | SourceError]:
    """Dollars where a contract is settled in the base asset, else amounts of that."""
    return of_each(markets, await summaries_of_deribit(ask, markets), _by("open_interest", "mark_price"))


async def _kraken(ask: Ask, markets: Sequence[Market]) -> Mapping[str, float | SourceError]:
    """As Deribit."""
    return of_each(markets, await tickers_of_kraken(ask, markets), _by("openInterest", "markPrice"))


async def _coinbase(ask: Ask, markets: Sequence[Market]) -> Mapping[str, float | SourceError]:
    """Numbers of contracts, at the price of the index: no mark price is told."""
    return of_each(markets, await products_of_coinbase(ask), _of_coinbase)


def _of_coinbase(product: Record, market: Market) -> float:
    told = details_of_coinbase(product)
    return notional(number(told, "open_interest") * size(market), number(told, "index_price"), inverse=False)


_BINANCE = Manner(by_kind, _binance)

MANNERS: Mapping[str, Manner[float]] = {
    "binance": _BINANCE,
    "binancecoinm": _BINANCE,
    "binanceusdm": _BINANCE,
    "bybit": Manner(by_kind, _bybit),
    "coinbase": Manner(all_at_once, _coinbase),
    "deribit": Manner(by_settlement, _deribit),
    "krakenfutures": Manner(all_at_once, _kraken),
    "okx": Manner(all_at_once, _okx),
}
"""By ccxt's id. What they tell is in the quote asset."""
