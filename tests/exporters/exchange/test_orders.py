"""Open orders of accounts on the page, by the real classes of ccxt on the venue server."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from demo.venue.faults import Fault
from demo.venue.server import Server
from exporters.exchange.__main__ import EXCHANGE
from exporters.exchange.checks.orders import reading
from occ.errors import ConfigError
from tests.adapters.venue.replays import MARKETS, Replay
from tests.adapters.venue.test_looking import AT, MANY, bybit, of_bybit, of_okx, okx
from tests.exporters.exchange.accounts import KEYS, OFTEN, account, only, trader, watching, with_keys
from tests.exporters.exchange.support import break_it, configured, down, up, venue, venues
from tests.exporters.support import Running, running
from tests.occ.servers import CANARY, listening

DESK = {"venue": "alpha", "account": "desk"}
ORDERS = {"orders": OFTEN, "unlisted_orders": OFTEN}
PASSWORD = {"env": "BINANCE_SECRET"}
SLOWLY = {"interval": "5s", "timeout": "5s"}
SYMBOLS = ["BTC/USDT", "BTC/USDT:USDT"]


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch)


def count(seen: Any, symbol: str, side: str) -> float | None:
    found: float | None = seen("exchange_open_orders", **DESK, symbol=symbol, side=side)
    return found


async def test_orders_are_counted_by_symbol_and_side_and_zero_is_told(tmp_path: Path, server: Server) -> None:
    before = time.time()
    async with trader(server) as desk, watching(server, tmp_path, ORDERS) as exporter:
        await exporter.until(lambda seen: seen("exchange_open_orders_unlisted", **DESK) == 0)
        seen = await exporter.until(lambda seen: up(seen, "orders", "alpha/desk") == 1)
        assert {count(seen, symbol, side) for symbol in SYMBOLS for side in ("buy", "sell")} == {0}
        assert seen("exchange_open_order_oldest_timestamp_seconds", **DESK) is None

        for price in (40_000, 41_000):
            await desk.call("create_order", "BTC/USDT", "limit", "buy", 0.1, price)
        stop = {"stopLossPrice": 90_000}
        waiting = await desk.call("create_order", "BTC/USDT:USDT", "market", "buy", 0.1, None, stop)
        await desk.call("create_order", "ETH/USDT", "limit", "sell", 1, 9_000)
        seen = await exporter.until(lambda seen: count(seen, "BTC/USDT", "buy") == 2)
        assert count(seen, "BTC/USDT", "sell") == 0
        seen = await exporter.until(lambda seen: count(seen, "BTC/USDT:USDT", "buy") == 1)
        await exporter.until(lambda seen: seen("exchange_open_orders_unlisted", **DESK) == 1)
        oldest = seen("exchange_open_order_oldest_timestamp_seconds", **DESK)
        assert oldest is not None
        assert before - 1 < oldest < time.time() + 1

        await desk.call("cancel_order", waiting["id"], "BTC/USDT:USDT", {"trigger": True})
        await exporter.until(lambda seen: count(seen, "BTC/USDT:USDT", "buy") == 0)


async def test_the_page_names_no_order(tmp_path: Path, server: Server) -> None:
    async with trader(server) as desk, watching(server, tmp_path, ORDERS) as exporter:
        named = {"clientOrderId": "canary-of-an-order"}
        await desk.call("create_order", "BTC/USDT", "limit", "buy", 0.1, 40_000, named)
        await exporter.until(lambda seen: count(seen, "BTC/USDT", "buy") == 1)
        page = exporter.poller.render().decode()
    assert "canary" not in page
    assert KEYS["BINANCE"][0] not in page


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.KEY_REFUSED, "auth"),
        (Fault.GARBAGE, "bad_response"),
        (Fault.SILENCE, "timeout"),
    ],
)
async def test_what_can_not_be_seen_is_no_zero(tmp_path: Path, server: Server, fault: Fault, reason: str) -> None:
    async with watching(server, tmp_path, ORDERS) as exporter:
        await exporter.until(lambda seen: count(seen, "BTC/USDT", "buy") == 0)
        break_it(server, "alpha", fault)
        await exporter.until(lambda seen: down(seen, "orders", reason, "alpha/desk"))
        await exporter.until(lambda seen: count(seen, "BTC/USDT", "buy") is None)


async def test_one_accounts_refused_key_is_nobody_elses_matter(tmp_path: Path, server: Server) -> None:
    async with watching(server, tmp_path, ORDERS, accounts=[account(), account("WRONG", "spoiled")]) as exporter:
        await exporter.until(lambda seen: up(seen, "orders", "alpha/spoiled") == 0)
        await exporter.until(lambda seen: count(seen, "BTC/USDT", "buy") == 0)
        assert up(exporter.page(), "orders", "alpha/desk") == 1


async def test_what_the_account_does_not_trade_has_no_number(tmp_path: Path, server: Server) -> None:
    async with watching(server, tmp_path, ORDERS, accounts=[account(markets=["spot"])]) as exporter:
        seen = await exporter.until(lambda seen: count(seen, "BTC/USDT", "buy") == 0)
        assert count(seen, "BTC/USDT:USDT", "buy") is None


async def test_a_symbol_that_is_not_there_takes_no_other_with_it(tmp_path: Path, server: Server) -> None:
    async with watching(server, tmp_path, ORDERS, symbols={"books": ["BTC/USDT", "NO/USDT"]}) as exporter:
        seen = await exporter.until(lambda seen: count(seen, "BTC/USDT", "buy") == 0)
        assert count(seen, "NO/USDT", "buy") is None


async def test_kraken_is_read_in_the_same_way(tmp_path: Path) -> None:
    slow = {"interval": "4s", "timeout": "4s"}
    checks = only(orders=slow)
    on_kraken = {"venue": "kraken", "account": "desk", "symbol": "BTC/USD"}
    async with venues("kraken", symbols=2) as server, trader(server, "kraken", "kraken") as desk:
        given = {"accounts": [account("KRAKEN")], "symbols": {"books": ["BTC/USD"]}, "checks": checks}
        async with running(EXCHANGE, configured(venue(server, "kraken", **given)), tmp_path) as exporter:
            await exporter.until(lambda seen: seen("exchange_open_orders", **on_kraken, side="sell") == 0)
            await desk.call("create_order", "BTC/USD", "limit", "sell", 0.1, 90_000)
            await exporter.until(lambda seen: seen("exchange_open_orders", **on_kraken, side="sell") == 1)


async def test_an_exchange_whose_lists_are_not_known_shows_nothing_rather_than_zero(
    tmp_path: Path, server: Server
) -> None:
    written = {**venue(server, "alpha", accounts=[account()], checks=only(**ORDERS)), "exchange": "gemini"}
    async with running(EXCHANGE, configured(written), tmp_path) as exporter:
        await exporter.until(lambda seen: up(seen, "orders", "alpha/desk") == 1)
        seen = await exporter.until(lambda seen: up(seen, "unlisted_orders", "alpha/desk") == 1)
        assert seen("exchange_open_orders_unlisted", **DESK) is None


@pytest.mark.parametrize(("exchange", "word"), [("kraken", "there is: spot"), ("gemini", "not known what there is")])
async def test_a_market_that_is_not_there_is_refused(tmp_path: Path, server: Server, exchange: str, word: str) -> None:
    text = configured({**venue(server, "alpha", accounts=[account(markets=["linear"])]), "exchange": exchange})
    with pytest.raises(ConfigError, match=f"no linear at this exchange; .*{word}"):
        async with running(EXCHANGE, text, tmp_path):
            pass


@asynccontextmanager
async def replaying(
    folder: Path, exchange: str, answers: Mapping[str, Any], **of_account: Any
) -> AsyncIterator[Running]:
    """The exporter on an account of an exchange of which no server is to be had: the wire is replayed."""
    async with listening(Replay({**MARKETS[exchange], **answers}).handle) as port:
        written = {
            "name": "alpha",
            "exchange": exchange,
            "base_url": f"http://127.0.0.1:{port}/{CANARY}",
            "symbols": {"books": SYMBOLS},
            "accounts": [account(**of_account)],
            "rate_limit_share": 1,
            "checks": only(orders=SLOWLY, unlisted_orders=SLOWLY),
        }
        async with running(EXCHANGE, configured(written), folder) as exporter:
            yield exporter


async def test_an_account_of_bybit_is_counted_to_the_last_of_three_hundred_orders(tmp_path: Path) -> None:
    """By "Get Open & Closed Orders"."""
    elsewhere = of_bybit(1, "ETHUSDT", tpslMode="Full")
    found = {("linear", "USDT"): [of_bybit(number) for number in range(MANY)], ("spot", ""): [elsewhere]}
    async with replaying(tmp_path, "bybit", bybit(found)) as exporter:
        seen = await exporter.until(lambda seen: count(seen, "BTC/USDT:USDT", "buy") == MANY)
        assert count(seen, "BTC/USDT:USDT", "sell") == count(seen, "BTC/USDT", "buy") == 0
        assert seen("exchange_open_order_oldest_timestamp_seconds", **DESK) == AT
        await exporter.until(lambda seen: seen("exchange_open_orders_unlisted", **DESK) == 1)


async def test_an_order_where_the_account_is_said_not_to_trade_is_counted_as_unlisted(tmp_path: Path) -> None:
    """By OKX's "GET / Order List"."""
    async with replaying(tmp_path, "okx", okx([of_okx(1)], {}), password=PASSWORD, markets=["spot"]) as exporter:
        seen = await exporter.until(lambda seen: seen("exchange_open_orders_unlisted", **DESK) == 1)
        assert count(seen, "BTC/USDT:USDT", "sell") is None


def test_without_symbols_there_is_no_number() -> None:
    assert reading((), ()).counts == {}
