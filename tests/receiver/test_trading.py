"""The receiver's accounts at venues: what may be configured, what a reload does, and when ccxt is loaded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from occ.config import Context, load
from occ.errors import ConfigError, SourceError
from receiver import config as written
from receiver.config import ReceiverConfig
from receiver.trading import Venues
from tests.receiver import acting as files

KEYS = {"api_key": {"env": "KEY"}, "secret": {"env": "SECRET"}}
CONTEXT = Context(Path(), {"KEY": "a-key", "SECRET": "a-secret"})
NOWHERE = "http://127.0.0.1:1"

CANCELS = """
actions:
  - name: halt
    title: Cancel what is open
    protective: true
    steps: [{executor: cancel_orders, venue: $venue, account: desk}]
    parameters: {venue: {choices: [binance, kraken]}}
    verify: {query: engine_quoting == 0, heartbeat: engine_heartbeat, within: 30s}
"""


def account(**more: Any) -> dict[str, Any]:
    return {**KEYS, **more}


def venue(exchange: str = "binance", **accounts: dict[str, Any]) -> written.Venue:
    given = {"exchange": exchange, "base_url": NOWHERE, "accounts": accounts or {"desk": account()}}
    return written.Venue.model_validate(given, context=CONTEXT)


@pytest.fixture
async def venues() -> AsyncIterator[Venues]:
    async with aiohttp.ClientSession() as session:
        made = Venues(session)
        yield made
        await made.close()


# --- what may be configured ------------------------------------------------------------------------------------------


def refused(folder: Path, venues: str, actions: str = "") -> list[str]:
    """What is said of a receiver's files with these venues and actions."""
    path = files.files(folder, more=f"venues: {venues}")
    if actions:
        (folder / "actions.yml").write_text(actions)
        files.policy(folder, rules=files.POLICY.replace("resume", "halt"))
    environment = {**files.ENVIRONMENT, "KEY": "a-key", "SECRET": "a-secret"}
    with pytest.raises(ConfigError) as caught:
        load(path, ReceiverConfig, environment)
    return [f"{problem.path}: {problem.message}" for problem in caught.value.problems]


KEY = "api_key: {env: KEY}, secret: {env: SECRET}"


@pytest.mark.parametrize(
    ("venues", "complaint"),
    [
        (f"{{okx: {{exchange: okx, accounts: {{desk: {{{KEY}}}}}}}}}", "cancelling orders was not tried at this exchange"),
        (f"{{k: {{exchange: kraken, accounts: {{desk: {{{KEY}, markets: [linear]}}}}}}}}", "there is no linear at this exchange"),
        (f"{{b: {{exchange: binance, accounts: {{desk: {{{KEY}, markets: [moon]}}}}}}}}", "markets"),
        (f"{{b: {{exchange: binance, rate_limit_share: 2, accounts: {{desk: {{{KEY}}}}}}}}}", "rate_limit_share"),
        ("{b: {exchange: binance, accounts: {}}}", "accounts"),
        ("{b: {exchange: binance, accounts: {desk: {api_key: plain, secret: plain}}}}", "api_key"),
    ],
)  # fmt: skip
def test_what_can_not_be_traded_with_is_refused_at_load(tmp_path: Path, venues: str, complaint: str) -> None:
    assert any(complaint in each for each in refused(tmp_path, venues))


def test_an_account_that_an_action_names_must_be_configured(tmp_path: Path) -> None:
    there = f"{{binance: {{exchange: binance, accounts: {{desk: {{{KEY}}}, spare: {{{KEY}}}}}}}}}"
    (complaint,) = refused(tmp_path, there, CANCELS)
    assert complaint == (
        "actions[0].steps[0]: receiver.yml has no account kraken/desk under venues; there are: binance/desk, binance/spare"
    )


def test_without_a_venue_ccxt_is_not_loaded() -> None:
    script = "import sys, receiver.main; from receiver.actions import executors; executors(); sys.exit('ccxt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


# --- a reload --------------------------------------------------------------------------------------------------------


async def test_what_is_configured_as_before_stays_open(venues: Venues) -> None:
    before = await venues.follow({"a": venue(), "b": venue("kraken")})
    after = await venues.follow({"a": venue(), "b": venue("kraken", desk=account(), spare=account())})
    assert after["a"] is before["a"]
    assert after["b"] is not before["b"]
    assert sorted(after["b"].accounts) == ["desk", "spare"]
    assert sorted(await venues.follow({"a": venue()})) == ["a"]


async def test_what_an_approval_covers_is_the_exchange_and_where_it_is(venues: Venues) -> None:
    (made,) = (await venues.follow({"a": venue()})).values()
    assert set(made.definition) == {"exchange", "base_url_sha256"}
    assert NOWHERE not in str(made.definition)


async def test_a_venue_that_is_not_there_says_so_without_its_address(venues: Venues) -> None:
    (made,) = (await venues.follow({"a": venue()})).values()
    with pytest.raises(SourceError) as caught:
        await made.accounts["desk"].look(None)
    assert not [word for word in ("127.0.0.1", "a-key", "a-secret") if word in str(caught.value)]


def test_no_key_is_shown() -> None:
    assert "a-secret" not in repr(venue())
