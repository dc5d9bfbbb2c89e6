"""Whom it concerns when a venue asks for patience: the key alone that it counts, or all that come from our address.

No server of OKX is to be had: its wire is replayed, by "GET / Order List", "GET / Algo order list" and "Get system time".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from adapters.venue.limits import LONGEST_PATIENCE
from exporters.exchange.__main__ import EXCHANGE
from exporters.exchange.prices import Prices
from exporters.exchange.source import Source
from occ import config
from occ.errors import RateLimitError, SourceError
from occ.process import new_page
from tests.adapters.venue.far import Scripted, scripted
from tests.adapters.venue.replays import MARKETS, Answer, Replay
from tests.adapters.venue.test_looking import of_okx, okx
from tests.exporters.exchange.accounts import KEYS, OFTEN, account, only, with_keys
from tests.exporters.exchange.support import configured, errors, up
from tests.exporters.support import running
from tests.occ.servers import CANARY, listening

PASSWORD = {"env": "BINANCE_SECRET"}
SLOWLY = {"interval": "3s", "timeout": "3s"}
DAYS = str(3 * 86_400)
BAN = "exchange_rate_limit_ban_until_timestamp_seconds"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch)


@pytest.fixture
async def far() -> AsyncIterator[Scripted]:
    async with scripted() as server:
        yield server


def answers(impatient: set[str]) -> dict[str, Answer]:
    """OKX, which refuses the keys in this set for three days."""
    orders = okx([of_okx(1)], {})

    def told(path: str) -> Answer:
        def answer(request: web.Request) -> object:
            if request.headers["OK-ACCESS-KEY"] in impatient:
                body = {"code": "50011", "msg": "Too Many Requests", "data": []}
                return web.json_response(body, status=429, headers={"Retry-After": DAYS})
            return orders[path](request)

        return answer

    time = {"code": "0", "msg": "", "data": [{"ts": "1597026383085"}]}
    return {**MARKETS["okx"], **{path: told(path) for path in orders}, "GET /api/v5/public/time": time}


async def test_where_each_account_is_counted_the_patience_that_one_is_asked_for_is_its_own(tmp_path: Path) -> None:
    impatient = set[str]()
    replay = Replay(answers(impatient))
    async with listening(replay.handle) as port:
        written = {
            "name": "alpha",
            "exchange": "okx",
            "base_url": f"http://127.0.0.1:{port}/{CANARY}",
            "symbols": {"books": ["BTC/USDT:USDT"]},
            "accounts": [account(password=PASSWORD), account("IDLE", "other", password=PASSWORD)],
            "rate_limit_share": 1,
            "checks": only(orders=SLOWLY, clock=OFTEN, connection=OFTEN),
        }
        async with running(EXCHANGE, configured(written), tmp_path) as exporter:
            await exporter.until(
                lambda seen: up(seen, "orders", "alpha/desk") == up(seen, "orders", "alpha/other") == 1
            )
            impatient.add(KEYS["BINANCE"][0])
            await exporter.until(lambda seen: errors(seen, "orders", "rate_limited", "alpha/desk") > 0)
            asked = len(replay.asked)
            await exporter.until(lambda _: len(replay.asked) > asked + 20)
            seen = await exporter.until(lambda seen: up(seen, "clock", "alpha") == 1)
            assert (up(seen, "orders", "alpha/desk"), up(seen, "orders", "alpha/other")) == (0, 1)
            assert (
                errors(seen, "orders", "rate_limited", "alpha/other")
                == errors(seen, "clock", "rate_limited", "alpha")
                == 0
            )
            assert seen(BAN, venue="alpha") is None, "the venue as a whole refuses nothing"


ASKED = {
    "binance": "privateGetAccount",
    "bybit": "privateGetV5AccountInfo",
    "deribit": "privateGetGetAccountSummaries",
    "kraken": "privatePostBalance",
    "okx": "privateGetAccountBalance",
}


@pytest.mark.parametrize(("exchange", "method"), ASKED.items())
async def test_only_where_an_address_is_counted_all_leave_the_venue_alone_for_one(
    tmp_path: Path, far: Scripted, monkeypatch: pytest.MonkeyPatch, exchange: str, method: str
) -> None:
    """The venue is a wire that refuses one key and answers everybody else."""
    for name in ("BINANCE", "IDLE"):
        monkeypatch.setenv(f"{name}_SECRET", "c2VjcmV0")  # in Kraken's form

    def answer(request: web.Request) -> web.Response:
        refused = any(KEYS["BINANCE"][0] in told for told in request.headers.values())
        return web.json_response({}, status=429 if refused else 200, headers={"Retry-After": DAYS} if refused else {})

    far.answer = answer
    accounts = [account(password=PASSWORD), account("IDLE", "other", password=PASSWORD)]
    path = tmp_path / "exchange.yml"
    path.write_text(configured({"name": "alpha", "exchange": exchange, "base_url": far.base, "accounts": accounts}))
    loaded = config.load(path, EXCHANGE.model).config
    async with aiohttp.ClientSession() as session:
        page = new_page("exchange", "", EXCHANGE.families)
        source = Source(loaded, loaded.venues[0], session, page, Prices({}, loaded.price_stale_after))
        desk, other = source.targets.per["accounts"]
        try:
            for _ in range(2):
                with pytest.raises(RateLimitError) as told:
                    await source.keyed(desk).venue.ask("fetch_balance", method, {})
                assert 0 < (told.value.retry_after or 0) <= LONGEST_PATIENCE, "more is not believed"
            others: list[Callable[[], Awaitable[object]]] = [
                lambda: source.keyed(other).venue.ask("fetch_balance", method, {}),
                lambda: source.call("fetch_time"),
            ]
            for asked in others:
                with pytest.raises(RateLimitError) if exchange == "binance" else suppress(SourceError):
                    await asked()
        finally:
            await source.close()
    assert len(far.paths) == (1 if exchange == "binance" else 3)
