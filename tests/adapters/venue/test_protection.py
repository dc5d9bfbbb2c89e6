"""Market-maker protection as exchanges tell it. The wire is replayed, in the shapes of the pages that are named here."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from adapters.venue.protection import MANNERS, Frozen
from occ.errors import Reason, SourceError
from tests.adapters.venue.replays import Answer, by, replayed

UNDERLYINGS = ("BTC", "ETH")


async def asked(exchange: str, path: str, answer: Answer) -> Frozen:
    async with replayed(exchange, {f"GET {path}": answer}) as replay:
        return await MANNERS[exchange](replay.keyed, UNDERLYINGS)


# --- okx: "GET / MMP Config" -------------------------------------------------------------------------------------------


def family(name: str, *, frozen: Any) -> dict[str, Any]:
    until = "2000" if frozen else ""
    return {"instFamily": name, "frozenInterval": "2000", "mmpFrozen": frozen, "mmpFrozenUntil": until, "qtyLimit": "10", "timeInterval": "5000"}  # fmt: skip


async def test_okx_tells_of_families_that_are_set_up() -> None:
    families = [family("BTC-USD", frozen=False), family("BTC-USDC", frozen=True), family("SOL-USD", frozen=True)]
    found = await asked("okx", "/api/v5/account/mmp-config", {"code": "0", "msg": "", "data": families})
    assert found == {"BTC": True}, "one of its two families is enough, and of ETH none is set up"


async def test_nothing_is_frozen_where_nothing_is_set_up() -> None:
    assert await asked("okx", "/api/v5/account/mmp-config", {"code": "0", "msg": "", "data": []}) == {}


@pytest.mark.parametrize("answer", [{"code": "0"}, {"code": "0", "data": {}}, {"code": "0", "data": [family("BTC-USD", frozen="no")]}])  # fmt: skip
async def test_another_shape_is_not_taken_for_all_is_well(answer: Any) -> None:
    with pytest.raises(SourceError) as failed:
        await asked("okx", "/api/v5/account/mmp-config", answer)
    assert failed.value.reason is Reason.BAD_RESPONSE


async def test_a_key_that_may_not_look_is_refused_by_its_reason() -> None:
    words = {"code": "50120", "msg": "This API key doesn't have permission to use this function", "data": []}
    with pytest.raises(SourceError) as failed:
        await asked("okx", "/api/v5/account/mmp-config", lambda _: web.json_response(words, status=401))
    assert failed.value.reason is Reason.AUTH


# --- bybit: "Get MMP State" --------------------------------------------------------------------------------------------


def state(base: str, *, enabled: bool = True, frozen: bool = False) -> dict[str, Any]:
    told = {
        "baseCoin": base, "mmpEnabled": enabled, "window": "5000", "frozenPeriod": "100000", "qtyLimit": "0.01", "deltaLimit": "0.01",
        "mmpFrozenUntil": "1675760625519", "mmpFrozen": frozen,
    }  # fmt: skip
    return {"retCode": 0, "retMsg": "OK", "result": {"result": [told]}, "retExtInfo": {}, "time": 1675843188984}


@pytest.mark.parametrize(
    ("ether", "found"),
    [
        (state("ETH", frozen=True), {"BTC": False, "ETH": True}),
        (state("ETH", enabled=False), {"BTC": False}),
        (state("SOL", frozen=True), {"BTC": False}),
    ],
)
async def test_bybit_is_asked_for_each_underlying(ether: Any, found: Frozen) -> None:
    answers = by("baseCoin", {"BTC": state("BTC"), "ETH": ether}, None)
    assert await asked("bybit", "/v5/account/mmp-state", answers) == found


async def test_an_answer_of_bybit_without_states_is_refused() -> None:
    with pytest.raises(SourceError, match="market-maker protection"):
        await asked("bybit", "/v5/account/mmp-state", {"retCode": 0, "retMsg": "OK", "result": {}, "time": 1})


# --- deribit: "private/get_mmp_status" ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("triggered", "frozen"),
    [
        ([], set()),
        ([{"index_name": "btc_usd", "frozen_until": 1744275841861, "mmp_group": "MassQuoteBot7"}], {"BTC"}),
        ([{"index_name": "eth_usdc", "frozen_until": 0, "mmp_group": ""}], {"ETH"}),
        ([{"index_name": "sol_usdc", "frozen_until": 0}], set()),
        ([{"index_name": "btc_usd", "frozen_until": 0, "block_rfq": True}], set()),
    ],
)
async def test_deribit_tells_what_is_frozen_just_now(triggered: list[Any], frozen: set[str]) -> None:
    answer = {"jsonrpc": "2.0", "result": triggered, "usIn": 1, "usOut": 2, "usDiff": 1, "testnet": False}
    found = await asked("deribit", "/api/v2/private/get_mmp_status", answer)
    assert found == {base: base in frozen for base in UNDERLYINGS}


async def test_an_answer_of_deribit_without_a_list_is_refused() -> None:
    with pytest.raises(SourceError, match="market-maker protection"):
        await asked("deribit", "/api/v2/private/get_mmp_status", {"jsonrpc": "2.0", "result": "ok"})
