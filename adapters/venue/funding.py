"""What exchanges tell of a contract beside its book: the rates of its funding, its mark price, and the price of its index.

Of which rate an exchange speaks, in which unit and with which sign, is in docs/derivatives.md with the pages that say so. A rate
that an exchange does not tell is none: never is one kind shown in place of the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from occ.errors import SourceError
from occ.http import bad_response

from .contracts import (
    Ask,
    Manner,
    Market,
    all_at_once,
    by,
    by_kind,
    by_settlement,
    milliseconds,
    moment,
    of_each,
    positive,
    rate,
)
from .shape import Record, number, record, records, word

HOUR = 3600.0
YEAR = 365 * 24 * HOUR

WHAT = "funding"


@dataclass(frozen=True, slots=True)
class Terms:
    """Of one contract. Rates are of the notional for one interval, positive where longs pay shorts: the one that was settled `last`,
    and the one that is `predicted` for `next_at` (Unix seconds). The interval is in seconds, prices in quote per base.

    None is: the exchange does not tell, or there is no such thing, as funding of a contract that is delivered some day.
    """

    last: float | None = None
    predicted: float | None = None
    next_at: float | None = None
    interval: float | None = None
    mark: float | None = None
    index: float | None = None

    @property
    def annualized(self) -> float | None:
        """The predicted rate for a year of such intervals; None where either is not known."""
        if self.predicted is None or not self.interval:
            return None
        return annualized(self.predicted, self.interval)

    @property
    def basis(self) -> float | None:
        """By which part of the index the mark price is above it."""
        return None if self.mark is None or self.index is None else basis(self.mark, self.index)


def annualized(funding: float, interval: float) -> float:
    """A rate per interval (seconds) as one per year of 365 days, without interest on interest: funding is paid out."""
    return funding * (YEAR / interval)


def basis(mark: float, index: float) -> float:
    """(mark - index) / index."""
    return (mark - index) / index


# --- binance ---------------------------------------------------------------------------------------------------------


async def _binance(ask: Ask, markets: Sequence[Market]) -> Mapping[str, Terms | SourceError]:
    api = "dapi" if markets[0].get("inverse") else "fapi"
    marks, intervals = await asyncio.gather(
        ask(f"{api}PublicGetPremiumIndex", {}), ask(f"{api}PublicGetFundingInfo", {})
    )
    told, listed = by("symbol", marks, WHAT), by("symbol", intervals, WHAT)
    return of_each(markets, told, lambda each, market: of_binance(each, listed.get(market["id"], {}), market))


def of_binance(told: Record, listed: Record, market: Market) -> Terms:
    """`told` of premiumIndex, where lastFundingRate is the running one of this interval; `listed` of fundingInfo, which leaves out
    contracts whose interval was never adjusted: how long that is their settlements alone tell.
    """
    prices = Terms(mark=positive(told, "markPrice"), index=positive(told, "indexPrice"))
    if not market.get("swap"):
        return prices
    hours = positive(listed, "fundingIntervalHours")
    return replace(
        prices,
        predicted=rate(told, "lastFundingRate"),
        next_at=milliseconds(told, "nextFundingTime"),
        interval=None if hours is None else hours * HOUR,
    )


# --- bybit -----------------------------------------------------------------------------------------------------------


async def tickers_of_bybit(ask: Ask, markets: Sequence[Market]) -> Mapping[str, Record]:
    """Its tickers of one kind of contracts, by the exchange's own name."""
    answer = await ask("publicGetV5MarketTickers", {"category": by_kind(markets[0])})
    return by("symbol", record(record(answer, WHAT).get("result"), WHAT).get("list"), WHAT)


async def _bybit(ask: Ask, markets: Sequence[Market]) -> Mapping[str, Terms | SourceError]:
    return of_each(markets, await tickers_of_bybit(ask, markets), of_bybit)


def of_bybit(told: Record, market: Market) -> Terms:
    """A ticker; how long an interval is it tells in hours, and the market's own facts in minutes."""
    prices = Terms(mark=positive(told, "markPrice"), index=positive(told, "indexPrice"))
    if not market.get("swap"):
        return prices
    hours, minutes = positive(told, "fundingIntervalHour"), positive(market.get("info") or {}, "fundingInterval")
    return replace(
        prices,
        predicted=rate(told, "fundingRate"),
        next_at=milliseconds(told, "nextFundingTime"),
        interval=hours * HOUR if hours else minutes * 60 if minutes else None,
    )


# --- okx -------------------------------------------------------------------------------------------------------------


def kind_of_okx(market: Market) -> str:
    """What OKX calls the kind of a contract."""
    return "SWAP" if market.get("swap") else "FUTURES"


