"""Contracts of an exchange: of how many it tells in one answer, and how its answers are taken apart."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from occ.errors import SourceError
from occ.http import bad_response

from .shape import Record, instant, maybe, records

Market = Mapping[str, Any]
"""As ccxt has it."""

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Any]]
"""Asks an endpoint of the exchange's own, by ccxt's name of it, with these parameters."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Manner(Generic[T_co]):
    """How an exchange is asked of contracts: those of which `part` says the same at once, by `ask`, which tells of each symbol what
    there is or why not.
    """

    part: Callable[[Market], str]
    ask: Callable[[Ask, Sequence[Market]], Awaitable[Mapping[str, T_co | SourceError]]]


async def told(manner: Manner[T], ask: Ask, markets: Iterable[Market]) -> Mapping[str, T | SourceError]:
    """What an exchange tells of each of these contracts, by symbol. What fails is the matter of those alone that it was asked for."""
    parts: dict[str, list[Market]] = {}
    for market in markets:
        parts.setdefault(manner.part(market), []).append(market)
    found: dict[str, T | SourceError] = {}
    for part in await asyncio.gather(*(_part(manner, ask, part) for part in parts.values())):
        found.update(part)
    return found


async def _part(manner: Manner[T], ask: Ask, markets: Sequence[Market]) -> Mapping[str, T | SourceError]:
    symbols = [str(market["symbol"]) for market in markets]
    try:
        found = await manner.ask(ask, markets)
    except SourceError as error:
        return dict.fromkeys(symbols, error)
    missing = bad_response("the venue tells nothing of this contract")
    return {symbol: found.get(symbol, missing) for symbol in symbols}


async def each(asked: Mapping[str, Awaitable[T]]) -> Mapping[str, T | SourceError]:
    """What comes of questions that are put side by side, or why nothing did."""
    outcomes = await asyncio.gather(*map(_outcome, asked.values()))
    return dict(zip(asked, outcomes, strict=True))


async def _outcome(asked: Awaitable[T]) -> T | SourceError:
    try:
        return await asked
    except SourceError as error:
        return error


def of_each(
    markets: Iterable[Market], told: Mapping[str, Record], read: Callable[[Record, Market], T]
) -> Mapping[str, T | SourceError]:
    """What `read` makes of the records of these contracts, by the exchange's own names, or why it refuses one. A contract without a
    record is left out.
    """
    found: dict[str, T | SourceError] = {}
    for market in markets:
        if (one := told.get(str(market["id"]))) is not None:
            try:
                found[str(market["symbol"])] = read(one, market)
            except SourceError as error:
                found[str(market["symbol"])] = error
    return found


def all_at_once(_market: Market) -> str:
    """One answer tells of all contracts."""
    return ""


def by_kind(market: Market) -> str:
    """One answer tells of all that are settled in the quote asset, another one of those in the base asset."""
    return "inverse" if market.get("inverse") else "linear"


def by_settlement(market: Market) -> str:
    """One answer tells of all that are settled in the same asset, by the exchange's own name of it."""
    return str(market["settleId"])


def by(key: str, answer: Any, what: str) -> Mapping[str, Record]:
    """The objects of a list by what they have under a key. Raises bad_response where the answer is no such list."""
    return {str(each.get(key)): each for each in records(answer, what)}


def rate(told: Record, key: str) -> float | None:
    """The number under a key; None where the exchange tells none. Raises bad_response."""
    found = maybe(told, key)
    return None if found is None else float(found)


def positive(told: Record, key: str) -> float | None:
    """The same for what is never zero or below, as a price: there such a number is none."""
    found = rate(told, key)
    return found if found and found > 0 else None


def milliseconds(told: Record, key: str) -> float | None:
    """Unix seconds of the milliseconds under a key, of which 0 are none. Raises bad_response."""
    found = positive(told, key)
    return None if found is None else found / 1000


def moment(told: Record, key: str) -> float | None:
    """Unix seconds of the date and time (ISO 8601) under a key; None where there is none. Raises bad_response."""
    return instant(told, key) if told.get(key) else None
