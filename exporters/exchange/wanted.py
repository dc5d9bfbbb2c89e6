"""Whether the accounts of a file fit into what may be used of a venue's limits: known before anything is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from exporters.exchange.config import Account, ExchangeConfig, Venue
from exporters.exchange.declared import check_files
from exporters.exchange.symbols import base_of, kind_of
from occ.config import Loaded
from occ.errors import Problem


def notes(loaded: Loaded[ExchangeConfig]) -> Iterator[Problem]:
    """Where the checks of accounts ask for more than they may: all have their turns, but more seldom than is configured."""
    for index, venue in enumerate(loaded.config.venues):
        slower = _slower(loaded.config, venue)
        if slower > 1:
            yield loaded.problem(("venues", index, "rate_limit_share"), _told(venue, slower))


def _told(venue: Venue, slower: float) -> str:
    share = venue.rate_limit_share
    enough = f"with {share * slower:.2g} it would fit" if share * slower <= 1 else "even with 1 it would not fit"
    return (
        f"the checks of {len(venue.accounts)} account{'s' * (len(venue.accounts) > 1)} want more than {share:g} of the venue's limit allows: "
        f"they come {slower:.2g} times as seldom as they should, and from 3 times on their values vanish in between; {enough}, or "
        "with longer intervals"
    )


def _slower(config: ExchangeConfig, venue: Venue) -> float:
    """By which factor the intervals of the checks of its accounts grow."""
    from adapters.venue.limits import counts_apart, shares  # noqa: PLC0415 - ccxt is loaded when a file is read, not when a board is made

    each = [_wanted(config, venue, account) for account in venue.accounts]
    _, allowed = shares(venue.exchange, venue.rate_limit_share, keys=bool(each))
    if counts_apart(venue.exchange):
        return max((share / allowed for one in each for share in one.values()), default=0.0)
    together = Counter[str]()
    for one in each:
        together.update(one)
    return max((share / allowed for share in together.values()), default=0.0)


def _wanted(config: ExchangeConfig, venue: Venue, account: Account) -> dict[str, float]:
    from adapters.venue.weights import wanted  # noqa: PLC0415 - ccxt is loaded when a file is read, not when a board is made

    intervals = {
        name: venue.pace(config, check.INTERVAL, options).interval
        for name, check in check_files().items()
        if check.PER == "accounts" and (options := venue.chosen(name)) is not None
    }
    symbols = Counter(map(_market, venue.symbols.named))
    return dict(wanted(venue.exchange, intervals, account.markets, symbols))


def _market(symbol: str) -> str:
    """Where a symbol is traded, in the words of an account's `markets`."""
    if kind_of(symbol) == "spot":
        return "spot"
    settled = symbol.partition(":")[2].partition("-")[0]
    return "inverse" if settled == base_of(symbol) else "linear"
