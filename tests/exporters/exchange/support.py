"""What the tests of the exchange exporter share: venue servers that speak the real protocols, and configurations for them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import yaml

from demo.venue.accounts import Opening
from demo.venue.binance.venue import ACCOUNTS
from demo.venue.build import build
from demo.venue.faults import Fault, Scope
from demo.venue.flow import Habits
from demo.venue.server import Server
from exporters.exchange.__main__ import EXCHANGE
from tests.exporters.support import Running, Seen, running

READER = ACCOUNTS[-1]
KEY = {"name": "desk", "api_key": {"env": "OCC_TEST_KEY"}, "secret": {"env": "OCC_TEST_SECRET"}}


@asynccontextmanager
async def venues(
    *names: str, symbols: int = 2, levels: int = 200, rate: float = 10.0, opening: Opening | None = None
) -> AsyncIterator[Server]:
    """Venues at one server; one whose name begins with kraken is Kraken, the others are Binance."""
    habits = Habits(levels=levels, rate=rate)
    made = [
        build(
            "kraken" if name.startswith("kraken") else "binance",
            name,
            time.time,
            seed=7,
            symbols=symbols,
            habits=habits,
            opening=opening,
        )
        for name in names
    ]
    async with Server(made) as server:
        yield server


def break_it(server: Server, venue: str, fault: Fault, **scope: object) -> None:
    """Switches a fault on."""
    server.venues[venue].exchange.set(fault, Scope(**scope))  # type: ignore[arg-type]


def mend(server: Server, venue: str, fault: Fault) -> None:
    """Switches it off."""
    server.venues[venue].exchange.clear(fault)


def venue(server: Server, name: str, **more: object) -> dict[str, object]:
    """A venue of the configuration: by its name at the server, and with the whole of its rate limit."""
    kind = "kraken" if name.startswith("kraken") else "binance"
    return {"name": name, "exchange": kind, "base_url": server.base_url(name), "rate_limit_share": 1, **more}


def configured(*of: dict[str, object], **more: object) -> str:
    """exchange.yml with these venues, asked often."""
    defaults = {"interval": "1s", "timeout": "1s", "silence": "3s", "stale_after": "8s"}
    return yaml.safe_dump({"defaults": defaults, **more, "venues": list(of)}, sort_keys=False)


def tuned(*off: str, **checks: object) -> dict[str, object]:
    """Checks that are asked often, but for those that are off."""
    often = {
        "clock": {"interval": "1s"},
        "status": {"interval": "1s"},
        "prices": {"interval": "1s"},
        "markets": {"interval": "1s"},
        "orders": {"interval": "1s"},
        "currencies": {"interval": "1s"},
        "tickers": {"interval": "1s"},
        "order_book": {"poll": {"interval": "1s"}},
        "trades": {"interval": "1s", "silence": "5s"},
    }
    return {**often, **checks, **dict.fromkeys(off, "off")}


# --- the exporter on a venue ---------------------------------------------------------------------------------------

BTC = {"venue": "alpha", "symbol": "BTC/USDT"}


def up(seen: Seen, check: str, target: str = "alpha/BTC/USDT") -> float | None:
    return seen("occ_target_up", check=check, target=target)


def errors(seen: Seen, check: str, reason: str, target: str = "alpha/BTC/USDT") -> float:
    return seen("occ_target_errors_total", check=check, target=target, reason=reason) or 0.0


def down(seen: Seen, check: str, reason: str, target: str = "alpha/BTC/USDT") -> bool:
    """Now, and it was for this reason at least once: a slow machine may have been another."""
    return up(seen, check, target) == 0 and errors(seen, check, reason, target) > 0


@asynccontextmanager
async def following(server: Server, folder: Path, *off: str, stream: bool = True) -> AsyncIterator[Running]:
    """The exporter on one book of alpha, once that is there."""
    off = off or ("currencies", "tickers", "status", "clock", "markets")
    checks = tuned(*off)
    text = configured(venue(server, "alpha", symbols={"books": ["BTC/USDT"]}, stream=stream, checks=checks))
    async with running(EXCHANGE, text, folder) as exporter:
        await exporter.until(lambda seen: seen("exchange_mid_price", **BTC) is not None)
        yield exporter
