"""The start of what the receiver asked for by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from receiver.life import State
from receiver.runner import Point
from receiver.starting import permitted
from receiver.why import Why
from tests.receiver.automation.support import LONG_ENOUGH, Scene, around, policy


async def asked(made: Scene, name: str = "FeedFrozen") -> None:
    """It is asked for, and nothing of it has started."""
    await made.fires(name)
    made.passes(LONG_ENOUGH)
    await made.house.acting.automation.look()
    assert [each.state for each in await made.requests()] == [State.APPROVED]


async def test_a_freeze_stops_what_was_asked_for_by_itself_and_not_what_a_person_asked_for(auto: Scene) -> None:
    await asked(auto)
    (auto.world.folder / "freeze").touch()
    await auto.house.settle()
    (request,) = await auto.requests()
    assert (request.state, request.why) == (State.BLOCKED, Why.FROZEN)
    assert (await auto.house.ended(await auto.house.approved("halt"))).state is State.SUCCEEDED


async def test_it_does_not_start_while_nobody_can_tell_whether_the_alert_fires(auto: Scene) -> None:
    await asked(auto)
    auto.word.answers = False
    await auto.house.settle()
    assert [each.state for each in await auto.requests()] == [State.APPROVED]
    await auto.lasts(121)
    (request,) = await auto.requests()
    assert (request.state, request.why, auto.effects) == (State.EXPIRED, Why.EXECUTION_EXPIRED, {})


async def test_it_does_not_start_where_the_alert_is_over(auto: Scene) -> None:
    await asked(auto)
    auto.word.fires = []
    await auto.house.settle()
    (request,) = await auto.requests()
    assert (request.state, request.why) == (State.BLOCKED, Why.NOT_FIRING)


async def test_it_does_not_start_once_the_rules_say_otherwise(auto: Scene) -> None:
    await asked(auto)
    auto.world.policy = policy("propose")
    await auto.house.desk.adopt(auto.world.write(), "receiver")
    await auto.house.settle()
    (request,) = await auto.requests()
    assert (request.state, request.why) == (State.BLOCKED, Why.POLICY_CHANGED)


async def test_a_freeze_between_two_steps_leaves_the_rest(tmp_path: Path) -> None:
    def at(point: Point) -> None:
        if point is Point.SENT:
            (tmp_path / "freeze").touch()

    async with around(tmp_path) as world, world.house(at) as house:
        made = Scene(house, world.told, world)  # type: ignore[arg-type]
        made.passes(60)
        await made.fires("AllFrozen")
        await made.lasts()
        (request,) = await made.requests()
        assert (request.state, request.why) == (State.PARTIAL, Why.FROZEN)
        assert made.halted == {"binance"}


# --- who may ask for it -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["off", "shadow", "propose", "auto"])
async def test_only_the_receiver_itself_asks_by_itself_and_only_where_the_rule_says_so(
    tmp_path: Path, mode: str
) -> None:
    async with around(tmp_path, mode) as world, world.house() as house:
        book = house.desk.rules.current
        rule = book.policy.rule("halt")
        assert rule is not None
        planned = await house.planned("halt")

        def ruled(person: str, origin: str) -> Why | None:
            return permitted(book, rule, replace(planned, person=person, origin=origin), ())

        by_itself = {"auto": None, "propose": Why.APPROVALS_MISSING}.get(mode, Why.NOT_PERMITTED)
        assert ruled("receiver", "automatic") is by_itself
        for origin in ("operator", "api"):
            assert ruled("receiver", origin) is Why.NOT_PERMITTED
            assert (ruled("opal", origin), ruled("vic", origin)) == (None, Why.NOT_PERMITTED)
