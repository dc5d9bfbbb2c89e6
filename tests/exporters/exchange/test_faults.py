"""Faults and bad input, on servers that speak the real protocols, with the unmodified classes of ccxt."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from demo.venue.faults import Fault
from demo.venue.server import Server
from exporters.exchange.__main__ import EXCHANGE
from tests.exporters.exchange.support import (
    BTC,
    KEY,
    READER,
    break_it,
    configured,
    errors,
    following,
    mend,
    tuned,
    up,
    venue,
    venues,
)
from tests.exporters.support import running

# --- faults of a book ------------------------------------------------------------------------------------------------


async def test_a_frozen_book_on_a_live_socket_is_seen_by_its_trades(tmp_path: Path, server: Server) -> None:
    async with following(server, tmp_path) as exporter:
        await exporter.until(lambda seen: seen("exchange_book_frozen", **BTC) == 0)
        break_it(server, "alpha", Fault.FROZEN, symbol="BTC/USDT")
        await exporter.until(lambda seen: seen("exchange_book_frozen", **BTC) == 1)
        mend(server, "alpha", Fault.FROZEN)
        await exporter.until(lambda seen: seen("exchange_book_frozen", **BTC) == 0)


async def test_a_depth_that_a_venue_does_not_offer_is_the_venues_own(tmp_path: Path) -> None:
    """Kraken has books of 10, 25, 100, 500 and 1,000 levels."""
    async with venues("kraken", symbols=1) as server:
        off = ("currencies", "tickers", "status", "clock", "markets", "trades")
        checks = tuned(*off, order_book={"depth": 7, "poll": {"interval": "30s"}})
        text = configured(venue(server, "kraken", symbols={"books": ["BTC/USD"]}, checks=checks))
        async with running(EXCHANGE, text, tmp_path) as exporter:
            await exporter.until(lambda seen: seen("exchange_mid_price", venue="kraken") is not None)
            seen = await exporter.until(lambda seen: seen("exchange_ws_connected", venue="kraken") == 1)
            assert errors(seen, "order_book", "not_supported", "kraken/BTC/USD") == 0


async def test_a_look_beside_the_stream_does_not_disturb_it(tmp_path: Path, server: Server) -> None:
    """As a probe looks: by asking, with the jobs that follow the book."""
    async with following(server, tmp_path) as exporter:
        break_it(server, "alpha", Fault.FROZEN, symbol="BTC/USDT")
        seen = await exporter.until(lambda seen: seen("exchange_book_frozen", **BTC) == 1)
        changed = seen("exchange_book_change_timestamp_seconds", **BTC)
        (job,) = [work.job for work in exporter.poller._work if work.job.check == "order_book"]
        async for outcomes in job.results(job.targets):
            (reading,) = outcomes.values()
            assert reading.quality.mid == seen("exchange_mid_price", **BTC)
        assert exporter.page()("exchange_book_change_timestamp_seconds", **BTC) == changed


async def test_a_halted_market_is_seen_by_the_moves_of_two_others(tmp_path: Path) -> None:
    async with venues("alpha", "beta", "gamma") as server:
        checks = tuned("currencies", "tickers", "status", "clock", "trades")
        of = [
            venue(server, name, symbols={"books": ["BTC/USDT"]}, checks=checks) for name in ("alpha", "beta", "gamma")
        ]
        async with running(EXCHANGE, configured(*of), tmp_path) as exporter:
            await exporter.until(lambda seen: seen("exchange_cross_venue_deviation_ratio", **BTC) is not None)
            break_it(server, "alpha", Fault.HALT, symbol="BTC/USDT")
            await exporter.until(lambda seen: seen("exchange_book_frozen", **BTC) == 1)
            await exporter.until(lambda seen: seen("exchange_market_active", **BTC) == 0)
            mend(server, "alpha", Fault.HALT)
            await exporter.until(lambda seen: seen("exchange_book_frozen", **BTC) == 0)


async def test_a_gap_is_counted_and_the_book_taken_anew(tmp_path: Path, server: Server) -> None:
    async with following(server, tmp_path) as exporter:
        assert exporter.page()("exchange_book_sequence_gaps_total", **BTC) == 0
        break_it(server, "alpha", Fault.GAP, symbol="BTC/USDT")
        await exporter.until(lambda seen: (seen("exchange_book_sequence_gaps_total", **BTC) or 0) > 0)
        mend(server, "alpha", Fault.GAP)
        seen = await exporter.until(lambda seen: (seen("exchange_book_resyncs_total", **BTC) or 0) > 0)
        assert (seen("exchange_ws_reconnects_total", venue="alpha") or 0) > 0


async def test_one_symbols_gap_is_its_own_matter(tmp_path: Path, server: Server) -> None:
    checks = tuned("currencies", "tickers", "status", "clock", "markets", "trades")
    text = configured(venue(server, "alpha", symbols={"books": ["BTC/USDT", "ETH/USDT"]}, checks=checks))
    other = {"venue": "alpha", "symbol": "ETH/USDT"}
    async with running(EXCHANGE, text, tmp_path) as exporter:
        await exporter.until(lambda seen: all(seen("exchange_mid_price", **each) for each in (BTC, other)))
        break_it(server, "alpha", Fault.GAP, symbol="BTC/USDT")
        seen = await exporter.until(lambda seen: (seen("exchange_book_resyncs_total", **BTC) or 0) > 0)
        assert seen("exchange_book_sequence_gaps_total", **other) == 0
        assert seen("exchange_book_resyncs_total", **other) == 0


async def test_a_crossed_book_counts_seconds_and_tells_no_depth(tmp_path: Path, server: Server) -> None:
    async with following(server, tmp_path) as exporter:
        break_it(server, "alpha", Fault.CROSSED, symbol="BTC/USDT")
        await exporter.until(lambda seen: (seen("exchange_book_crossed_seconds_total", **BTC) or 0) > 0.5)
        seen = await exporter.until(lambda seen: (seen("exchange_spread_ratio", **BTC) or 0) < 0)
        assert seen("exchange_depth_usd", **BTC, side="bid", band="0.0010") is None
        assert seen("exchange_book_imbalance_ratio", **BTC) is None


async def test_a_symbol_that_vanishes_is_down(tmp_path: Path, server: Server) -> None:
    async with following(server, tmp_path, "currencies", "tickers", "status", "clock") as exporter:
        await exporter.until(lambda seen: seen("exchange_market_active", **BTC) == 1)
        break_it(server, "alpha", Fault.DELISTED, symbol="BTC/USDT")
        await exporter.until(lambda seen: up(seen, "markets") == 0)
        await exporter.until(lambda seen: up(seen, "order_book") == 0)
        await exporter.until(lambda seen: seen("exchange_mid_price", **BTC) is None)


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "poll"])
@pytest.mark.parametrize("fault", [Fault.GARBAGE, Fault.TRUNCATED, Fault.ABSURD])
async def test_garbage_takes_the_book_down_and_then_off_the_page(
    tmp_path: Path, server: Server, fault: Fault, *, stream: bool
) -> None:
    async with following(server, tmp_path, stream=stream) as exporter:
        break_it(server, "alpha", fault)
        await exporter.until(
            lambda seen: up(seen, "order_book") == 0 and errors(seen, "order_book", "bad_response") > 0
        )
        await exporter.until(lambda seen: seen("exchange_mid_price", **BTC) is None)
        mend(server, "alpha", fault)
        seen = await exporter.until(lambda seen: seen("exchange_mid_price", **BTC) is not None)
        assert up(seen, "order_book") == 1


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "poll"])
@pytest.mark.parametrize(("fault", "bid"), [(Fault.ONE_SIDED, True), (Fault.EMPTY, False)])
async def test_a_book_without_asks_has_no_mid(
    tmp_path: Path, server: Server, fault: Fault, *, bid: bool, stream: bool
) -> None:
    async with following(server, tmp_path, stream=stream) as exporter:
        break_it(server, "alpha", fault, symbol="BTC/USDT")
        seen = await exporter.until(lambda seen: seen("exchange_mid_price", **BTC) is None)
        assert up(seen, "order_book") == 1
        assert (seen("exchange_best_bid_price", **BTC) is not None) == bid
        assert seen("exchange_best_ask_price", **BTC) is None
        assert seen("exchange_spread_ratio", **BTC) is None


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "poll"])
async def test_five_thousand_levels_are_a_book(tmp_path: Path, *, stream: bool) -> None:
    async with venues("alpha", symbols=1, levels=5_000) as server:
        off = ("currencies", "tickers", "status", "clock", "markets", "trades")
        checks = tuned(*off, order_book={"depth": 5_000, "poll": {"interval": "1s", "depth": 5_000}})
        text = configured(venue(server, "alpha", symbols={"books": ["BTC/USDT"]}, stream=stream, checks=checks))
        async with running(EXCHANGE, text, tmp_path) as exporter:
            seen = await exporter.until(lambda seen: seen("exchange_mid_price", **BTC) is not None)
            for side in ("bid", "ask"):
                assert seen("exchange_depth_band_complete", **BTC, side=side, band="0.0200") == 1


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "poll"])
async def test_one_symbols_absurd_prices_are_its_own_matter(tmp_path: Path, server: Server, *, stream: bool) -> None:
    checks = tuned("currencies", "tickers", "status", "clock", "markets", "trades")
    symbols = {"books": ["BTC/USDT", "ETH/USDT"]}
    text = configured(venue(server, "alpha", symbols=symbols, stream=stream, checks=checks))
    other = {"venue": "alpha", "symbol": "ETH/USDT"}
    async with running(EXCHANGE, text, tmp_path) as exporter:
        await exporter.until(lambda seen: all(seen("exchange_mid_price", **each) for each in (BTC, other)))
        break_it(server, "alpha", Fault.ABSURD, symbol="BTC/USDT")
        await exporter.until(lambda seen: seen("exchange_mid_price", **BTC) is None)
        seen = exporter.page()
        received = seen("exchange_book_received_timestamp_seconds", **other) or 0.0
        await exporter.until(lambda seen: (seen("exchange_book_received_timestamp_seconds", **other) or 0) > received)
        assert up(exporter.page(), "order_book", "alpha/ETH/USDT") == 1


# --- faults of a venue -----------------------------------------------------------------------------------------------


async def test_a_dropped_socket_is_polled_instead_and_opened_again(tmp_path: Path, server: Server) -> None:
    async with following(server, tmp_path) as exporter:
        await exporter.until(lambda seen: seen("exchange_ws_connected", venue="alpha") == 1)
        break_it(server, "alpha", Fault.DROP)
        seen = await exporter.until(lambda seen: seen("exchange_ws_connected", venue="alpha") == 0)
        polled = seen("exchange_requests_total", venue="alpha", method="fetch_order_book") or 0
        seen = await exporter.until(
            lambda seen: (seen("exchange_requests_total", venue="alpha", method="fetch_order_book") or 0) > polled
        )
        assert up(seen, "order_book") == 1
        mend(server, "alpha", Fault.DROP)
        seen = await exporter.until(lambda seen: seen("exchange_ws_connected", venue="alpha") == 1)
        await exporter.until(lambda seen: (seen("exchange_book_resyncs_total", **BTC) or 0) > 0)


async def test_a_socket_that_says_nothing_is_given_up(tmp_path: Path, server: Server) -> None:
    async with following(server, tmp_path) as exporter:
        break_it(server, "alpha", Fault.SILENCE)
        await exporter.until(lambda seen: errors(seen, "order_book", "timeout") > 1 and up(seen, "order_book") == 0)
        await exporter.until(lambda seen: seen("exchange_ws_connected", venue="alpha") in (0, None))
        await exporter.until(lambda seen: up(seen, "connection", "alpha") == 0)
        mend(server, "alpha", Fault.SILENCE)
        await exporter.until(lambda seen: up(seen, "order_book") == 1 and up(seen, "connection", "alpha") == 1)


async def test_maintenance_is_a_status(tmp_path: Path, server: Server) -> None:
    async with following(server, tmp_path, "currencies", "tickers", "markets") as exporter:
        await exporter.until(lambda seen: seen("exchange_status", venue="alpha", status="ok") == 1)
        break_it(server, "alpha", Fault.MAINTENANCE)
        seen = await exporter.until(lambda seen: seen("exchange_status", venue="alpha", status="maintenance") == 1)
        assert seen("exchange_status", venue="alpha", status="ok") == 0
        await exporter.until(lambda seen: errors(seen, "clock", "maintenance", "alpha") > 0)


async def test_a_ban_is_told_until_when(tmp_path: Path, server: Server) -> None:
    async with following(server, tmp_path, "currencies", "tickers", "markets") as exporter:
        break_it(server, "alpha", Fault.BAN)
        until = {"venue": "alpha"}
        seen = await exporter.until(
            lambda seen: seen("exchange_rate_limit_ban_until_timestamp_seconds", **until) is not None
        )
        told = seen("exchange_rate_limit_ban_until_timestamp_seconds", **until) or 0
        assert 60 < told - time.time() <= 121
        await exporter.until(lambda seen: errors(seen, "clock", "rate_limited", "alpha") > 0)


async def test_a_ban_holds_with_the_key_and_without_and_ends_for_both(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCC_TEST_KEY", READER.api_key)
    monkeypatch.setenv("OCC_TEST_SECRET", READER.secret)
    checks = tuned("tickers", "markets", "status", "order_book", "trades")
    text = configured(venue(server, "alpha", symbols={"books": ["BTC/USDT"]}, checks=checks, accounts=[KEY]))
    async with running(EXCHANGE, text, tmp_path) as exporter:
        await exporter.until(lambda seen: up(seen, "currencies", "alpha") == 1 and up(seen, "clock", "alpha") == 1)
        break_it(server, "alpha", Fault.BAN, patience=4)
        await exporter.until(lambda seen: up(seen, "currencies", "alpha") == 0 and up(seen, "clock", "alpha") == 0)
        seen = await exporter.until(
            lambda seen: seen("exchange_rate_limit_ban_until_timestamp_seconds", venue="alpha") is not None
        )
        assert up(seen, "connection", "alpha") == 1
        mend(server, "alpha", Fault.BAN)
        checked = ("currencies", "clock", "connection")
        await exporter.until(lambda seen: all(up(seen, check, "alpha") == 1 for check in checked))


async def test_the_venues_clock_is_measured(tmp_path: Path, server: Server) -> None:
    async with following(server, tmp_path, "currencies", "tickers", "markets", "status") as exporter:
        break_it(server, "alpha", Fault.CLOCK_SKEW, seconds=7.0)
        seen = await exporter.until(lambda seen: (seen("exchange_clock_skew_seconds", venue="alpha") or 0) > 3)
        skew = seen("exchange_clock_skew_seconds", venue="alpha") or 0
        assert abs(skew - 7) <= (seen("exchange_clock_skew_uncertainty_seconds", venue="alpha") or 0) + 0.002
