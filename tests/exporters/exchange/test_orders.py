"""Open orders of accounts on the page, by the real classes of ccxt on the venue server."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.venue import Credentials, Venue
from adapters.venue.orders import OPTIONS
from demo.venue.binance.venue import ACCOUNTS
from demo.venue.faults import Fault
from demo.venue.kraken.venue import ACCOUNTS as OF_KRAKEN
from demo.venue.server import Server
from exporters.exchange.__main__ import EXCHANGE
from exporters.exchange.checks.orders import reading
from occ.config import Secret
from occ.errors import ConfigError
from tests.exporters.exchange.support import break_it, configured, errors, up, venue, venues
from tests.exporters.support import Running, running

DESK = {"venue": "alpha", "account": "desk"}
OFTEN = {"interval": "1s", "timeout": "1s", "stale_after": "3s"}
OTHERS_OFF = dict.fromkeys(
    ("clock", "currencies", "markets", "order_book", "prices", "status", "tickers", "trades"), "off"
)
ORDERS = {**OTHERS_OFF, "orders": OFTEN, "unlisted_orders": OFTEN}
SYMBOLS = ["BTC/USDT", "BTC/USDT:USDT"]


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, account in (("BINANCE", ACCOUNTS[0]), ("KRAKEN", OF_KRAKEN[0])):
        monkeypatch.setenv(f"{name}_KEY", account.api_key)
        monkeypatch.setenv(f"{name}_SECRET", account.secret)


def account(of: str = "BINANCE", name: str = "desk", **more: object) -> dict[str, object]:
    return {"name": name, "api_key": {"env": f"{of}_KEY"}, "secret": {"env": f"{of}_SECRET"}, **more}


@asynccontextmanager
async def desk(server: Server, name: str, kind: str = "binance") -> AsyncIterator[Venue]:
    """The desk's own client, which places what the exporter finds."""
    (trader, *_) = server.venues[name].exchange.accounts.values()
    credentials = Credentials(api_key=Secret(trader.api_key), secret=Secret(trader.secret))
    async with (
        aiohttp.ClientSession() as session,
        Venue.open(
            kind,
            session=session,
            base_url=server.base_url(name),
            credentials=credentials,
            options=OPTIONS,
            spread=False,
        ) as made,
    ):
        yield made


@asynccontextmanager
async def watching(server: Server, folder: Path, **more: object) -> AsyncIterator[Running]:
    """The exporter on the account of alpha, once it has looked."""
    given: dict[str, Any] = {"accounts": [account()], "symbols": {"books": SYMBOLS}, "checks": ORDERS, **more}
    async with running(EXCHANGE, configured(venue(server, "alpha", **given)), folder) as exporter:
        await exporter.until(lambda seen: up(seen, "orders", "alpha/desk") is not None)
        yield exporter


def count(seen: Any, symbol: str, side: str) -> float | None:
    found: float | None = seen("exchange_open_orders", **DESK, symbol=symbol, side=side)
    return found


async def test_orders_are_counted_by_symbol_and_side_and_zero_is_told(tmp_path: Path, server: Server) -> None:
    before = time.time()
    async with desk(server, "alpha") as trader, watching(server, tmp_path) as exporter:
        await exporter.until(lambda seen: seen("exchange_open_orders_unlisted", **DESK) == 0)
        seen = await exporter.until(lambda seen: up(seen, "orders", "alpha/desk") == 1)
        assert {count(seen, symbol, side) for symbol in SYMBOLS for side in ("buy", "sell")} == {0}
        assert seen("exchange_open_order_oldest_timestamp_seconds", **DESK) is None

        for price in (40_000, 41_000):
            await trader.call("create_order", "BTC/USDT", "limit", "buy", 0.1, price)
        stop = {"stopLossPrice": 90_000}
        waiting = await trader.call("create_order", "BTC/USDT:USDT", "market", "buy", 0.1, None, stop)
        await trader.call("create_order", "ETH/USDT", "limit", "sell", 1, 9_000)
        seen = await exporter.until(lambda seen: count(seen, "BTC/USDT", "buy") == 2)
        assert count(seen, "BTC/USDT", "sell") == 0
        seen = await exporter.until(lambda seen: count(seen, "BTC/USDT:USDT", "buy") == 1)
        await exporter.until(lambda seen: seen("exchange_open_orders_unlisted", **DESK) == 1)
        oldest = seen("exchange_open_order_oldest_timestamp_seconds", **DESK)
        assert oldest is not None
        assert before - 1 < oldest < time.time() + 1

        await trader.call("cancel_order", waiting["id"], "BTC/USDT:USDT", {"trigger": True})
        await exporter.until(lambda seen: count(seen, "BTC/USDT:USDT", "buy") == 0)


