"""`python -m exporters.exchange`: wiring only."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from exporters.exchange import jobs
from exporters.exchange.checks import order_book
from exporters.exchange.config import ExchangeConfig, only
from exporters.exchange.declared import FAMILIES, check_files
from exporters.exchange.derived import Derivation
from exporters.exchange.noted import notes
from exporters.exchange.prices import Prices
from exporters.exchange.source import Source
from occ import egress, exporter, http
from occ.exporter import Exporter, Plan
from occ.job import Job
from occ.page import Page


@asynccontextmanager
async def build(config: ExchangeConfig, page: Page) -> AsyncIterator[Plan]:
    """For each venue a job per check, and one per book that is followed."""
    made, sources = list[Job](), list[Source]()
    prices = Prices(config.prices, config.price_stale_after)
    async with http.session("exchange", page) as session, AsyncExitStack() as open_sources:
        for venue in config.venues:
            source = Source(config, venue, session, page, prices)
            open_sources.push_async_callback(source.close)
            sources.append(source)
            made += jobs.of(source)
        if config.egress:
            made.append(egress.job(config, session))
        books = {target: source for source in sources for target in source.targets.per["books"] if source.shown_books}
        derivation = Derivation(
            tuple(books),
            [target for source in sources for target in source.targets.per["prices"]],
            config.dollar_like,
            config.bases,
            followed=lambda target: books[target].follows(target, order_book.STREAMS),
            accounts=[target for source in sources for target in source.targets.per["accounts"]],
            traded=[symbol for venue in config.venues if venue.accounts for symbol in venue.symbols.named],
        )
        yield Plan(tuple(made), derivation)


EXCHANGE = Exporter(
    name="exchange",
    summary="Exchange feeds: is each one alive, true and deep.",
    port=9722,
    model=ExchangeConfig,
    families=FAMILIES,
    build=build,
    more=lambda: f"Checks: {', '.join(check_files())}.",
    only="venues",
    take=only,
    notes=notes,
)


def main(argv: list[str] | None = None) -> int:
    """Runs the exporter; returns the exit code."""
    return exporter.main(EXCHANGE, argv)


if __name__ == "__main__":
    sys.exit(main())
