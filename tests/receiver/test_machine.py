"""Whatever people, time, the target and crashes do in whatever order: what must never be, never is.

A state machine over the real database, with the real trading engine as target. A crash here cuts the task off at a point and
opens the database anew; tests/receiver/test_crash.py kills real processes.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from demo.engine.faults import Befalls, Fault
from receiver.desk import Refusal
from receiver.freezes import Scope
from receiver.life import HOLDING, TURNS, Impossible, State
from receiver.requests import Request, Verdict
from receiver.runner import Point
from receiver.underway import key_of, steps_in
from receiver.why import Why
from tests.receiver.house import House, world

T = TypeVar("T")

PEOPLE = ("opal", "otto", "tara", "rita", "cora", "carl")
UNDONE = {Why.NOT_APPLIED, Why.REFUSED, Why.DEADLINE, Why.UNREACHABLE}
people = st.sampled_from(PEOPLE)
actions = st.sampled_from(["halt", "resume", "halt-all", "unasked", "seldom"])
pick = st.integers(0, 20)


class CrashError(BaseException):
    """The process is gone."""


class Acting(RuleBasedStateMachine):
    """People, time, faults and crashes."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack, self.inner = AsyncExitStack(), AsyncExitStack()
        self.crash: Point | None = None
        self.run(self.begin)

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        async def main() -> T:
            return await work()

        return self.runner.run(main())

    async def begin(self) -> None:
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.world = await self.stack.enter_async_context(world(Path(folder)))
        await self.open()

    async def open(self) -> None:
        self.house: House = await self.inner.enter_async_context(self.world.house(self.at))
        assert self.house.troubles == ()
        await self.house.engine.take_over()

    def at(self, point: Point) -> None:
        if point == self.crash:
            self.crash = None
            raise CrashError

    async def reopen(self) -> None:
        await self.inner.aclose()
        await self.open()

    async def look(self) -> None:
        """The engine looks; where the process ends meanwhile, there is another one."""
        await self.house.engine.tick()
        tasks = list(self.house.engine.tasks.values())
        found = await asyncio.gather(*tasks, return_exceptions=True)
        if any(isinstance(each, CrashError) for each in found):
            await self.reopen()

    def teardown(self) -> None:
        async def end() -> None:
            await self.inner.aclose()
            await self.stack.aclose()

        self.run(end)
        self.runner.close()

    async def all(self) -> list[Request]:
        return await self.house.desk.requests(limit=1000)

    def one(self, number: int, *states: State) -> Request | None:
        async def found() -> list[Request]:
            return [request for request in await self.all() if request.state in states]

        there = self.run(found)
        return there[number % len(there)] if there else None

    def act(self, work: Callable[[], Awaitable[Any]]) -> None:
        """Does it, or is refused."""

        async def tried() -> None:
            with suppress(Refusal, Impossible):
                await work()

        self.run(tried)

    # --- what people do ----------------------------------------------------------------------------------------------

    @initialize(action=actions)
    def begin_with_something(self, action: str) -> None:
        self.wanted(action, approved=True)

    @rule(action=actions, approved=st.booleans())
    def wanted(self, action: str, *, approved: bool) -> None:
        self.act(lambda: (self.house.approved if approved else self.house.submitted)(action))

    @rule(by=people, action=actions)
    def ask(self, by: str, action: str) -> None:
        self.act(lambda: self.house.submitted(action, by))

    @rule(by=people, number=pick, good=st.booleans())
    def approve(self, by: str, number: int, *, good: bool) -> None:
        if request := self.one(number, State.PENDING_APPROVAL):
            decide = self.house.desk.approve if good else self.house.desk.reject
            self.act(lambda: decide(self.house.person(by), request.id, request.plan_hash, "seen"))

    @rule(by=people, number=pick)
    def cancel(self, by: str, number: int) -> None:
        if request := self.one(number, *State):
            self.act(lambda: self.house.desk.cancel(self.house.person(by), request.id))

    @rule(by=people, number=pick)
    def release(self, by: str, number: int) -> None:
        if request := self.one(number, State.IN_DOUBT):
            begun = self.run(lambda: self.house.desk.effects(request.id))
            did = next(
                key_of(request.id, effect.step) in self.world.effects for effect in begun if effect.state == "unclear"
            )
            desk, person = self.house.desk, self.house.person(by)
            self.act(lambda: desk.release(person, request.id, applied=did, reason="its log"))  # they tell the truth

    @rule(by=people)
    def freeze(self, by: str) -> None:
        self.act(lambda: self.house.desk.freeze(self.house.person(by), Scope.EVERYTHING, "", "I am not sure"))

    @rule(by=st.sets(people, min_size=1))
    def unfreeze(self, by: set[str]) -> None:
        for freeze, name in itertools.product(self.run(self.house.desk.freezes), by):
            self.act(partial(self.house.desk.unfreeze, self.house.person(name), freeze.id, "fine"))

    # --- what the world does -----------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.5, 3, 30, 121, 601]))
    def time_passes(self, seconds: float) -> None:
        self.world.clock.passes(seconds)

    @rule(
        fault=st.sampled_from([Fault.DROP, Fault.COMMIT_THEN_DROP, Fault.ERROR, Fault.COMMIT_THEN_ERROR, Fault.REFUSE])
    )
    def the_target_fails(self, fault: Fault) -> None:
        self.world.fails(fault)

    @rule(times=st.integers(1, 3))
    def the_target_can_not_be_asked(self, times: int) -> None:
        self.world.fails(Fault.ERROR, times, Befalls.OPERATIONS)

    @rule(confirms=st.booleans())
    def prometheus_sees(self, *, confirms: bool) -> None:
        self.world.told.confirms = confirms

    @rule(point=st.sampled_from([*Point]))
    def the_next_time_there_the_process_ends(self, point: Point) -> None:
        self.crash = point

    @rule(fault=st.sampled_from([Fault.DROP, Fault.COMMIT_THEN_DROP]), point=st.sampled_from([*Point]))
    def everything_goes_wrong(self, fault: Fault, point: Point) -> None:
        self.wanted("halt-all", approved=True)
        self.the_target_fails(fault)
        self.the_next_time_there_the_process_ends(point)
        self.the_engine_looks()

    @rule(times=st.integers(1, 3))
    def the_engine_looks_again(self, times: int) -> None:
        for _ in range(times):
            self.time_passes(3)
            self.the_engine_looks()

    @rule()
    def the_engine_looks(self) -> None:
        frozen = any(freeze.lifted_at is None for freeze in self.run(self.house.desk.freezes))
        before = self.started()
        self.run(self.look)
        assert not frozen or {action for _, action in self.started() - before} <= {"halt"}

    @rule()
    @precondition(lambda self: self.crash is None)
    def the_process_is_restarted(self) -> None:
        self.run(self.reopen)

    # --- what must never be ------------------------------------------------------------------------------------------

    def started(self) -> set[tuple[str, str]]:
        return {(request.id, request.action) for request in self.run(self.all) if request.started_at is not None}

    @invariant()
    def nothing_takes_effect_twice(self) -> None:
        assert set(self.world.effects.values()) <= {1}
        assert set(self.world.trading.engine.received.values()) <= {1}

    @invariant()
    def nothing_takes_effect_that_was_not_started_or_is_said_not_to_have(self) -> None:
        for request in self.run(self.all):
            done = [key_of(request.id, step) in self.world.effects for step in range(steps_in(request))]
            assert not any(done) or request.started_at is not None
            if request.state is State.SUCCEEDED:
                assert all(done)
            if request.state is State.FAILED and request.why in UNDONE:
                assert not any(done)
            if request.state is State.PARTIAL:
                assert any(done)
                assert not all(done)

    @invariant()
    def nothing_starts_without_its_approvals(self) -> None:
        for request in self.run(self.all):
            if request.started_at is None or request.action == "halt":
                continue
            said = self.run(partial(self.house.desk.decisions, f"request/{request.id}"))
            given = {each.person: each.roles for each in said if each.kind is Verdict.APPROVE}
            assert request.person not in given
            assert {role for roles in given.values() for role in roles} >= {"trader", "risk"}

    @invariant()
    def one_request_holds_a_key(self) -> None:
        holders = [
            row["request_id"] for row in self.house.rows("SELECT request_id FROM leases WHERE request_id NOTNULL")
        ]
        holding = {request.id for request in self.run(self.all) if request.state in HOLDING}
        assert set(holders) == holding

    @invariant()
    def every_way_is_one_that_there_is(self) -> None:
        for request in self.run(self.all):
            kinds = [kind.removeprefix("request.") for kind in self.house.kinds(request)]
            states = [State(kind) for kind in kinds if kind != "step"]
            assert states[0] is State.PLANNED
            assert states[-1] is request.state
            for before, after in itertools.pairwise(states):
                assert after in TURNS[before].values()


Acting.TestCase.settings = settings(
    max_examples=20,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestActing = Acting.TestCase
