"""The ways to a venue: without a key, and with that of each account; and how much of its limits each may use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from adapters.venue import Credentials, Observer
from adapters.venue import Venue as Wire
from adapters.venue.limits import counts_apart, shares
from adapters.venue.orders import OPTIONS as OF_ORDERS
from adapters.venue.venue import limited
from exporters.exchange.config import Account, Venue

COMMON = {"tradesLimit": 250}
"""ccxt's options for all exchanges. It keeps the last trades of each symbol, 3 kB each, though all are noted as they come: enough
for the busiest symbol and a loop that is late by half a second.
"""

_AGGREGATES = {"watchTradesForSymbols": {"name": "aggTrade"}}
OPTIONS: Mapping[str, Mapping[str, Any]] = dict.fromkeys(
    ("binance", "binancecoinm", "binanceus", "binanceusdm"), _AGGREGATES
)
"""And those by exchange. Binance is asked for aggregates of trades: what is followed must have the same ids."""


def opened(
    venue: Venue, session: aiohttp.ClientSession, observer: Observer, clock: Callable[[], float]
) -> tuple[Wire, Mapping[str, Wire]]:
    """The one without a key, and those of the accounts by their names. To be closed."""

    def wire(account: Account | None, **limits: Any) -> Wire:
        return Wire(
            venue.exchange,
            session=session,
            base_url=None if venue.base_url is None else venue.base_url.reveal(),
            credentials=None if account is None else _credentials(account),
            options={**COMMON, **OPTIONS.get(venue.exchange, {}), **OF_ORDERS},
            spread=account is None,
            observer=observer,
            clock=clock,
            **limits,
        )

    share, with_keys = shares(venue.exchange, venue.rate_limit_share, keys=bool(venue.accounts))
    limits: dict[str, Any] = {"rate_limit_share": with_keys}
    if venue.accounts and not counts_apart(venue.exchange):
        limits["budget"] = limited(venue.exchange, with_keys, spread=False, observer=observer, clock=clock)
    return wire(None, rate_limit_share=share), {account.name: wire(account, **limits) for account in venue.accounts}


def _credentials(account: Account) -> Credentials:
    return Credentials(api_key=account.api_key, secret=account.secret, password=account.password)
