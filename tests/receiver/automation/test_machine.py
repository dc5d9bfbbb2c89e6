"""Whatever alerts, people, time, Prometheus and restarts do in whatever order: what must never be, never is.

A state machine over the real database, with the real trading engine as target.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from receiver.automation.guards import HOUR
from receiver.clock import SECOND
from receiver.desk import Refusal
from receiver.life import Impossible, State
from receiver.requests import Request
from tests.receiver.automation.support import GRACE, Scene, Word, around, policy, scene

T = TypeVar("T")

ENTITIES = ("a", "b", "c", "d", "e", "f")
entities = st.sampled_from(ENTITIES)
names = st.sampled_from(["FeedFrozen", "AllFrozen", "FeedIsBack"])
pick = st.integers(0, 20)
TROUBLES = ("frozen", "second", "silent", "old", "not told")


class ByItself(RuleBasedStateMachine):
    """Automation, and all that should hold it back."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack, self.inner = AsyncExitStack(), AsyncExitStack()
        self.mode, self.seen = "auto", set[str]()
        self.started, self.begun = set[str](), 0
        self.run(self.begin)

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        async def main() -> T:
            return await work()

        return self.runner.run(main())

    async def begin(self) -> None:
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.world = await self.stack.enter_async_context(around(Path(folder), self.mode))
        await self.open()
        self.scene.passes(GRACE)

    async def open(self) -> None:
        self.begun = self.world.clock.steady
        self.scene: Scene = await self.inner.enter_async_context(scene(self.world, grace=True))
        assert self.scene.house.troubles == ()

    def teardown(self) -> None:
        async def end() -> None:
            await self.inner.aclose()
            await self.stack.aclose()

        self.run(end)
        self.runner.close()

    @property
    def word(self) -> Word:
        return self.scene.word

    async def automatic(self) -> list[Request]:
        return await self.scene.requests()

    # --- what happens -------------------------------------------------------------------------------------------------

    @rule(name=names, entity=entities, told=st.booleans())
    def an_alert_fires(self, name: str, entity: str, *, told: bool) -> None:
        self.run(lambda: self.scene.fires(name, entity=entity, told=told))

    @rule(name=names, entity=entities)
    def an_alert_ends(self, name: str, entity: str) -> None:
        self.run(lambda: self.scene.fires(name, entity=entity, ends=True))

    @rule(seconds=st.sampled_from([1, 31, 61, 700, 3601, 90_000]))
    def time_passes(self, seconds: int) -> None:
        self.scene.passes(seconds)

    @rule(mode=st.sampled_from(["off", "shadow", "propose", "auto", "auto", "auto"]))
    def the_rules_change(self, mode: str) -> None:
        self.mode = mode
        self.world.policy = policy(mode)
        self.run(lambda: self.scene.house.desk.adopt(self.world.write(), "receiver"))

    @rule(person=st.sampled_from(["opal", "tara", "rita", "vic"]), number=pick, yes=st.booleans())
    def somebody_decides(self, person: str, number: int, *, yes: bool) -> None:
        desk = self.scene.house.desk

        async def decide() -> None:
            waiting = [each for each in await self.automatic() if each.state is State.PENDING_APPROVAL]
            if waiting:
                found = waiting[number % len(waiting)]
                decide = desk.approve if yes else desk.reject
                with suppress(Refusal, Impossible):
                    await decide(self.scene.house.person(person), found.id, found.plan_hash, "so")

        self.run(decide)

    @rule(venue=st.sampled_from(["binance", "deribit"]))
    def a_person_plans_something(self, venue: str) -> None:
        self.run(lambda: self.scene.house.planned("halt", parameters={"venue": venue}))

    @rule()
    def somebody_writes_into_the_table(self) -> None:
        with suppress(AssertionError):  # where there was nothing to change
            self.scene.house.tamper("DELETE FROM automations")

    @rule()
    def the_process_is_another(self) -> None:
        async def again() -> None:
            await self.inner.aclose()
            await self.open()

        self.run(again)

    # --- one look ----------------------------------------------------------------------------------------------------

    @rule(
        name=names,
        entity=entities,
        trouble=st.sampled_from(["", "", "", *TROUBLES]),
        lasts=st.sampled_from([29, 31, 700]),
    )
    def an_alert_lasts_and_it_looks(self, name: str, entity: str, trouble: str, lasts: int) -> None:
        self.an_alert_fires(name, entity, told=trouble != "not told")
        self.scene.passes(lasts)
        self.it_looks(trouble)

    @rule(trouble=st.sampled_from(["", "", "", *TROUBLES]))
    def it_looks(self, trouble: str) -> None:
        """While something is wrong, or nothing."""
        runs = self.world.clock.steady - self.begun >= int(GRACE * SECOND)
        with self.troubled(trouble):
            fires = {(each["alertname"], each["entity"]) for each in self.word.fires}
            self.run(self.scene.look)
            new = self.new()
        assert not (trouble in TROUBLES[:-1] and new)
        for request in new:
            alert = request.evidence["alert"]
            assert self.mode in ("propose", "auto")
            assert runs
            assert (alert["alertname"], alert["entity"]) in fires
            assert not self.in_a_storm(request)
        for request in self.run(self.automatic):
            if request.started_at is not None and request.id not in self.started:
                self.started.add(request.id)
                assert trouble not in ("frozen", "silent")

    @contextmanager
    def troubled(self, trouble: str) -> Iterator[None]:
        word, freeze = self.word, self.world.folder / "freeze"
        word.second, word.answers, word.age = (
            trouble != "second",
            trouble != "silent",
            60.0 if trouble == "old" else 1.0,
        )
        if trouble == "frozen":
            freeze.touch()
        yield
        freeze.unlink(missing_ok=True)
        word.second, word.answers, word.age = True, True, 1.0

    def new(self) -> list[Request]:
        """What was asked for since the last look."""
        found = [each for each in self.run(self.automatic) if each.id not in self.seen]
        self.seen |= {each.id for each in found}
        return found

    def in_a_storm(self, request: Request) -> bool:
        until = request.created_at
        query = "SELECT count(*) AS n FROM episodes WHERE merged_into IS NULL AND received_at BETWEEN :since AND :until"
        (row,) = self.scene.house.rows(query, since=until - 60 * SECOND, until=until)
        return int(row["n"]) >= 5

    # --- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def it_asks_once_for_an_action_and_an_episode(self) -> None:
        asked = Counter((each.action, each.episode_id) for each in self.run(self.automatic))
        assert set(asked.values()) <= {1}

    @invariant()
    def nothing_takes_effect_twice(self) -> None:
        assert set(self.scene.effects.values()) <= {1}

    @invariant()
    def within_an_hour_it_asks_for_so_much_and_for_one_entity_once(self) -> None:
        found = self.run(self.automatic)
        for last in found:
            hour = [each for each in found if last.created_at - HOUR < each.created_at <= last.created_at]
            assert len(hour) <= 4
            assert max(Counter(each.evidence["alert"]["entity"] for each in hour).values()) == 1

    @invariant()
    def what_a_person_wants_is_never_taken_back_by_itself(self) -> None:
        for entry in self.scene.house.recorded():
            if entry["kind"] == "request.cancelled" and entry["by"] == "receiver":
                assert entry["data"]["person"] == "receiver"

    @invariant()
    def nothing_was_changed_from_outside_that_matters(self) -> None:
        assert not any(kind == "tampered" for kind, *_ in self.scene.house.notices())


ByItself.TestCase.settings = settings(
    max_examples=10,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestByItself = ByItself.TestCase
