"""What is valid in exchange.yml, and still not what anybody would want."""

from __future__ import annotations

from collections.abc import Iterator

from exporters.exchange import wanted
from exporters.exchange.config import ExchangeConfig
from occ.config import Loaded
from occ.errors import Problem


def notes(loaded: Loaded[ExchangeConfig]) -> Iterator[Problem]:
    """All of it, with its place."""
    yield from wanted.notes(loaded)
    yield from _half_keys(loaded)


def _half_keys(loaded: Loaded[ExchangeConfig]) -> Iterator[Problem]:
    """Keys that lack what the exchange would not take them without: all that is asked with them would be refused."""
    from adapters.venue.library import key_parts  # noqa: PLC0415 - ccxt is loaded when a file is read, not when a board is made

    for index, venue in enumerate(loaded.config.venues):
        for number, account in enumerate(venue.accounts):
            given = {"apiKey", "secret", *(["password"] if account.password else [])}
            if lacking := sorted(key_parts(venue.exchange) - given):
                at = ("venues", index, "accounts", number)
                yield loaded.problem(
                    at, f"a key of this exchange has a {' and a '.join(lacking)} as well: it will be refused"
                )
