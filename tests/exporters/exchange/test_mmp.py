"""Market-maker protection on the page. No server of Deribit is to be had: the wire is replayed (private/get_mmp_status)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from exporters.exchange.__main__ import EXCHANGE
from tests.adapters.venue.replays import MARKETS, Replay
from tests.exporters.exchange.accounts import KEYS, OFTEN, only, with_keys
from tests.exporters.exchange.accounts import account as of
from tests.exporters.exchange.support import configured, down, errors, up
from tests.exporters.support import Running, Seen, running
from tests.occ.servers import CANARY, listening

DESK = {"venue": "options", "account": "desk"}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch)


@asynccontextmanager
async def watching(folder: Path, answer: Any, **more: object) -> AsyncIterator[tuple[Replay, Running]]:
    """The exporter on an account of Deribit whose protection is told so."""
    replay = Replay({**MARKETS["deribit"], "GET /api/v2/private/get_mmp_status": answer})
    async with listening(replay.handle) as port:
        written: dict[str, object] = {
            "name": "options",
            "exchange": "deribit",
            "base_url": f"http://127.0.0.1:{port}/{CANARY}",
            "rate_limit_share": 1,
            "accounts": [of()],
            "options": {"underlyings": ["BTC", "ETH"]},
            "checks": only(mmp=OFTEN, connection=OFTEN),
        }
        async with running(EXCHANGE, configured({**written, **more}), folder) as exporter:
            yield replay, exporter


def frozen(seen: Seen, underlying: str) -> float | None:
    return seen("exchange_mmp_frozen", **DESK, underlying=underlying)


async def test_what_is_stopped_is_told_by_underlying_until_it_may_quote_again(tmp_path: Path) -> None:
    triggered = {"index_name": "btc_usd", "frozen_until": 0, "mmp_group": "quotes"}
    async with watching(tmp_path, {"result": [triggered]}) as (replay, exporter):
        seen = await exporter.until(lambda seen: frozen(seen, "BTC") == 1)
        assert frozen(seen, "ETH") == 0
        replay.answers["GET /api/v2/private/get_mmp_status"] = {"result": []}
        await exporter.until(lambda seen: frozen(seen, "BTC") == 0)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"result": {}}, "bad_response"),
        ({"error": {"code": 13021, "message": "forbidden"}}, "auth"),
        (lambda _: web.json_response({}, status=503), "server_error"),
    ],
)
async def test_what_can_not_be_read_is_not_free_to_quote(tmp_path: Path, answer: Any, reason: str) -> None:
    async with watching(tmp_path, {"result": []}) as (replay, exporter):
        await exporter.until(lambda seen: frozen(seen, "BTC") == 0)
        replay.answers["GET /api/v2/private/get_mmp_status"] = answer
        await exporter.until(lambda seen: down(seen, "mmp", reason, "options/desk"))
        await exporter.until(lambda seen: frozen(seen, "BTC") is None)


async def test_without_underlyings_nobody_is_asked(tmp_path: Path) -> None:
    async with watching(tmp_path, {"result": []}, options=None) as (replay, exporter):
        seen = await exporter.until(lambda seen: up(seen, "mmp", "options/desk") == 1)
        assert frozen(seen, "BTC") is None
        assert replay.asked == []


async def test_patience_that_is_asked_of_one_account_is_not_asked_of_others(tmp_path: Path) -> None:
    """Deribit counts requests for each account: what it refuses one key says nothing of another, nor of our address."""
    patience = web.json_response({"error": {"code": 10028, "message": "too_many_requests"}}, status=429)
    patience.headers["Retry-After"] = "600"

    def refused(request: web.Request) -> Any:
        key = request.headers.get("Authorization", "")
        return patience if KEYS["BINANCE"][0] in key else {"result": []}

    both = [of(), of("IDLE", "other")]
    checks = only(mmp=OFTEN, connection=OFTEN, clock=OFTEN)
    async with watching(tmp_path, refused, accounts=both, checks=checks) as (replay, exporter):
        replay.answers["GET /api/v2/public/get_time"] = {"result": 1_700_000_000_000}
        await exporter.until(
            lambda seen: (
                up(seen, "mmp", "options/desk") == 0
                and up(seen, "mmp", "options/other") == 1
                and up(seen, "clock", "options") == 1
            )
        )
        reads = replay.asked.count("GET /api/v2/public/get_time")
        await exporter.until(lambda _: replay.asked.count("GET /api/v2/public/get_time") >= reads + 2)
        assert errors(exporter.page(), "mmp", "rate_limited", "options/desk") > 0
        assert up(exporter.page(), "clock", "options") == 1
