"""Readings that take their steps together, and what a selector stands for. No node is needed: what is asked is written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import pytest

from adapters.evm import EthCall
from adapters.evm.calls import AGGREGATE3, BLOCK_TIMESTAMP
from demo.evm import selector, topic
from exporters.pools import kinds
from exporters.pools.config import readers
from exporters.pools.kinds import chainlink, uniswap_v2, uniswap_v3
from exporters.pools.steps import Reply, Steps, Together, needed
from exporters.pools.terms import DECIMALS, SYMBOL
from occ import plugins
from occ.errors import Reason, SourceError
from occ.jsonrpc import Call

A, B, C = (EthCall(f"0x{number:040x}", b"") for number in (1, 2, 3))


class Asked:
    """A view that replies to each call with its address, or what it is to say, and keeps what it was asked."""

    def __init__(self) -> None:
        self.steps: list[tuple[Sequence[EthCall], Sequence[Call]]] = []
        self.says: dict[EthCall, Reply] = {}

    async def read(self, calls: Sequence[EthCall], beside: Sequence[Call] = ()) -> tuple[list[Reply], list[Any]]:
        self.steps.append((calls, beside))
        return [self.says.get(call, call.to.encode()) for call in calls], ["beside" for _ in beside]


def one_step(call: EthCall) -> Steps[str]:
    (reply,) = yield (call,)
    return needed("it", reply).decode()


def two_steps(first: EthCall, second: EthCall) -> Steps[list[str]]:
    one = yield (first,)
    other = yield (second,)
    return [needed("it", each).decode() for each in (*one, *other)]


def failing() -> Steps[str]:
    yield (A,)
    raise SourceError(Reason.BAD_RESPONSE, "odd")


def at_once() -> Steps[str]:
    return "known"
    yield ()


Begins = Callable[[], Steps[Any]]


async def take(view: Asked, together: Together[str, Any] | None = None, **reading: Begins) -> dict[str, Any]:
    return await (together or Together[str, Any]()).take(view, reading)  # type: ignore[arg-type]


async def test_the_steps_of_all_are_one_read_each() -> None:
    view = Asked()
    found = await take(view, one=partial(one_step, A), two=partial(two_steps, B, C))
    assert found == {"one": A.to, "two": [B.to, C.to]}
    assert [calls for calls, _ in view.steps] == [(A, B), (C,)]


async def test_who_needs_nothing_is_not_waited_for() -> None:
    view = Asked()
    assert await take(view, one=at_once) == {"one": "known"}
    assert view.steps == []


async def test_what_befalls_one_touches_no_other() -> None:
    found = await take(Asked(), one=failing, two=partial(two_steps, B, C))
    assert isinstance(found["one"], SourceError)
    assert found["two"] == [B.to, C.to]


async def test_what_is_asked_beside_is_told_before_the_second_step() -> None:
    view, told = Asked(), list[Any]()

    def reading() -> Steps[bool]:
        yield (A,)
        known = bool(told)
        yield (B,)
        return known

    together = Together[str, bool]()
    found = await together.take(view, {"it": reading}, [Call("eth_getLogs")], told.extend)  # type: ignore[arg-type]
    assert found == {"it": True}
    assert [len(beside) for _, beside in view.steps] == [1, 0]


async def test_the_same_first_steps_are_the_same_calls_from_block_to_block() -> None:
    view, together, calls = Asked(), Together[str, Any](), (A, B)

    def reading() -> Steps[int]:
        return len((yield calls))

    await take(view, together, one=reading)
    await take(view, together, one=reading)
    assert view.steps[0][0] is view.steps[1][0]


# --- from block to block ---------------------------------------------------------------------------------------------


@dataclass
class Reader:
    """Counts how often it is gone through; takes `steps` of one call each."""

    steps: int = 1
    times: int = 0
    calls: tuple[EthCall, ...] = (A,)

    def read(self) -> Steps[Reply]:
        self.times += 1
        (reply,) = yield self.calls
        for _ in range(self.steps - 1):
            (reply,) = yield (B,)
        return needed("it", reply)


async def test_who_is_told_the_same_is_not_gone_through_again_and_is_asked_all_the_same() -> None:
    view, together, reader = Asked(), Together[str, Any](), Reader()
    for _ in range(3):
        assert await take(view, together, one=reader.read) == {"one": A.to.encode()}
    assert reader.times == 1
    assert [calls for calls, _ in view.steps] == [(A,)] * 3


async def test_who_is_told_something_else_is_gone_through_again_in_the_same_read() -> None:
    view, together, reader = Asked(), Together[str, Any](), Reader()
    await take(view, together, one=reader.read)
    view.says[A] = b"other"
    assert await take(view, together, one=reader.read) == {"one": b"other"}
    assert reader.times == 2
    assert len(view.steps) == 2


async def test_who_is_forgotten_is_gone_through_again() -> None:
    view, together, reader = Asked(), Together[str, Any](), Reader()
    await take(view, together, one=reader.read)
    together.forget("one")
    await take(view, together, one=reader.read)
    assert reader.times == 2


async def test_it_is_known_who_was_gone_through() -> None:
    view, together, one, other = Asked(), Together[str, Any](), Reader(), Reader(calls=(B,))
    for change, gone_through in ((None, {"one", "other"}), (None, set()), (B, {"other"})):
        if change is not None:
            view.says[change] = b"other"
        await take(view, together, one=one.read, other=other.read)
        assert set(together.gone_through) == gone_through


async def test_who_is_not_read_any_more_is_not_asked_and_is_gone_through_when_it_is_read_again() -> None:
    view, together, one, other = Asked(), Together[str, Any](), Reader(), Reader(calls=(B,))
    await take(view, together, one=one.read, other=other.read)
    assert await take(view, together, one=one.read) == {"one": A.to.encode()}
    await take(view, together, one=one.read, other=other.read)
    assert [calls for calls, _ in view.steps] == [(A, B), (A,), (A, B)]
    assert other.times == 2


async def test_who_takes_several_steps_takes_them_at_each_block() -> None:
    view, together, reader = Asked(), Together[str, Any](), Reader(steps=3)
    for _ in range(2):
        await take(view, together, one=reader.read)
    assert reader.times == 2
    assert len(view.steps) == 6


async def test_who_asks_something_else_all_of_a_sudden_is_told_that() -> None:
    view, together, reader = Asked(), Together[str, Any](), Reader()
    await take(view, together, one=reader.read)
    view.says[A], reader.calls = b"other", (C,)
    assert await take(view, together, one=reader.read) == {"one": C.to.encode()}


async def test_what_befell_one_is_looked_at_again_once_it_is_told_something_else() -> None:
    view, together, reader = Asked(), Together[str, Any](), Reader()
    view.says[A] = SourceError(Reason.REVERTED, "no")
    for _ in range(2):
        assert isinstance((await take(view, together, one=reader.read))["one"], SourceError)
    del view.says[A]
    assert await take(view, together, one=reader.read) == {"one": A.to.encode()}


# --- what is written in the kinds ------------------------------------------------------------------------------------

SIGNATURES = {
    "TOKEN0": "token0()",
    "TOKEN1": "token1()",
    "GET_RESERVES": "getReserves()",
    "FEE": "fee()",
    "TICK_SPACING": "tickSpacing()",
    "SLOT0": "slot0()",
    "LIQUIDITY": "liquidity()",
    "BALANCE_OF": "balanceOf(address)",
    "OBSERVE": "observe(uint32[])",
    "TICK_BITMAP": "tickBitmap(int16)",
    "TICKS": "ticks(int24)",
    "GROWTH0": "feeGrowthGlobal0X128()",
    "GROWTH1": "feeGrowthGlobal1X128()",
    "POSITIONS": "positions(uint256)",
    "FACTORY": "factory()",
    "GET_POOL": "getPool(address,address,uint24)",
    "LATEST_ROUND_DATA": "latestRoundData()",
    "DECIMALS": "decimals()",
    "AGGREGATOR": "aggregator()",
    "MIN_ANSWER": "minAnswer()",
    "MAX_ANSWER": "maxAnswer()",
}


@pytest.mark.parametrize("kind", [uniswap_v2, uniswap_v3, chainlink], ids=lambda kind: kind.__name__)
def test_selectors_are_those_of_their_functions(kind: ModuleType) -> None:
    named = {name: value for name, value in vars(kind).items() if isinstance(value, bytes) and name.isupper()}
    assert named == {name: selector(SIGNATURES[name]) for name in named}
    assert named


def test_the_other_selectors_too() -> None:
    assert selector("aggregate3((address,bool,bytes)[])") == AGGREGATE3
    assert selector("getCurrentBlockTimestamp()") == BLOCK_TIMESTAMP
    assert (selector("decimals()"), selector("symbol()")) == (DECIMALS, SYMBOL)
    assert topic("Mint(address,address,int24,int24,uint128,uint256,uint256)") == uniswap_v3.MINT
    assert topic("Burn(address,int24,int24,uint128,uint256,uint256)") == uniswap_v3.BURN


def test_every_kind_reads_something_and_has_its_row_in_the_docs() -> None:
    found = plugins.load(kinds, kinds.CONTRACT)
    assert set(found) == {name for part in ("pools", "feeds", "positions") for name in readers(part)}
