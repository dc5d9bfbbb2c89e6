"""Funding, mark and index prices on the page: Binance on the venue server, Deribit replayed in the shapes of its documentation."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from demo.venue.faults import Fault
from demo.venue.server import Server
from exporters.exchange.__main__ import EXCHANGE
from tests.adapters.venue.replays import MARKETS, Replay
from tests.adapters.venue.test_funding import SUMMARY, deribit
from tests.exporters.exchange.accounts import OFTEN, only
from tests.exporters.exchange.support import break_it, configured, down, mend, up, venue, venues
from tests.exporters.support import Running, Seen, running
from tests.occ.servers import CANARY, listening

BTC, ETH, SOL = "BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT"
HOUR = 3600
FUNDING = {"funding": OFTEN, "settled_funding": OFTEN, "connection": OFTEN}


@asynccontextmanager
async def watching(server: Server, folder: Path, *symbols: str, **more: object) -> AsyncIterator[Running]:
    """The exporter on contracts of alpha, once it has looked."""
    given = {"symbols": {"tickers": list(symbols)}, "checks": only(**FUNDING), "stream": False, **more}
    async with running(EXCHANGE, configured(venue(server, "alpha", **given)), folder) as exporter:
        for check in ("funding", "settled_funding"):
            await exporter.until(lambda seen, check=check: up(seen, check, f"alpha/{symbols[0]}") is not None)  # type: ignore[misc]
        yield exporter


def told(seen: Seen, name: str, symbol: str, **labels: str) -> float | None:
    return seen(f"exchange_{name}", venue="alpha", symbol=symbol, **labels)


def rate(seen: Seen, kind: str, symbol: str = BTC) -> float | None:
    return told(seen, "funding_rate_ratio", symbol, kind=kind)


async def test_what_is_settled_next_is_told_beside_what_was(tmp_path: Path) -> None:
    async with (
        venues("alpha", symbols=3) as server,
        watching(server, tmp_path, BTC, ETH, SOL, "BTC/USDT") as exporter,
    ):
        await exporter.until(lambda seen: rate(seen, "last", ETH) is not None)
        # The venue does not list the interval of SOL: that is known once its settlements are.
        seen = await exporter.until(lambda seen: told(seen, "funding_annualized_ratio", SOL) is not None)
        now = time.time()
        for symbol, hours in ((BTC, 8), (ETH, 4), (SOL, 8)):
            predicted, following = rate(seen, "predicted", symbol), told(seen, "funding_next_timestamp_seconds", symbol)
            assert predicted is not None
            assert following is not None
            assert told(seen, "funding_interval_seconds", symbol) == hours * HOUR
            assert told(seen, "funding_annualized_ratio", symbol) == pytest.approx(predicted * 365 * 24 / hours)
            assert following % (hours * HOUR) == 0
            assert now - 60 < following <= now + hours * HOUR


async def test_without_settlements_an_interval_that_is_not_listed_is_no_guess(tmp_path: Path) -> None:
    checks = only(funding=OFTEN)
    async with venues("alpha", symbols=3) as server:
        text = configured(venue(server, "alpha", symbols={"tickers": [BTC, SOL]}, checks=checks))
        async with running(EXCHANGE, text, tmp_path) as exporter:
            seen = await exporter.until(lambda seen: rate(seen, "predicted", SOL) is not None)
            assert told(seen, "funding_interval_seconds", BTC) == 8 * HOUR
            assert told(seen, "funding_interval_seconds", SOL) is None
            assert told(seen, "funding_annualized_ratio", SOL) is None


async def test_a_contract_stands_off_from_its_index_by_its_basis(tmp_path: Path, server: Server) -> None:
    async with watching(server, tmp_path, BTC, "BTC/USDT") as exporter:
        seen = await exporter.until(lambda seen: told(seen, "basis_ratio", BTC) is not None)
        mark, index = told(seen, "mark_price", BTC), told(seen, "index_price", BTC)
        assert mark is not None
        assert index is not None
        assert told(seen, "basis_ratio", BTC) == pytest.approx((mark - index) / index)
        for name in ("mark_price", "index_price", "basis_ratio", "funding_next_timestamp_seconds"):
            assert told(seen, name, "BTC/USDT") is None, "nothing is due for what is bought and sold outright"


async def test_what_can_not_be_read_is_gone_and_comes_back(tmp_path: Path, server: Server) -> None:
    async with watching(server, tmp_path, BTC) as exporter:
        await exporter.until(lambda seen: rate(seen, "predicted") is not None)
        break_it(server, "alpha", Fault.GARBAGE)
        await exporter.until(lambda seen: down(seen, "funding", "bad_response", f"alpha/{BTC}"))
        await exporter.until(lambda seen: rate(seen, "predicted") is None and told(seen, "mark_price", BTC) is None)
        mend(server, "alpha", Fault.GARBAGE)
        await exporter.until(lambda seen: rate(seen, "predicted") is not None and rate(seen, "last") is not None)


async def test_a_contract_that_is_not_there_takes_no_other_with_it(tmp_path: Path, server: Server) -> None:
    async with watching(server, tmp_path, BTC, "NO/USDT:USDT") as exporter:
        seen = await exporter.until(lambda seen: rate(seen, "predicted") is not None)
        assert up(seen, "funding", "alpha/NO/USDT:USDT") == 0
        assert up(seen, "funding", f"alpha/{BTC}") == 1


async def test_deribit_tells_both_rates_by_one_check(tmp_path: Path) -> None:
    answers = {**MARKETS["deribit"], **deribit(BTC=[SUMMARY])}
    async with listening(Replay(answers).handle) as port:
        written = {
            "name": "alpha",
            "exchange": "deribit",
            "base_url": f"http://127.0.0.1:{port}/{CANARY}",
            "symbols": {"tickers": ["BTC/USD:BTC"]},
            "checks": only(**FUNDING, open_interest=OFTEN),
        }
        async with running(EXCHANGE, configured({**written, "rate_limit_share": 1}), tmp_path) as exporter:
            seen = await exporter.until(lambda seen: rate(seen, "predicted", "BTC/USD:BTC") is not None)
            assert (rate(seen, "predicted", "BTC/USD:BTC"), rate(seen, "last", "BTC/USD:BTC")) == (
                -0.0000013,
                0.0000026,
            )
            assert told(seen, "funding_interval_seconds", "BTC/USD:BTC") == 8 * HOUR
            supported = {"venue": "alpha", "check": "settled_funding"}
            await exporter.until(lambda seen: seen("exchange_check_supported", **supported) == 0)
            await exporter.until(lambda seen: told(seen, "open_interest_usd", "BTC/USD:BTC") == 111543850)


async def test_where_nobody_knows_how_it_is_told_there_is_no_number(tmp_path: Path, server: Server) -> None:
    written = venue(server, "alpha", symbols={"tickers": [BTC]}, checks=only(funding=OFTEN), exchange="gemini")
    async with running(EXCHANGE, configured(written), tmp_path) as exporter:
        seen = await exporter.until(lambda seen: up(seen, "funding", f"alpha/{BTC}") == 1)
        assert rate(seen, "predicted") is None
        assert told(seen, "mark_price", BTC) is None
