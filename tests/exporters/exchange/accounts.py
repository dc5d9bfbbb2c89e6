"""What the tests of accounts share: keys at the venue servers, the desk's own client, and the exporter on one account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.venue import Credentials, Venue
from adapters.venue.orders import OPTIONS
from demo.venue.binance.venue import ACCOUNTS, IDLE, VIEWER
from demo.venue.kraken.venue import ACCOUNTS as OF_KRAKEN
from demo.venue.server import Server
from exporters.exchange.__main__ import EXCHANGE
from exporters.exchange.declared import check_files
from occ import config
from occ.config import Secret
from occ.page import Page
from occ.poller import Poller
from tests.exporters.exchange.support import configured, up, venue
from tests.exporters.support import Running, running

OFTEN = {"interval": "1s", "timeout": "1s", "stale_after": "4s"}
PATIENTLY = {"interval": "60s", "timeout": "60s", "stale_after": "300s"}
"""For what is read only when the test says so: a slow machine is no fault of the venue."""

KEYS = {
    "BINANCE": (ACCOUNTS[0].api_key, ACCOUNTS[0].secret),
    "IDLE": (IDLE.api_key, IDLE.secret),
    "VIEWER": (VIEWER.api_key, VIEWER.secret),
    "KRAKEN": (OF_KRAKEN[0].api_key, OF_KRAKEN[0].secret),
    "WRONG": (ACCOUNTS[1].api_key, "another"),
}


def with_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts all keys where `account` says that they are."""
    for name, (key, secret) in KEYS.items():
        monkeypatch.setenv(f"{name}_KEY", key)
        monkeypatch.setenv(f"{name}_SECRET", secret)


def account(of: str = "BINANCE", name: str = "desk", **more: object) -> dict[str, object]:
    """An account of the configuration."""
    return {"name": name, "api_key": {"env": f"{of}_KEY"}, "secret": {"env": f"{of}_SECRET"}, **more}


def only(**checks: object) -> dict[str, object]:
    """These checks, and all others off."""
    return {**dict.fromkeys(check_files(), "off"), **checks}


@asynccontextmanager
async def trader(server: Server, name: str = "alpha", kind: str = "binance") -> AsyncIterator[Venue]:
    """The desk's own client."""
    key = server.venues[name].exchange.accounts[KEYS[kind.upper()][0]]
    credentials = Credentials(api_key=Secret(key.api_key), secret=Secret(key.secret))
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
async def watching(
    server: Server, folder: Path, checks: dict[str, Any], *others: dict[str, object], of: str = "alpha", **more: Any
) -> AsyncIterator[Running]:
    """The exporter on a venue with these checks, once they have looked. It has one account and two symbols unless `more` says
    otherwise; `others` are venues besides.
    """
    file = {name: more.pop(name) for name in ("prices", "assets", "dollar_like") if name in more}
    given = {"accounts": [account()], "symbols": {"books": ["BTC/USDT", "BTC/USDT:USDT"]}, "checks": only(**checks)}
    text = configured(venue(server, of, **{**given, **more}), *others, **file)
    async with running(EXCHANGE, text, folder) as exporter:
        for name in sorted(checks.keys() - {"prices"}):
            await exporter.until(lambda seen, name=name: up(seen, name, f"{of}/desk") is not None)  # type: ignore[misc]
        yield exporter


@asynccontextmanager
async def loaded(folder: Path, text: str, page: Page, before: Poller | None = None) -> AsyncIterator[Poller]:
    """As a reload does it: another plan on the same page, which takes over what the former knew."""
    path = folder / "exchange.yml"
    path.write_text(text)
    async with EXCHANGE.build(config.load(path, EXCHANGE.model).config, page) as plan:
        if before is not None:
            before.leave()
        poller = plan.poller("exchange", page)
        if before is not None:
            poller.inherit(before)
        yield poller
