"""Which silences are of the receiver's own making: a real desk and engine, a real Alertmanager and a real Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from demo.processes import free_ports
from demo.until import until
from receiver.alertmanager import Alertmanager
from receiver.clock import SECOND, now, rfc3339
from receiver.life import ENDED, State
from receiver.prometheus import Prometheus
from receiver.reconciliation import Memory, Pull, reconcile
from receiver.requests import Request
from receiver.runner import Point
from receiver.underway import key_of
from tests.receiver.dying import place
from tests.receiver.house import House, Place
from tests.receiver.servers import WITHIN, alertmanager, prometheus
from tests.receiver.test_crash import after, killed

ACTIONS = """
targets:
  alertmanager: {{url: "{engine}", receive_window: 1s}}
actions:
  - name: mute
    title: Mute a node
    undo: unmute
    steps: [{{executor: silence, target: alertmanager, matchers: {{alertname: NodeLagging, entity: $entity}}, lasts: 1h}}]
    parameters: {{entity: {{choices: [ethereum/alchemy, ethereum/own]}}}}
    verify: {{query: 'alertmanager_silences{{state="active"}} > 0', heartbeat: 'min(timestamp(alertmanager_silences))', within: 60s}}
  - name: unmute
    title: Hear of a node again
    steps: [{{executor: expire_silence, target: alertmanager, matchers: {{alertname: NodeLagging, entity: $entity}}}}]
    parameters: {{entity: {{choices: [ethereum/alchemy, ethereum/own]}}}}
    verify: {{query: 'alertmanager_silences{{state="active"}} == 0', heartbeat: 'min(timestamp(alertmanager_silences))', within: 60s}}
  - name: mute-and-more
    title: Mute two nodes
    steps:
      - {{executor: silence, target: alertmanager, matchers: {{alertname: NodeLagging, entity: ethereum/alchemy}}, lasts: 1h}}
      - {{executor: silence, target: alertmanager, matchers: {{alertname: NodeLagging, entity: ethereum/own}}, lasts: 1h}}
    verify: {{query: 'alertmanager_silences{{state="active"}} == 2', heartbeat: 'min(timestamp(alertmanager_silences))', within: 60s}}
"""
POLICY = """
rules: [{{action: "*", request: [operator], approvals: [{{role: trader, count: 1}}, {{role: risk, count: 1}}]}}]
freeze: {{by: [operator, trader], unfreeze: {{role: commander, count: 2}}}}
"""
RULES = """
groups:
  - name: some
    rules:
      - {alert: NodeLagging, expr: 'vector(1)', labels: {severity: page, domain: nodes}}
"""
ENTITY = {"entity": "ethereum/alchemy"}
LAGGING = {"alertname": "NodeLagging", **ENTITY}


@dataclass
class World:
    """A receiver at work between real servers, where NodeLagging fires as a page."""

    place: Place
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return self.place.engine

    async def fires(self, *entities: str) -> None:
        times = {"startsAt": rfc3339(now() - 60 * SECOND), "endsAt": rfc3339(now() + 300 * SECOND)}
        labels = {"alertname": "NodeLagging", "severity": "page", "domain": "nodes"}
        alerts = [{"labels": {**labels, "entity": entity}, **times} for entity in entities]
        async with self.session.post(f"{self.url}/api/v2/alerts", json=alerts) as response:
            assert response.status == 200

    async def comments(self) -> dict[str, str]:
        """Of the silences in force, by id."""
        return {each.id: each.comment for each in await Alertmanager(self.session, self.url).silences()}

    async def somebody_silences(
        self, comment: str, matchers: Mapping[str, str] | None = None, hours: float = 0.5, *, regex: bool = False
    ) -> str:
        written = [
            {"name": name, "value": it, "isRegex": regex, "isEqual": True} for name, it in (matchers or LAGGING).items()
        ]
        times = {"startsAt": rfc3339(now()), "endsAt": rfc3339(now() + int(hours * 3600 * SECOND))}
        body = {"matchers": written, "createdBy": "occ", "comment": comment, **times}
        async with self.session.post(f"{self.url}/api/v2/silences", json=body) as response:
            return str((await response.json())["silenceID"])


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    [port] = free_ports(1)
    async with (
        aiohttp.ClientSession() as session,
        alertmanager(tmp_path, "http://127.0.0.1:1", port=port) as url,
        prometheus(tmp_path, rules=RULES, scrapes={"alertmanager": f"127.0.0.1:{port}"}) as rules,
    ):
        await until(Prometheus(session, rules).rules, WITHIN)
        made = World(Place(tmp_path, url, rules, actions=ACTIONS, policy=POLICY), session)
        await made.fires("ethereum/alchemy", "ethereum/own")
        yield made


async def foreign(world: World, house: House) -> set[str]:
    """The silences that people were told of as not being of the receiver's making, once it has compared."""
    asked = Alertmanager(world.session, world.url)
    pull = Pull(now(), await asked.alerts(), await asked.silences(), hurry=False, receiver="occ")
    await house.writer.run(lambda connection: reconcile(connection, pull, Memory(), now(), house.audit))
    rows = house.rows("SELECT subject FROM outbox WHERE kind = 'foreign_silence'")
    return {row["subject"].removeprefix("silence/") for row in rows}


async def muted(house: House, action: str = "mute") -> Request:
    """A silence that was asked for, approved, made and seen to be in force."""
    parameters = ENTITY if action in {"mute", "unmute"} else {}
    return await succeeded(house, await house.approved(action, parameters=parameters))


