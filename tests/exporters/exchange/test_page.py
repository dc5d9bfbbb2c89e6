"""The whole page of the exchange exporter, to the byte but for what is measured. Venue servers whose clock stands still."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from demo.venue.build import build
from demo.venue.flow import Habits
from demo.venue.server import Server
from exporters.exchange.__main__ import EXCHANGE
from exporters.exchange.declared import FAMILIES, check_files
from occ.metrics import KERNEL_FAMILIES, Kind
from tests.exporters.exchange.support import KEY, READER, configured, venue
from tests.exporters.support import once
from tests.golden import compare

AT = 1_795_000_000.0

PATIENT = {"interval": "1m", "timeout": "1m"}
"""Prices come from Kraken, which lets itself be asked once a second."""

GOLDEN = Path(__file__).parents[2] / "golden" / "exchange.prom"

MEASURED = (
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


async def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCC_TEST_KEY", READER.api_key)
    monkeypatch.setenv("OCC_TEST_SECRET", READER.secret)
    kinds = {"alpha": "binance", "beta": "binance", "kraken": "kraken"}
    still = [build(kind, name, lambda: AT, seed=7, symbols=2, habits=Habits()) for name, kind in kinds.items()]
    signed = build("binance", "signed", time.time, seed=7, symbols=1, habits=Habits())
    async with Server([*still, signed]) as server:
        text = configured(
            venue(
                server,
                "alpha",
                symbols={"books": ["BTC/USDT", "BTC/USDT:USDT"], "tickers": "all"},
                labels={"team": "trading", "tier": "1"},
                checks={"tickers": PATIENT},
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
                accounts=[{**KEY, "markets": ["spot"]}],
                symbols={"tickers": ["BTC/USDT"]},
                checks={"status": "off", "clock": "off", "tickers": "off"},
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


def test_every_counter_that_can_be_foreseen_is_there_from_the_first_page_on() -> None:
    page = GOLDEN.read_text()
    for name, check in check_files().items():
        configured = len(re.findall(rf'^occ_target_configured{{.*check="{name}"', page, re.MULTILINE))
        for family in check.FAMILIES:
            if family.kind is Kind.COUNTER:
                series = 1
                for values in family.values.values():
                    series *= len(values)
                assert len(re.findall(rf"^{family.name}{{", page, re.MULTILINE)) == configured * series, family.name


def test_a_venue_has_no_best_price_twice() -> None:
    prices = re.findall(r"^(exchange_best_bid_price{[^}]*})", GOLDEN.read_text(), re.MULTILINE)
    assert len(prices) == len(set(prices)) > 3
