"""Whatever alerts, people, time and restarts do in whatever order: what must never be, never is. Over the real database."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from receiver.families import Severity
from receiver.incidents.life import TURNS, UNRESOLVED, Status
from receiver.incidents.members import Stand
from receiver.rulings import Refusal
from receiver.sight import Sight
from tests.receiver.house import world
from tests.receiver.incidents.scene import WITHIN, Scene, at_work

T = TypeVar("T")

people = st.sampled_from(["vic", "opal", "tara", "cora"])
names = st.sampled_from(["NodeLagging", "NodeDown"])
entities = st.sampled_from(["one", "two"])
domains = st.sampled_from(["nodes", "security"])
pick = st.integers(0, 20)


class Handling(RuleBasedStateMachine):
    """Alerts come, end, and turn out to be one; people act; the process is started anew."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack, self.inner = AsyncExitStack(), AsyncExitStack()
        self.closed: dict[str, Stand] = {}
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
        self.scene: Scene = await self.inner.enter_async_context(at_work(self.world))
        self.scene.house.watch.asked = True
        assert self.scene.house.troubles == ()

    async def reopen(self) -> None:
        await self.inner.aclose()
        await self.open()

    def teardown(self) -> None:
        async def end() -> None:
            await self.inner.aclose()
            await self.stack.aclose()

        self.run(end)
        self.runner.close()

    # --- what alerts do ----------------------------------------------------------------------------------------------

    @rule(name=names, entity=entities, domain=domains, ago=st.sampled_from([0, 30, 4000]))
    def fires(self, name: str, entity: str, domain: str, ago: float) -> None:
        self.run(lambda: self.scene.fire(name, entity, domain=domain, ago=ago))

    @rule(name=names, entity=entities, domain=domains, ago=st.sampled_from([0, 30, 700, 4000]))
    def recovers(self, name: str, entity: str, domain: str, ago: float) -> None:
        self.run(lambda: self.scene.recover(name, entity, domain=domain, ago=ago))

    @rule(sight=st.sampled_from([*Sight]))
    def prometheus_answers(self, sight: Sight) -> None:
        self.run(lambda: self.scene.answered(sight))

    @rule(seconds=st.sampled_from([1, 61, WITHIN, 700, 4000]))
    def time_passes(self, seconds: float) -> None:
        self.scene.clock.passes(seconds)

    # --- what people do ----------------------------------------------------------------------------------------------

    def act(self, number: int, work: Callable[[str], Awaitable[Any]]) -> None:
        """Does it to one that is not closed, if there is one, or is refused."""
        if there := [stand for stand in self.stands() if stand.incident.status is not Status.CLOSED]:

            async def tried() -> None:
                with suppress(Refusal):
                    await work(there[number % len(there)].incident.id)

            self.run(tried)

    @rule(by=people, number=pick)
    def acknowledge(self, by: str, number: int) -> None:
        self.act(number, lambda id_: self.scene.house.room.acknowledge(self.scene.house.person(by), id_))

    @rule(by=people, number=pick, to=people)
    def hand_over(self, by: str, number: int, to: str) -> None:
        self.act(number, lambda id_: self.scene.house.room.hand_over(self.scene.house.person(by), id_, to))

    @rule(by=people, number=pick, severity=st.sampled_from([Severity.PAGE, Severity.TICKET]))
    def set_severity(self, by: str, number: int, severity: Severity) -> None:
        person = self.scene.house.person(by)
        self.act(number, lambda id_: self.scene.house.room.set_severity(person, id_, severity, "a test"))

    @rule(by=people, number=pick)
    def mitigate(self, by: str, number: int) -> None:
        self.act(number, lambda id_: self.scene.house.room.mitigate(self.scene.house.person(by), id_, "a test"))

    @rule(by=people, number=pick)
    def resolve(self, by: str, number: int) -> None:
        self.act(number, lambda id_: self.scene.house.room.resolve(self.scene.house.person(by), id_, "a test"))

    @rule(by=people, number=pick)
    def close(self, by: str, number: int) -> None:
        self.act(number, lambda id_: self.scene.house.room.close(self.scene.house.person(by), id_, "over"))

    @rule(by=people)
    def open_one(self, by: str) -> None:
        async def tried() -> None:
            with suppress(Refusal):
                await self.scene.house.room.open(self.scene.house.person(by), "by hand", Severity.PAGE, "a test")

        self.run(tried)

    # --- what the process does ---------------------------------------------------------------------------------------

    @rule()
    def it_looks(self) -> None:
        self.run(self.scene.look)
        rows = self.scene.house.rows
        lost = rows(
            "SELECT id FROM episodes e WHERE merged_into IS NULL AND severity = 'page' AND ends_at IS NULL AND NOT EXISTS "
            "(SELECT 1 FROM incident_episodes m JOIN incidents i ON i.id = m.incident_id "
            "WHERE m.episode_id = e.id AND i.status != 'closed')"
        )
        assert lost == [], "whatever fires is in one that is not closed"
        never = (
            "SELECT id FROM episodes WHERE merged_into IS NULL AND id NOT IN (SELECT episode_id FROM incident_episodes)"
        )
        absorbed = "SELECT merged_into FROM episodes WHERE merged_into IS NOT NULL"
        assert rows(f"{never} AND id NOT IN ({absorbed})") == [], "whatever has fired is in one"
        now = self.scene.clock.now
        for stand in self.stands():
            incident = stand.incident
            if incident.status is Status.RESOLVED:
                assert not stand.firing
            if incident.status in UNRESOLVED:
                assert not stand.over
                assert incident.sight_lost == stand.out_of_sight or stand.unknown
            if incident.status is Status.OPEN and incident.severity is Severity.PAGE:
                assert incident.due_at is not None
                assert now < incident.due_at <= now + WITHIN * 1_000_000
            else:
                assert incident.due_at is None or incident.status is Status.OPEN

    @rule()
    def it_is_started_anew(self) -> None:
        before = self.stands()
        self.run(self.reopen)
        assert self.stands() == before

    # --- what must never be ------------------------------------------------------------------------------------------

    def stands(self) -> list[Stand]:
        return self.run(self.scene.stands)

    @invariant()
    def one_that_is_closed_stays_as_it_is(self) -> None:
        now = {stand.incident.id: stand for stand in self.stands() if stand.incident.status is Status.CLOSED}
        for id_, stand in self.closed.items():
            assert now[id_].incident == stand.incident
        self.closed = now

    @invariant()
    def no_two_that_are_not_closed_are_of_one_place(self) -> None:
        places = [stand.incident.place for stand in self.stands() if stand.incident.status is not Status.CLOSED]
        assert len(places) == len(set(places))

    @invariant()
    def its_columns_say_what_its_status_says(self) -> None:
        for incident in (stand.incident for stand in self.stands()):
            assert incident.commander is not None or incident.status not in (Status.ACKNOWLEDGED, Status.MITIGATED)
            assert (incident.acknowledged_at is None) or incident.status is not Status.OPEN
            assert (incident.mitigated_at is not None) or incident.status is not Status.MITIGATED
            assert (incident.resolved_at is not None) == (incident.status in (Status.RESOLVED, Status.CLOSED))
            assert (incident.closed_at is not None) == bool(incident.summary) == (incident.status is Status.CLOSED)
            assert incident.commander != "vic", "who may not act leads nothing"

    @invariant()
    def every_way_is_one_that_there_is_and_the_audit_knows_it(self) -> None:
        recorded = self.scene.house.recorded()
        for incident in (stand.incident for stand in self.stands()):
            told = [entry["data"] for entry in recorded if entry["subject"] == incident.subject]
            states = [Status(data["status"]) for data in told]
            assert states[0] is Status.OPEN
            assert states[-1] is incident.status
            for before, after in itertools.pairwise(states):
                assert after is before or after in TURNS[before].values()

    @invariant()
    def each_level_is_told_once(self) -> None:
        recorded = self.scene.house.recorded()
        for incident in (stand.incident for stand in self.stands()):
            kinds = [(entry["kind"], entry["data"]) for entry in recorded if entry["subject"] == incident.subject]
            begun = [at for at, (kind, _) in enumerate(kinds) if kind in ("incident.opened", "incident.reopened")]
            levels = [data["level"] for kind, data in kinds[begun[-1] :] if kind == "incident.escalated"]
            assert levels == [str(level) for level in range(1, incident.level + 1)]


Handling.TestCase.settings = settings(
    max_examples=15,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestHandling = Handling.TestCase