async def succeeded(house: House, request: Request) -> Request:
    async def reached() -> Request | None:
        found = await house.desk.request(request.id)
        assert found.state not in ENDED - {State.SUCCEEDED}, found.why
        return found if found.state is State.SUCCEEDED else None

    async with house.engine.running():
        return await until(reached, WITHIN) or request


async def test_a_silence_that_an_action_made_is_ours_and_what_undoes_it_ends_it(world: World) -> None:
    async with world.place.house() as house:
        request = await muted(house)
        assert [*(await world.comments()).values()] == [f"by an action of OCC occ:{key_of(request.id, 0)}"]
        assert await foreign(world, house) == set()
        await muted(house, "unmute")
        assert await world.comments() == {}


async def test_each_step_has_a_silence_of_its_own(world: World) -> None:
    async with world.place.house() as house:
        request = await muted(house, "mute-and-more")
        keys = {comment.rpartition("occ:")[2] for comment in (await world.comments()).values()}
        assert keys == {key_of(request.id, 0), key_of(request.id, 1)}
        assert await foreign(world, house) == set()


async def test_a_copy_of_our_comment_over_anything_else_or_for_longer_is_not_ours(world: World) -> None:
    async with world.place.house() as house:
        await muted(house)
        [comment] = (await world.comments()).values()
        theirs = {
            await world.somebody_silences(comment, {"alertname": "NodeLagging"}),
            await world.somebody_silences(comment, {"severity": "page"}),
            await world.somebody_silences(comment, {**LAGGING, "domain": "nodes"}),
            await world.somebody_silences(comment, regex=True),
            await world.somebody_silences(comment, hours=2),
            await world.somebody_silences("a deployment"),
            await world.somebody_silences(f"occ:{'0' * 64}"),
            await world.somebody_silences("occ:"),
        }
        assert await foreign(world, house) == theirs


async def test_a_request_that_made_none_lends_its_name_to_none(world: World) -> None:
    """It is approved, and then the rules are such that it may not be made; its effect is known by its key all the same."""
    async with world.place.house() as house:
        request = await house.submitted("mute", parameters=ENTITY)
        theirs = await world.somebody_silences(f"occ:{key_of(request.id, 0)}")
        assert await foreign(world, house) == {theirs}


async def test_rows_that_somebody_wrote_make_no_silence_ours(world: World) -> None:
    async with world.place.house() as house:
        made, planned = await muted(house), await house.submitted("mute", parameters={"entity": "ethereum/own"})
        assert await foreign(world, house) == set()
        theirs = await world.somebody_silences(f"occ:{'f' * 64}")
        house.tamper("UPDATE effects SET idempotency_key = :key", key="f" * 64)
        assert theirs in await foreign(world, house)
        house.tamper("UPDATE effects SET idempotency_key = :key", key=key_of(planned.id, 0))
        house.tamper("UPDATE effects SET request_id = :id", id=planned.id)
        theirs = await world.somebody_silences(f"occ:{key_of(planned.id, 0)}", {**LAGGING, "entity": "ethereum/own"})
        assert theirs in await foreign(world, house)
        house.tamper("UPDATE effects SET request_id = :id, idempotency_key = :key", id=made.id, key=key_of(made.id, 0))
        house.tamper("UPDATE requests SET reason = 'another' WHERE id = :id", id=made.id)
        assert set(await world.comments()) == await foreign(world, house)


async def test_one_whose_outcome_is_not_recorded_yet_is_ours(world: World) -> None:
    """Alertmanager has it, and the receiver ends before it can write that down: it is in doubt, then known."""

    def end(point: Point) -> None:
        if point is Point.SENT:
            raise asyncio.CancelledError

    async with world.place.house(end) as house:
        request = await house.approved("mute", parameters=ENTITY)
        await house.look()
        assert await world.comments()
        assert (await house.desk.request(request.id)).state is State.RUNNING
        assert await foreign(world, house) == set()
    async with world.place.house() as house:
        await house.engine.take_over()
        assert (await house.desk.request(request.id)).state is State.IN_DOUBT
        assert await foreign(world, house) == set()
        await succeeded(house, request)
        assert await foreign(world, house) == set()
        assert len(await world.comments()) == 1


# --- a process that is killed ----------------------------------------------------------------------------------------

MORE = """  - name: quiet
    title: Mute a node
    steps: [{{executor: silence, target: engine, matchers: {{alertname: NodeLagging, entity: ethereum/own}}, lasts: 1h}}]
    deadline: 6s
    verify: {{query: vector(1), heartbeat: vector(1e12), within: 30s}}
"""


@pytest.mark.parametrize(
    ("point", "state", "doubt", "made"),
    [
        (Point.START, State.SUCCEEDED, False, 1),
        (Point.STARTED, State.FAILED, True, 0),
        (Point.CLEARED, State.FAILED, True, 0),
        (Point.SENT, State.SUCCEEDED, True, 1),
        (Point.RECORDED, State.SUCCEEDED, False, 1),
    ],
)
async def test_a_receiver_that_is_killed_makes_one_silence_at_most_and_finds_it(
    world: World, tmp_path: Path, point: Point, state: State, *, doubt: bool, made: int
) -> None:
    (tmp_path / "more.yml").write_text(MORE)
    there = place(tmp_path, world.url, world.place.prometheus)
    async with there.house() as house:
        request = await house.approved("quiet")
    await killed(there, point)
    async with after(there) as house:
        found = await house.desk.request(request.id)
        assert (found.state, "request.in_doubt" in house.kinds(request)) == (state, doubt)
        assert len(await world.comments()) == made
        assert await foreign(world, house) == set()
