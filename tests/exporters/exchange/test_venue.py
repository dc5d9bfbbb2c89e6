"""What a venue says, on servers that speak the real protocols, with the unmodified classes of ccxt."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from demo.venue.faults import Fault
from demo.venue.server import Server
from exporters.exchange.__main__ import EXCHANGE
from tests.exporters.exchange.accounts import PATIENTLY
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
from tests.exporters.support import Seen, once, parsed, running

# --- what a venue says -----------------------------------------------------------------------------------------------


async def test_one_look_at_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCC_TEST_KEY", READER.api_key)
    monkeypatch.setenv("OCC_TEST_SECRET", READER.secret)
    async with venues("alpha", "kraken") as server:
        text = configured(
            venue(server, "alpha", symbols={"books": ["BTC/USDT", "BTC/USDT:USDT"], "tickers": "all"}, accounts=[KEY]),
            venue(server, "kraken", symbols={"books": ["BTC/USD"], "tickers": ["USDT/USD"]}),
            prices={"USDT": {"venue": "kraken", "symbol": "USDT/USD"}},
            defaults={"interval": "5s", "timeout": "5s", "silence": "60s"},
        )
        body = await once(EXCHANGE, text, tmp_path)
    seen = parsed(body)
    assert READER.secret.encode() not in body
    assert READER.api_key.encode() not in body
    for symbol in ("BTC/USDT", "BTC/USDT:USDT"):
        here = {"venue": "alpha", "symbol": symbol}
        bid, ask = seen("exchange_best_bid_price", **here), seen("exchange_best_ask_price", **here)
        assert bid is not None
        assert ask is not None
        assert bid < ask
        assert seen("exchange_mid_price", **here) == (bid + ask) / 2
        assert (seen("exchange_depth_usd", **here, side="bid", band="0.0010") or 0) > 0
        assert abs((seen("exchange_book_received_timestamp_seconds", **here) or 0) - time.time()) < 60
        assert seen("exchange_market_active", **here) == 1
        assert seen("exchange_last_trade_timestamp_seconds", **here) is not None
    assert seen("exchange_market_info", venue="alpha", kind="swap", settle="USDT", base="BTC") == 1
    assert seen("exchange_best_bid_price", venue="alpha", symbol="ETH/USDT") is not None
    assert seen("exchange_status", venue="alpha", status="ok") == 1
    assert seen("exchange_currency_withdraw_enabled", venue="alpha", currency="BTC", network="any") == 1
    assert abs(seen("exchange_stablecoin_deviation_ratio", venue="kraken", currency="USDT") or 1) < 0.01
    for name in ("alpha", "kraken"):
        skew = seen("exchange_clock_skew_seconds", venue=name)
        uncertainty = seen("exchange_clock_skew_uncertainty_seconds", venue=name)
        assert skew is not None
        assert uncertainty is not None
        assert abs(skew) <= uncertainty + 0.002


async def test_an_unknown_symbol_is_down_alone_and_the_closest_are_named(
    tmp_path: Path, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    symbols = {"books": ["BTC/USDT", "BTC/USDTT"], "tickers": ["ETH/USTD"]}
    text = configured(venue(server, "alpha", symbols=symbols), defaults=PATIENTLY)
    seen = parsed(await once(EXCHANGE, text, tmp_path))
    for check in ("order_book", "trades", "markets"):
        assert up(seen, check) == 1
        assert up(seen, check, "alpha/BTC/USDTT") == 0
    assert up(seen, "tickers", "alpha/ETH/USTD") == 0
    assert "BTC/USDTT; the closest are BTC/USDT" in caplog.text
    assert "ETH/USTD; the closest are ETH/USDT" in caplog.text


async def test_a_venue_that_is_down_at_the_start_is_down_by_reason_and_the_rest_goes_on(
    tmp_path: Path, server: Server
) -> None:
    dead = venue(
        server, "dead", base_url="http://127.0.0.1:1/k3y", symbols={"books": ["BTC/USDT"]}, checks=tuned("markets")
    )
    text = configured(venue(server, "alpha", symbols={"books": ["BTC/USDT"]}), dead, defaults=PATIENTLY)
    body = await once(EXCHANGE, text, tmp_path)
    seen = parsed(body)
    assert up(seen, "order_book") == 1
    for check in ("clock", "status", "connection"):
        assert up(seen, check, "dead") == 0
        assert errors(seen, check, "connect", "dead") > 0
    assert up(seen, "order_book", "dead/BTC/USDT") == 0
    assert seen("exchange_mid_price", venue="dead") is None
    assert b"k3y" not in body


async def test_what_a_venue_does_not_offer_is_a_fact_and_no_target(tmp_path: Path) -> None:
    """Upbit has no status and no time: no request is needed to know it."""
    text = configured(
        {"name": "upbit", "exchange": "upbit", "base_url": "http://127.0.0.1:1", "symbols": {"books": ["BTC/KRW"]}}
    )
    seen = parsed(await once(EXCHANGE, text, tmp_path))
    assert seen("occ_target_configured", check="status") is None
    assert seen("occ_target_configured", check="clock") is None
    assert up(seen, "order_book", "upbit/BTC/KRW") == 0


async def test_without_a_key_binance_tells_no_currencies_and_that_is_no_fault(tmp_path: Path, server: Server) -> None:
    checks = tuned("status", "clock", currencies={"interval": "1s"})
    text = configured(venue(server, "alpha", symbols={"tickers": ["BTC/USDT"]}, checks=checks))
    async with running(EXCHANGE, text, tmp_path) as exporter:
        seen = await exporter.until(
            lambda seen: seen("exchange_check_supported", venue="alpha", check="currencies") == 0
        )
        assert up(seen, "currencies", "alpha") == 1
        assert seen("exchange_check_supported", venue="alpha", check="tickers") == 1
        assert "exchange_currency_deposit_enabled" not in seen.names()


async def test_suspended_withdrawals_are_seen(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCC_TEST_KEY", READER.api_key)
    monkeypatch.setenv("OCC_TEST_SECRET", READER.secret)
    gate = {"venue": "alpha", "currency": "USDT", "network": "ERC20"}
    text = configured(venue(server, "alpha", accounts=[KEY], checks=tuned()))
    async with running(EXCHANGE, text, tmp_path) as exporter:
        await exporter.until(lambda seen: seen("exchange_currency_withdraw_enabled", **gate) == 1)
        break_it(server, "alpha", Fault.WITHDRAWALS_SUSPENDED, currency="USDT", network="ETH")
        seen = await exporter.until(lambda seen: seen("exchange_currency_withdraw_enabled", **gate) == 0)
        assert seen("exchange_currency_withdraw_enabled", venue="alpha", currency="USDT", network="TRC20") == 1


async def test_a_key_that_is_refused_stops_only_what_needs_it(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCC_TEST_KEY", READER.api_key)
    monkeypatch.setenv("OCC_TEST_SECRET", "another-secret-altogether")
    text = configured(venue(server, "alpha", accounts=[KEY], symbols={"books": ["BTC/USDT"]}), defaults=PATIENTLY)
    seen = parsed(await once(EXCHANGE, text, tmp_path))
    assert up(seen, "currencies", "alpha") == 0
    assert errors(seen, "currencies", "auth", "alpha") > 0
    assert up(seen, "order_book") == 1


# --- dollars and trades ----------------------------------------------------------------------------------------------


async def test_dollars_vanish_with_their_price_and_the_rest_stays(tmp_path: Path) -> None:
    async with venues("alpha", "kraken") as server:
        off = ("currencies", "tickers", "status", "clock", "markets", "trades")
        prices = {"interval": "2s", "timeout": "2s", "stale_after": "4s"}
        text = configured(
            venue(server, "alpha", symbols={"books": ["BTC/USDT"]}, checks=tuned(*off)),
            venue(server, "kraken", checks=tuned(*off, prices=prices)),
            prices={"USDT": {"venue": "kraken", "symbol": "USDT/USD"}},
        )
        depth = {**BTC, "side": "bid", "band": "0.0010"}
        async with running(EXCHANGE, text, tmp_path) as exporter:
            await exporter.until(lambda seen: seen("exchange_depth_usd", **depth) is not None)
            break_it(server, "kraken", Fault.SERVER_ERROR)
            seen = await exporter.until(lambda seen: seen("exchange_depth_usd", **depth) is None)
            assert seen("exchange_mid_price", **BTC) is not None
            assert seen("exchange_depth_band_complete", **depth) is not None
            await exporter.until(lambda seen: "exchange_stablecoin_deviation_ratio" not in seen.names())
            mend(server, "kraken", Fault.SERVER_ERROR)
            await exporter.until(lambda seen: seen("exchange_depth_usd", **depth) is not None)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "poll"])
async def test_every_trade_is_counted_once(tmp_path: Path, server: Server, *, stream: bool) -> None:
    """By the venue's own record: trades that were told when it began, against those of later."""
    (market,) = [market for market in server.venues["alpha"].exchange.markets() if market.name == "BTC/USDT"]
    async with following(server, tmp_path, stream=stream) as exporter:

        def counted(seen: Seen) -> list[float]:
            return [seen("exchange_trades_total", **BTC, side=side) or 0 for side in ("buy", "sell")]

        def recorded(number: float) -> list[int]:
            newest = list(market.prints)[-int(number) :]
            bought = sum(not each.buyer_is_maker for each in newest)
            return [bought, len(newest) - bought]

        await exporter.until(lambda seen: sum(counted(seen)) > 5)
        break_it(server, "alpha", Fault.HALT, symbol="BTC/USDT")
        last = market.prints[-1]
        await exporter.until(lambda seen: seen("exchange_last_trade_timestamp_seconds", **BTC) == last.at / 1000)
        await exporter.until(lambda seen: counted(seen) == recorded(sum(counted(seen))))
