"""Binance's weight by the venue's own count: never more than the configured share of its limit, whatever is asked for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from demo.venue.assets import listings, perpetuals
from demo.venue.exchange import Exchange
from demo.venue.faults import Fault
from exporters.exchange.__main__ import EXCHANGE
from tests.exporters.exchange.accounts import account, with_keys
from tests.exporters.exchange.support import break_it, configured, tuned, venue, venues
from tests.exporters.support import running

SHARE = 0.1
SYMBOLS = 12
MINUTE = 62.0
"""So long the venue counts: every way to cut a minute is in it, and what was used in its beginning may be used again."""


def most_used(exchange: Exchange) -> float:
    """The largest share of a limit of the venue that was ever used, by its own count."""
    return max(segment.limiter.peak / segment.limiter.limit for segment in exchange.segments.values())


async def test_the_share_is_kept_for_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three venues that are wanted more of than they may be asked: with the keys of three accounts and streams, polled, and with
    streams that are lost again and again, which are polled meanwhile and take the whole book at each new beginning.
    """
    with_keys(monkeypatch)
    accounts = [account(), account("IDLE", "idle"), account("VIEWER", "viewer")]
    books = [listing.name for listing in (*listings(SYMBOLS), *perpetuals(SYMBOLS))]
    often = tuned(tickers={"interval": "1s"}, order_book={"poll": {"interval": "1s", "depth": 500}, "depth": 500})
    common = {"rate_limit_share": SHARE, "checks": often, "symbols": {"books": books, "tickers": "all"}}
    async with venues("followed", "polled", "lost", symbols=SYMBOLS, levels=20, rate=2.0) as server:
        text = configured(
            venue(server, "followed", accounts=accounts, **common),
            venue(server, "polled", stream=False, **common),
            venue(server, "lost", **common),
        )
        break_it(server, "lost", Fault.DROP)
        began = time.monotonic()
        async with running(EXCHANGE, text, tmp_path) as exporter:
            await exporter.until(
                lambda seen: (
                    (seen("exchange_throttle_wait_seconds_total", venue="polled") or 0) > 0
                    and time.monotonic() - began > MINUTE
                    and all(most_used(each.exchange) > SHARE / 4 for each in server.venues.values())
                ),
                within=3 * MINUTE,
            )
            seen = exporter.page()
        for name, each in server.venues.items():
            limiters = {kind: segment.limiter for kind, segment in each.exchange.segments.items()}
            assert all(limiter.peak <= SHARE * limiter.limit for limiter in limiters.values())
            assert most_used(each.exchange) > SHARE / 4, "it was hardly asked"
            assert (seen("exchange_rate_limit_used_ratio", venue=name, window="1m") or 0) <= SHARE
