"""What a venue is asked of the configured contracts: of many at once where it tells that."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from adapters.venue import contracts, funding, interest
from adapters.venue.contracts import Manner, Market
from adapters.venue.funding import Terms
from exporters.exchange.source import Source
from occ.errors import SourceError
from occ.job import Target

T = TypeVar("T")


@dataclass
class Past:
    """What is kept of a contract: how many seconds lay between its last two settlements."""

    interval: float | None = None


async def terms(source: Source, targets: tuple[Target, ...]) -> Mapping[Target, Terms | SourceError | None]:
    """Funding, mark and index price by target. None where it is not known how the exchange tells them, and of options.

    An interval that the exchange does not list is as long as the last one was, once `settled` has seen that.
    """
    found = await _told(source, targets, "fetch_funding_rate", funding.MANNERS)
    return {target: _with_interval(source, target, outcome) for target, outcome in found.items()}


def _with_interval(source: Source, target: Target, outcome: Terms | SourceError | None) -> Terms | SourceError | None:
    if not isinstance(outcome, Terms) or outcome.predicted is None or outcome.interval is not None:
        return outcome
    past: Past = source.kept(target, Past)
    return replace(outcome, interval=past.interval)


async def settled(source: Source, target: Target) -> Terms | None:
    """The rate of funding that was settled last. None where the exchange tells it with `terms`, or not at all. Raises SourceError."""
    ask = funding.SETTLED.get(source.venue.exchange)
    if ask is None:
        return None
    market = await source.market(target.labels["symbol"])
    if not market.get("swap"):
        return Terms()
    found = await ask(functools.partial(source.ask, "fetch_funding_rate_history"), market)
    source.kept(target, Past).interval = found.interval
    return found


async def interests(source: Source, targets: tuple[Target, ...]) -> Mapping[Target, float | SourceError | None]:
    """Open interest by target, in its quote asset. None as for `terms`."""
    return await _told(source, targets, "fetch_open_interest", interest.MANNERS)


async def _told(
    source: Source, targets: tuple[Target, ...], behalf: str, manners: Mapping[str, Manner[T]]
) -> Mapping[Target, T | SourceError | None]:
    if (manner := manners.get(source.venue.exchange)) is None:
        return dict.fromkeys(targets)
    await source.markets()  # without which none is known
    outcomes: dict[Target, T | SourceError | None] = {}
    asked: dict[Target, Market] = {}
    for target in targets:
        try:
            market = await source.market(target.labels["symbol"])
        except SourceError as error:
            outcomes[target] = error
        else:
            outcomes[target] = None
            if not market.get("option"):
                asked[target] = market
    found = await contracts.told(manner, functools.partial(source.ask, behalf), asked.values())
    return outcomes | {target: found[str(market["symbol"])] for target, market in asked.items()}