def data_of_okx(answer: Any, key: str, what: str = WHAT) -> Mapping[str, Record]:
    """The objects of an answer by what they have under a key. Raises bad_response."""
    return by(key, record(answer, what).get("data"), what)


async def marks_of_okx(ask: Ask, markets: Sequence[Market]) -> Mapping[str, Record]:
    """Mark prices by the exchange's own name."""
    kinds = sorted({kind_of_okx(market) for market in markets})
    answers = await asyncio.gather(*(ask("publicGetPublicMarkPrice", {"instType": kind}) for kind in kinds))
    return {name: told for answer in answers for name, told in data_of_okx(answer, "instId").items()}


async def _okx(ask: Ask, markets: Sequence[Market]) -> Mapping[str, Terms | SourceError]:
    quotes = sorted({_index_of_okx(market).partition("-")[2] for market in markets})
    rates, marks, *answers = await asyncio.gather(
        ask("publicGetPublicFundingRate", {"instId": "ANY"}),
        marks_of_okx(ask, markets),
        *(ask("publicGetMarketIndexTickers", {"quoteCcy": quote}) for quote in quotes),
    )
    funded = data_of_okx(rates, "instId")
    indices = {name: told for answer in answers for name, told in data_of_okx(answer, "instId").items()}
    known = {name: told for name, told in marks.items() if name in funded or not name.endswith("-SWAP")}
    return of_each(
        markets,
        known,
        lambda each, market: of_okx(funded.get(market["id"], {}), each, indices.get(_index_of_okx(market), {})),
    )


def _index_of_okx(market: Market) -> str:
    info = record(market.get("info"), "markets")
    return str(info.get("uly") or f"{market['base']}-{market['quote']}")


def of_okx(funded: Record, marked: Record, index: Record) -> Terms:
    """One each of funding-rate, mark-price and index-tickers. The interval is from one settlement to the next, as OKX says to take
    it; a contract that is delivered has no funding, and then `funded` is empty.
    """
    next_at, following = milliseconds(funded, "fundingTime"), milliseconds(funded, "nextFundingTime")
    interval = following - next_at if following and next_at else None
    return Terms(
        last=rate(funded, "settFundingRate"),
        predicted=rate(funded, "fundingRate"),
        next_at=next_at,
        interval=interval if interval and interval > 0 else None,
        mark=positive(marked, "markPx"),
        index=positive(index, "idxPx"),
    )


# --- deribit ---------------------------------------------------------------------------------------------------------

OF_DERIBIT = 8 * HOUR


async def summaries_of_deribit(ask: Ask, markets: Sequence[Market]) -> Mapping[str, Record]:
    """Its summaries of books that are settled in one asset, by the exchange's own name."""
    asked = {"currency": by_settlement(markets[0]), "kind": "future"}
    answer = await ask("publicGetGetBookSummaryByCurrency", asked)
    return by("instrument_name", record(answer, WHAT).get("result"), WHAT)


async def _deribit(ask: Ask, markets: Sequence[Market]) -> Mapping[str, Terms | SourceError]:
    names = sorted({_index_of_deribit(market) for market in markets})
    told, *answers = await asyncio.gather(
        summaries_of_deribit(ask, markets), *(ask("publicGetGetIndexPrice", {"index_name": name}) for name in names)
    )
    indices = {
        name: record(record(answer, WHAT).get("result"), WHAT) for name, answer in zip(names, answers, strict=True)
    }
    return of_each(markets, told, lambda each, market: of_deribit(each, indices[_index_of_deribit(market)], market))


def _index_of_deribit(market: Market) -> str:
    return word(record(market.get("info"), "markets"), "price_index")


def of_deribit(told: Record, index: Record, market: Market) -> Terms:
    """A summary of a book, and the price of its index. Funding is paid all the time, at a rate that is told for eight hours: that of
    the last eight, and that of now.
    """
    prices = Terms(mark=positive(told, "mark_price"), index=positive(index, "index_price"))
    if not market.get("swap"):
        return prices
    return replace(prices, last=rate(told, "funding_8h"), predicted=rate(told, "current_funding"), interval=OF_DERIBIT)


# --- kraken futures --------------------------------------------------------------------------------------------------


async def tickers_of_kraken(ask: Ask, markets: Sequence[Market]) -> Mapping[str, Record]:
    """The tickers of these contracts by the exchange's own names, the letters of which are small or not. Raises bad_response."""
    told = records(record(await ask("publicGetTickers", {}), WHAT).get("tickers"), WHAT)
    names = {str(market["id"]).lower(): str(market["id"]) for market in markets}
    return {names[name]: each for each in told if (name := str(each.get("symbol")).lower()) in names}


async def _kraken(ask: Ask, markets: Sequence[Market]) -> Mapping[str, Terms | SourceError]:
    return of_each(markets, await tickers_of_kraken(ask, markets), of_kraken)


