"""What keys may do, on the page. Binance and Kraken are the venue server; Deribit's answers are replayed after its documentation
("private/list_api_keys").
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from adapters.venue.permissions import Permissions
from demo.venue.faults import Fault
from demo.venue.server import Server
from exporters.exchange.__main__ import EXCHANGE
from exporters.exchange.checks import key as check
from occ.job import Readings, Target
from tests.adapters.venue.replays import MARKETS, Replay
from tests.exporters.exchange.accounts import KEYS, OFTEN, account, only, watching, with_keys
from tests.exporters.exchange.support import break_it, configured, down, errors, mend, up, venue, venues
from tests.exporters.support import Seen, running
from tests.occ.servers import listening

DESK = {"venue": "alpha", "account": "desk"}
KEY: dict[str, Any] = {"key": OFTEN}
FAMILIES = ("can_withdraw", "can_trade", "ip_restricted", "expiry_timestamp_seconds")


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch)


def told(seen: Seen, **labels: str) -> tuple[float | None, ...]:
    """What a key may: withdraw, trade; whether it is restricted; when it ends."""
    return tuple(seen(f"exchange_api_key_{name}", **(labels or DESK)) for name in FAMILIES)


async def test_a_key_that_trades_and_one_that_only_reads_are_told_apart(tmp_path: Path, server: Server) -> None:
    accounts = [account(), account("VIEWER", "viewer")]
    async with watching(server, tmp_path, KEY, accounts=accounts) as exporter:
        await exporter.until(lambda seen: told(seen) == (0, 1, 0, None))
        await exporter.until(lambda seen: told(seen, venue="alpha", account="viewer") == (0, 0, 1, None))
        page = exporter.poller.render().decode()
    assert not any(secret in page for pair in KEYS.values() for secret in pair)


async def test_a_key_that_may_withdraw_is_seen(tmp_path: Path, server: Server) -> None:
    async with watching(server, tmp_path, KEY) as exporter:
        await exporter.until(lambda seen: told(seen)[0] == 0)
        break_it(server, "alpha", Fault.KEY_WITHDRAWS)
        await exporter.until(lambda seen: told(seen)[0] == 1)
        mend(server, "alpha", Fault.KEY_WITHDRAWS)
        await exporter.until(lambda seen: told(seen)[0] == 0)


async def test_the_end_of_a_key_is_told_before_it_comes(tmp_path: Path, server: Server) -> None:
    async with watching(server, tmp_path, KEY) as exporter:
        before = time.time()
        break_it(server, "alpha", Fault.KEY_EXPIRES, seconds=3600)
        seen = await exporter.until(lambda seen: told(seen)[3] is not None)
        assert before + 3590 < (told(seen)[3] or 0) < time.time() + 3610
        mend(server, "alpha", Fault.KEY_EXPIRES)
        break_it(server, "alpha", Fault.KEY_EXPIRES, seconds=-60)
        seen = await exporter.until(lambda seen: told(seen)[1] == 0)
        assert (told(seen)[3] or 0) < time.time(), "what ends at Binance is the right to trade"


@pytest.mark.parametrize(
    ("fault", "scope", "reason"),
    [
        (Fault.KEY_REFUSED, {}, "auth"),
        (Fault.PERMISSION_DENIED, {"call": "apiRestrictions"}, "auth"),
        (Fault.GARBAGE, {}, "bad_response"),
    ],
)
async def test_what_can_not_be_read_is_not_safe(
    tmp_path: Path, server: Server, fault: Fault, scope: dict[str, Any], reason: str
) -> None:
    async with watching(server, tmp_path, KEY) as exporter:
        await exporter.until(lambda seen: told(seen)[0] == 0)
        break_it(server, "alpha", fault, **scope)
        await exporter.until(lambda seen: down(seen, "key", reason, "alpha/desk"))
        await exporter.until(lambda seen: told(seen) == (None, None, None, None))


async def test_one_accounts_wrong_key_is_nobody_elses_matter(tmp_path: Path, server: Server) -> None:
    async with watching(server, tmp_path, KEY, accounts=[account(), account("WRONG", "spoiled")]) as exporter:
        await exporter.until(lambda seen: up(seen, "key", "alpha/spoiled") == 0)
        seen = await exporter.until(lambda seen: up(seen, "key", "alpha/desk") == 1)
        assert told(seen, venue="alpha", account="spoiled") == (None, None, None, None)


async def test_kraken_is_read_in_the_same_way(tmp_path: Path) -> None:
    slow = {"interval": "4s", "timeout": "4s"}
    async with venues("kraken") as server:
        given = {"accounts": [account("KRAKEN")], "symbols": {"books": ["BTC/USD"]}, "checks": only(key=slow)}
        async with running(EXCHANGE, configured(venue(server, "kraken", **given)), tmp_path) as exporter:
            await exporter.until(lambda seen: told(seen, venue="kraken", account="desk") == (0, 1, 0, None))
            break_it(server, "kraken", Fault.KEY_EXPIRES, seconds=-1)
            # What ends at Kraken is the key.
            await exporter.until(lambda seen: down(seen, "key", "auth", "kraken/desk"))


SCOPE = "account:read trade:read wallet:read"


def deribit_key(client: str, name: str, scope: str) -> dict[str, Any]:
    secrets = {"client_id": client, "client_secret": f"canary-secret-of-{client}"}
    common = {"timestamp": 1560236287708, "id": 2, "enabled": True, "default": False, "enabled_features": []}
    return {**common, **secrets, "name": name, "max_scope": scope}


async def test_all_keys_that_deribit_lists_are_told_by_their_aliases(tmp_path: Path) -> None:
    leaked = deribit_key("canary-7f3a", "leaked", "wallet:read_write trade:read_write")
    keys = [deribit_key(KEYS["BINANCE"][0], "exporter", SCOPE), leaked]
    answer = {"jsonrpc": "2.0", "id": 2553, "result": keys}
    replay = Replay({**MARKETS["deribit"], "GET /api/v2/private/list_api_keys": answer})
    async with listening(replay.handle) as port:
        base = {"name": "deribit", "exchange": "deribit", "base_url": f"http://127.0.0.1:{port}/c4n4ryc4n4ry"}
        text = configured({**base, "accounts": [account()], "checks": only(key=OFTEN), "rate_limit_share": 1})
        of_desk = {"venue": "deribit", "account": "desk"}
        async with running(EXCHANGE, text, tmp_path) as exporter:
            await exporter.until(lambda seen: told(seen, **of_desk, tag="") == (0, 0, None, None))
            assert told(exporter.page(), **of_desk, tag="leaked") == (1, 1, None, None)
            page = exporter.poller.render().decode()
    assert "canary" not in page
    assert 'tag="exporter"' not in page, "the configured key has no alias"


async def test_where_an_exchange_does_not_tell_the_check_is_down_rather_than_safe(
    tmp_path: Path, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    written = {**venue(server, "alpha", accounts=[account()], checks=only(key=OFTEN)), "exchange": "gemini"}
    async with running(EXCHANGE, configured(written), tmp_path) as exporter:
        await exporter.until(lambda seen: errors(seen, "key", "not_supported", "alpha/desk") > 1)
        assert up(exporter.page(), "key", "alpha/desk") == 0
        assert told(exporter.page()) == (None, None, None, None)
    assert "`key: off` accepts that" in caplog.text


def test_without_an_account_there_is_no_row() -> None:
    target = Target("alpha/desk", DESK)
    assert all(not column.rows for column in check.columns(Readings((target,), {target: None})))
    keys = (Permissions(withdraws=False, trades=True), Permissions(withdraws=True, trades=False, alias="x"))
    withdraws, *_ = check.columns(Readings((target,), {target: keys}))
    assert [row["tag"] for row in withdraws.rows] == ["", "x"]
    assert withdraws.values == [False, True]
