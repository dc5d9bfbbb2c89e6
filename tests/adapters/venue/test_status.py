"""Whether a venue says that it is open, where it lists its maintenance or tells what is locked. The wire is replayed: answers in the
shapes of OKX's "GET / Status", Bybit's "Get System Status" and Deribit's "public/status".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from occ.errors import Reason, SourceError
from tests.adapters.venue.replays import replayed

PATHS: Mapping[str, str] = {
    "bybit": "GET /v5/system/status",
    "deribit": "GET /api/v2/public/status",
    "okx": "GET /api/v5/system/status",
}


def event(state: str, env: Any) -> Mapping[str, Any]:
    """Of maintenance. OKX writes `env` as a text, Bybit as a number."""
    return {
        "title": "Trading account system upgrade",
        "state": state,
        "begin": "1672823400000",
        "end": "1672825980000",
        "href": "",
        "serviceType": "8",
        "serviceTypes": [1, 4],
        "maintType": "1",
        "env": env,
    }


def answer(exchange: str, *states: str, env: str = "1") -> Any:
    if exchange == "okx":
        return {"code": "0", "msg": "", "data": [event(state, env) for state in states]}
    return {"retCode": 0, "retMsg": "", "result": {"list": [event(state, int(env)) for state in states]}, "time": 1}


async def status(exchange: str, told: Any) -> str:
    async with replayed(exchange, {PATHS[exchange]: told}) as replay:
        found = await replay.keyed.venue.call("fetch_status")
        return str(found["status"])


EVENTS = [
    ((), "ok"),
    (("scheduled",), "ok"),
    (("completed", "canceled"), "ok"),
    (("ongoing",), "maintenance"),
    (("ongoing", "scheduled"), "maintenance"),
    (("scheduled", "ongoing", "completed"), "maintenance"),
    (("pre_open", "scheduled"), "maintenance"),
]


@pytest.mark.parametrize("exchange", ["bybit", "okx"])
@pytest.mark.parametrize(("states", "expected"), EVENTS)
async def test_one_event_that_goes_on_is_maintenance_whatever_else_is_planned(
    exchange: str, states: tuple[str, ...], expected: str
) -> None:
    assert await status(exchange, answer(exchange, *states)) == expected


@pytest.mark.parametrize("exchange", ["bybit", "okx"])
async def test_maintenance_of_demo_trading_is_none_of_the_venue(exchange: str) -> None:
    assert await status(exchange, answer(exchange, "ongoing", env="2")) == "ok"


LOCKED = [
    ("true", "maintenance"),
    ("partial", "maintenance"),
    ("false", "ok"),
    (True, "maintenance"),
    (False, "ok"),
]


@pytest.mark.parametrize(("locked", "expected"), LOCKED)
async def test_what_is_locked_at_deribit_is_in_maintenance(locked: Any, expected: str) -> None:
    """The page has it as a text, and its example as true."""
    told = {"jsonrpc": "2.0", "id": 55, "result": {"locked": locked, "locked_currencies": ["BTC", "ETH"]}}
    assert await status("deribit", told) == expected


OTHERS = [
    ("bybit", {"retCode": 0, "retMsg": "", "result": {}, "time": 1}),
    ("okx", {"code": "0", "msg": ""}),
    ("okx", {"code": "0", "msg": "", "data": ["ongoing"]}),
    ("deribit", {"jsonrpc": "2.0", "id": 55, "result": {}}),
    ("deribit", {"jsonrpc": "2.0", "id": 55, "result": {"locked": "no"}}),
]


@pytest.mark.parametrize(("exchange", "told"), OTHERS)
async def test_an_answer_of_another_shape_is_no_status(exchange: str, told: Any) -> None:
    with pytest.raises(SourceError) as raised:
        await status(exchange, told)
    assert raised.value.reason is Reason.BAD_RESPONSE