def of_kraken(told: Record, market: Market) -> Terms:
    """A ticker of futures. Rates are amounts of money for an hour: dollars for a unit of the base asset where it is settled in
    dollars, and units of the base asset for a dollar where it is settled in those; by the price of the index they are ratios.
    """
    mark, index = positive(told, "markPrice"), positive(told, "indexPrice")
    if not market.get("swap"):
        return Terms(mark=mark, index=index)
    last, predicted = rate(told, "fundingRate"), rate(told, "fundingRatePrediction")
    inverse = bool(market.get("inverse"))
    return Terms(
        last=_relative(last, index, inverse=inverse),
        predicted=_relative(predicted, index, inverse=inverse),
        interval=HOUR,
        mark=mark,
        index=index,
    )


def _relative(amount: float | None, index: float | None, *, inverse: bool) -> float | None:
    if amount is None or index is None:
        return None
    return amount * index if inverse else amount / index


# --- coinbase --------------------------------------------------------------------------------------------------------


async def products_of_coinbase(ask: Ask) -> Mapping[str, Record]:
    """What it tells of its futures by their own names. Raises bad_response."""
    answer = await ask("v3PublicGetBrokerageMarketProducts", {"product_type": "FUTURE"})
    return by("product_id", record(answer, WHAT).get("products"), WHAT)


def details_of_coinbase(product: Record) -> Record:
    """What a product tells because it is a future. Raises bad_response."""
    return record(product.get("future_product_details"), WHAT)


async def _coinbase(ask: Ask, markets: Sequence[Market]) -> Mapping[str, Terms | SourceError]:
    return of_each(markets, await products_of_coinbase(ask), of_coinbase)


def of_coinbase(product: Record, market: Market) -> Terms:
    """A product, which has no mark price."""
    told = details_of_coinbase(product)
    index = positive(told, "index_price")
    if not market.get("swap"):
        return Terms(index=index)
    return Terms(
        predicted=rate(told, "funding_rate"),
        next_at=moment(told, "funding_time"),
        interval=_seconds(told.get("funding_interval")),
        index=index,
    )


def _seconds(text: Any) -> float | None:
    """Of a time such as 3600s."""
    if not text:
        return None
    if not (isinstance(text, str) and text.endswith("s") and text[:-1].isascii() and text[:-1].isdigit()):
        raise bad_response("an answer whose funding_interval is no time")
    return float(text[:-1]) or None


# --- all of them -----------------------------------------------------------------------------------------------------

_BINANCE = Manner(by_kind, _binance)

MANNERS: Mapping[str, Manner[Terms]] = {
    "binance": _BINANCE,
    "binancecoinm": _BINANCE,
    "binanceusdm": _BINANCE,
    "bybit": Manner(by_kind, _bybit),
    "coinbase": Manner(all_at_once, _coinbase),
    "deribit": Manner(by_settlement, _deribit),
    "krakenfutures": Manner(all_at_once, _kraken),
    "okx": Manner(all_at_once, _okx),
}
"""By ccxt's id."""


# --- what was settled ------------------------------------------------------------------------------------------------


async def _settled_binance(ask: Ask, market: Market) -> Terms:
    api = "dapi" if market.get("inverse") else "fapi"
    answer = await ask(f"{api}PublicGetFundingRate", {"symbol": market["id"], "limit": 2})
    return settled(answer, "fundingTime")


async def _settled_bybit(ask: Ask, market: Market) -> Terms:
    asked = {"category": by_kind(market), "symbol": market["id"], "limit": 2}
    answer = await ask("publicGetV5MarketFundingHistory", asked)
    return settled(record(record(answer, WHAT).get("result"), WHAT).get("list"), "fundingRateTimestamp")


def settled(history: Any, at: str) -> Terms:
    """The newest of a list of settlements, whose instants (milliseconds) are under `at`, and how long the interval was that it ended.

    Nothing is told of a contract that had none yet.
    """
    told = sorted(records(history, WHAT), key=lambda each: number(each, at), reverse=True)
    if not told:
        return Terms()
    newest, before = number(told[0], at), number(told[min(1, len(told) - 1)], at)
    minutes = round((newest - before) / 60_000)  # Binance settles some milliseconds late
    return Terms(last=float(number(told[0], "fundingRate")), interval=minutes * 60.0 if minutes else None)


SETTLED: Mapping[str, Callable[[Ask, Market], Awaitable[Terms]]] = {
    **dict.fromkeys(("binance", "binancecoinm", "binanceusdm"), _settled_binance),
    "bybit": _settled_bybit,
}
"""By ccxt's id, how the rate that was settled last is asked for where nothing else tells it: of one contract alone."""