async def test_the_page_names_no_order(tmp_path: Path, server: Server) -> None:
    async with desk(server, "alpha") as trader, watching(server, tmp_path) as exporter:
        named = {"clientOrderId": "canary-of-an-order"}
        await trader.call("create_order", "BTC/USDT", "limit", "buy", 0.1, 40_000, named)
        await exporter.until(lambda seen: count(seen, "BTC/USDT", "buy") == 1)
        page = exporter.poller.render().decode()
    assert "canary" not in page
    assert ACCOUNTS[0].api_key not in page


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.KEY_REFUSED, "auth"),
        (Fault.GARBAGE, "bad_response"),
        (Fault.SILENCE, "timeout"),
    ],
)
async def test_what_can_not_be_seen_is_no_zero(tmp_path: Path, server: Server, fault: Fault, reason: str) -> None:
    async with watching(server, tmp_path) as exporter:
        await exporter.until(lambda seen: count(seen, "BTC/USDT", "buy") == 0)
        break_it(server, "alpha", fault)
        await exporter.until(lambda seen: up(seen, "orders", "alpha/desk") == 0)
        assert errors(exporter.page(), "orders", reason, "alpha/desk") > 0
        await exporter.until(lambda seen: count(seen, "BTC/USDT", "buy") is None)


async def test_one_accounts_refused_key_is_nobody_elses_matter(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRONG_KEY", ACCOUNTS[0].api_key)
    monkeypatch.setenv("WRONG_SECRET", "another")
    async with watching(server, tmp_path, accounts=[account(), account("WRONG", "spoiled")]) as exporter:
        await exporter.until(lambda seen: up(seen, "orders", "alpha/spoiled") == 0)
        await exporter.until(lambda seen: count(seen, "BTC/USDT", "buy") == 0)
        assert up(exporter.page(), "orders", "alpha/desk") == 1


async def test_what_the_account_does_not_trade_has_no_number(tmp_path: Path, server: Server) -> None:
    async with watching(server, tmp_path, accounts=[account(markets=["spot"])]) as exporter:
        seen = await exporter.until(lambda seen: count(seen, "BTC/USDT", "buy") == 0)
        assert count(seen, "BTC/USDT:USDT", "buy") is None


async def test_a_symbol_that_is_not_there_takes_no_other_with_it(tmp_path: Path, server: Server) -> None:
    async with watching(server, tmp_path, symbols={"books": ["BTC/USDT", "NO/USDT"]}) as exporter:
        seen = await exporter.until(lambda seen: count(seen, "BTC/USDT", "buy") == 0)
        assert count(seen, "NO/USDT", "buy") is None


async def test_kraken_is_read_in_the_same_way(tmp_path: Path) -> None:
    slow = {"interval": "4s", "timeout": "4s"}
    checks = {**OTHERS_OFF, "orders": slow, "unlisted_orders": "off"}
    on_kraken = {"venue": "kraken", "account": "desk", "symbol": "BTC/USD"}
    async with venues("kraken", symbols=2) as server, desk(server, "kraken", "kraken") as trader:
        given = {"accounts": [account("KRAKEN")], "symbols": {"books": ["BTC/USD"]}, "checks": checks}
        async with running(EXCHANGE, configured(venue(server, "kraken", **given)), tmp_path) as exporter:
            await exporter.until(lambda seen: seen("exchange_open_orders", **on_kraken, side="sell") == 0)
            await trader.call("create_order", "BTC/USD", "limit", "sell", 0.1, 90_000)
            await exporter.until(lambda seen: seen("exchange_open_orders", **on_kraken, side="sell") == 1)


async def test_an_exchange_whose_lists_are_not_known_shows_nothing_rather_than_zero(
    tmp_path: Path, server: Server
) -> None:
    written = {**venue(server, "alpha", accounts=[account()], checks=ORDERS), "exchange": "gemini"}
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


def test_without_symbols_there_is_no_number() -> None:
    assert reading((), ()).counts == {}
