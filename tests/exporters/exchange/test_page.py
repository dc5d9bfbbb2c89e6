"""The whole page of the exchange exporter, to the byte but for what is measured. Venue servers whose clock stands still."""

from __future__ import annotations

import math
import re
import time
from pathlib import Path

import pytest

from demo.venue.binance.venue import VIEWER
from demo.venue.build import build
from demo.venue.faults import Fault
from demo.venue.flow import Habits
from demo.venue.server import Server
from exporters.exchange.__main__ import EXCHANGE
from exporters.exchange.declared import FAMILIES, check_files
from occ.metrics import KERNEL_FAMILIES, Kind
from tests.exporters.exchange.accounts import trader
from tests.exporters.exchange.support import KEY, break_it, configured, venue
from tests.exporters.support import once
from tests.golden import compare

AT = 1_795_000_000.0

PATIENT = {"interval": "1m", "timeout": "1m"}
"""Prices come from Kraken, which lets itself be asked once a second."""

GOLDEN = Path(__file__).parents[2] / "golden" / "exchange.prom"

MEASURED = (
    "exchange_api_key_expiry_timestamp_seconds",
    'exchange_balance(?={[^}]*"USDT")',
    "exchange_equity_usd",
    "exchange_(?:initial|maintenance)_margin_usage_ratio",
    "exchange_open_order_oldest_timestamp_seconds",
    "exchange_position_(?:adl_rank|notional_usd|unrealized_pnl_usd|liquidation_price|liquidation_distance_ratio)",
    "exchange_transfer_oldest_pending_timestamp_seconds",
    "exchange_book_change_timestamp_seconds",
    "exchange_book_received_timestamp_seconds",
    "exchange_clock_skew_seconds",
    "exchange_clock_skew_uncertainty_seconds",
    "exchange_rate_limit_used_ratio",
    "exchange_request_duration_seconds_(?:bucket|sum)",
    "exchange_throttle_wait_seconds_total",
    "exchange_ws_message_gap_seconds_(?:bucket|sum|count)",
    "occ_event_loop_lag_seconds_(?:bucket|sum)",
    "occ_http_request_duration_seconds_(?:bucket|sum|count)",
    "occ_poll_duration_seconds_(?:bucket|sum)",
    "occ_config_last_reload_success_timestamp_seconds",
)


UNVALUED = {"balances": {**PATIENT, "unvalued": ["BTC", "ETH", "USDC"]}, "positions": PATIENT}
ELSEWHERE = ("clock", "funding", "open_interest", "settled_funding", "status", "tickers")
"""Checks that the other venues show; this one's clock must go, since requests are signed with the time."""


async def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCC_TEST_KEY", VIEWER.api_key)
    monkeypatch.setenv("OCC_TEST_SECRET", VIEWER.secret)
    kinds = {"alpha": "binance", "beta": "binance", "kraken": "kraken"}
    still = [build(kind, name, lambda: AT, seed=7, symbols=2, habits=Habits()) for name, kind in kinds.items()]
    signed = build("binance", "signed", time.time, seed=7, symbols=1, habits=Habits())
    async with Server([*still, signed]) as server:
        await _trades(server)
        text = configured(
            venue(
                server,
                "alpha",
                symbols={"books": ["BTC/USDT", "BTC/USDT:USDT"], "tickers": "all"},
                labels={"team": "trading", "tier": "1"},
                checks={"tickers": PATIENT, "open_interest": PATIENT},
            ),
            venue(
                server,
                "beta",
                symbols={"books": ["BTC/USDT", "BTC/USDTT"]},
                stream=False,
                checks={"trades": "off", "order_book": PATIENT},
            ),
            venue(server, "kraken", symbols={"books": ["BTC/USD"], "tickers": ["BTC/USD", "USDT/USD"]}),
            venue(
                server,
                "signed",
                accounts=[{**KEY, "markets": ["spot", "linear"], "withdraw_to": ["0xdesk"]}],
                symbols={"tickers": ["BTC/USDT", "BTC/USDT:USDT"]},
                checks={**UNVALUED, **dict.fromkeys(ELSEWHERE, "off")},
            ),
            {**venue(server, "dead", symbols={"books": ["BTC/USDT"]}), "base_url": "http://127.0.0.1:1"},
            {
                **venue(server, "korea", symbols={"books": ["BTC/KRW"]}),
                "exchange": "upbit",
                "base_url": "http://127.0.0.1:1",
            },
            defaults={"interval": "5s", "timeout": "5s"},
            prices={"USDT": {"venue": "kraken", "symbol": "USDT/USD"}},
            sizes_usd=[10_000, 1_000_000],
        )
        body = await once(EXCHANGE, text, tmp_path, clock=lambda: AT)
    compare("exchange.prom", steady(body.decode()))


async def _trades(server: Server) -> None:
    """The desk has an order and a position at the venue that it signs for, money on its way, and keys that expire."""
    async with trader(server, "signed") as desk:
        await desk.call("create_order", "BTC/USDT", "limit", "buy", 0.1, 40_000)
        await desk.call("create_order", "BTC/USDT:USDT", "market", "sell", 1)
    pending = {"account": "trader", "currency": "USDT", "kind": "withdrawal", "address": "0xdesk", "seconds": 60.0}
    break_it(server, "signed", Fault.STUCK_TRANSFER, **pending)
    break_it(server, "signed", Fault.KEY_EXPIRES, account="trader", seconds=30 * 86_400.0)


def steady(page: str) -> str:
    """Without what differs from run to run: the process itself, and measured times."""
    lines = [line for line in page.splitlines() if not re.match(r"(# (HELP|TYPE) )?(process|python)_", line)]
    text = "\n".join(lines) + "\n"
    text = re.sub(rf"^((?:{'|'.join(MEASURED)}){{.*}}) .*$", r"\1 MEASURED", text, flags=re.MULTILINE)
    return re.sub(r'(hash|python)="[^"]*"', r'\1="KNOWN"', text)


def test_every_declared_family_is_on_the_golden_page() -> None:
    page = GOLDEN.read_text()
    declared = {family.name for family in (*KERNEL_FAMILIES, *FAMILIES) if not family.quiet}
    shown = set(re.findall(r"^# TYPE (\S+)", page, re.MULTILINE))
    assert declared - shown == set()
    assert shown - {family.name for family in (*KERNEL_FAMILIES, *FAMILIES)} == set()


OF_TARGETS = {"venue", "account", "symbol"}


def test_every_counter_that_can_be_foreseen_is_there_from_the_first_page_on() -> None:
    page = GOLDEN.read_text()
    for name, check in check_files().items():
        configured = len(re.findall(rf'^occ_target_configured{{.*check="{name}"', page, re.MULTILINE))
        for family in (each for each in check.FAMILIES if each.kind is Kind.COUNTER):
            shown = len(re.findall(rf"^{family.name}{{", page, re.MULTILINE))
            if set(family.labels) - OF_TARGETS - set(family.values):
                assert shown >= configured, f"{family.name}, whose values are known when it is read"
            else:
                assert shown == configured * math.prod(map(len, family.values.values())), family.name


def test_a_venue_has_no_best_price_twice() -> None:
    prices = re.findall(r"^(exchange_best_bid_price{[^}]*})", GOLDEN.read_text(), re.MULTILINE)
    assert len(prices) == len(set(prices)) > 3
