"""The executors `silence` and `expire_silence` against a real Alertmanager and a real Prometheus.

Where one has to answer what no real one would at will, the wire is faked: those tests name a `Wire`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given, settings
from pydantic import ValidationError

from demo.until import until
from receiver import clock
from receiver.actions import Applied, Result, Step, Surroundings, TooLate, Unfit, expire_silence, silence
from receiver.clock import SECOND, rfc3339
from receiver.prometheus import Prometheus, Rule
from receiver.silencing import covers, untouchable
from receiver.why import Why
from tests.receiver.actions.support import attempt, step, targets
from tests.receiver.servers import WITHIN, alertmanager, prometheus
from tests.receiver.test_silencing import SHIPPED, anything, sent
from tests.receiver.wire import listening, silent, told

KEY, OTHER = "a" * 64, "b" * 64
LAGGING = {"alertname": "NodeLagging", "entity": "ethereum/alchemy"}
RULES = """
groups:
  - name: some
    rules:
      - {alert: NodeLagging, expr: 'vector(1)', labels: {severity: page, domain: nodes}}
      - {alert: OwnerChanged, expr: 'vector(1)', labels: {severity: page, domain: security}}
      - {alert: Mixed, expr: 'vector(1)', labels: {severity: page, domain: '{{ $labels.domain }}'}}
      - {alert: Watchdog, expr: 'vector(1)', labels: {severity: none, domain: meta}}
"""


def of(matchers: Mapping[str, str] = LAGGING, lasts: str = "2h", **values: str) -> Step:
    return step("silence", {"target": "alertmanager", "matchers": matchers, "lasts": lasts}, **values)


def ending(matchers: Mapping[str, str] = LAGGING) -> Step:
    return step("expire_silence", {"target": "alertmanager", "matchers": matchers})


@dataclass
class World:
    """A real Alertmanager and a real Prometheus, and what a test asks of them."""

    session: aiohttp.ClientSession
    surroundings: Surroundings
    url: str

    async def fires(self, *alerts: Mapping[str, str], lasts: float = 300) -> None:
        began, ends = rfc3339(clock.now() - 60 * SECOND), rfc3339(clock.now() + int(lasts * SECOND))
        sent = [{"labels": labels, "startsAt": began, "endsAt": ends} for labels in alerts]
        async with self.session.post(f"{self.url}/api/v2/alerts", json=sent) as response:
            assert response.status == 200

    async def tells(self, what: str) -> list[dict[str, Any]]:
        async with self.session.get(f"{self.url}/api/v2/{what}") as response:
            found: list[dict[str, Any]] = await response.json()
            return found

    async def silences(self, state: str = "active") -> list[dict[str, Any]]:
        return [each for each in await self.tells("silences") if each["status"]["state"] == state]

    async def muted(self) -> list[dict[str, str]]:
        """The labels of the alerts that a silence covers, by Alertmanager's word."""
        return [each["labels"] for each in await self.tells("alerts") if each["status"]["silencedBy"]]

    async def somebody_silences(self, matchers: Mapping[str, str], comment: str, by: str = "somebody") -> str:
        """By hand, in Alertmanager's own page."""
        times = {"startsAt": rfc3339(clock.now()), "endsAt": rfc3339(clock.now() + 3600 * SECOND)}
        plain = [{"name": name, "value": it, "isRegex": False, "isEqual": True} for name, it in matchers.items()]
        body = {"matchers": plain, "createdBy": by, "comment": comment, **times}
        async with self.session.post(f"{self.url}/api/v2/silences", json=body) as response:
            assert response.status == 200
            return str((await response.json())["silenceID"])

    async def somebody_expires(self, id_: str) -> None:
        async with self.session.delete(f"{self.url}/api/v2/silence/{id_}") as response:
            assert response.status == 200


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with (
        aiohttp.ClientSession() as session,
        prometheus(tmp_path, rules=RULES) as rules,
        alertmanager(tmp_path, "http://127.0.0.1:1") as url,
    ):
        asked = Prometheus(session, rules)
        await until(asked.rules, WITHIN)
        yield World(session, at(url, asked), url)


def at(url: str, asked: Prometheus | None) -> Surroundings:
    """Where an Alertmanager is, and the Prometheus whose rules count."""
    return Surroundings({"alertmanager": targets(url, operations=None).targets["engine"]}, asked)


# --- what may be written ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lasts", ["1s", "4h", "240m"])
def test_it_lasts_four_hours_at_most(lasts: str) -> None:
    of(lasts=lasts)


@pytest.mark.parametrize("lasts", ["14401s", "5h", "1d", "0s", "-1s", ""])
def test_longer_is_refused(lasts: str) -> None:
    with pytest.raises(ValidationError):
        of(lasts=lasts)


@pytest.mark.parametrize(
    "matchers",
    [
        {},
        {"entity": "ethereum/alchemy"},
        {"severity": "page"},
        {"alertname": "Watchdog"},
        {"domain": "security"},
        {"domain": "meta", "alertname": "SightLost"},
        {"alertname": ""},
        {"alertname": "NodeLagging", "entity": ""},
        {"alertname": "NodeLagging", 'x"': "a"},
        {"alertname": "NodeLagging", "a-b": "a"},
        {"alertname": ["NodeLagging"]},
        {"alertname": "$name"},
    ],
)
def test_matchers_that_prove_nothing_or_name_what_must_be_heard_are_refused(matchers: Mapping[str, str]) -> None:
    with pytest.raises(ValidationError):
        of(matchers, name="Watchdog")


def test_parameters_enter_a_matcher_whole() -> None:
    made = of({"alertname": "NodeLagging", "entity": "$entity"}, entity='a"} or {x="\n')
    assert isinstance(made.options, silence.Options)
    assert made.options.matchers["entity"] == 'a"} or {x="\n'


# --- the plan --------------------------------------------------------------------------------------------------------


async def test_the_plan_shows_matchers_and_time_and_beside_it_the_end_and_the_alerts_covered_now(world: World) -> None:
    around = replace(world.surroundings, now=lambda: 1_790_000_000 * SECOND)
    before = await silence.plan(of(), around)
    await world.fires({**LAGGING, "domain": "nodes"}, {**LAGGING, "domain": "nodes", "x": "y"}, {"alertname": "Other"})
    after = await silence.plan(of(), around)
    assert (
        before.does
        == after.does
        == {
            "executor": "silence",
            "target": "alertmanager",
            "matchers": LAGGING,
            "seconds": "7200",
        }
    )
    assert before.evidence == {"ends": "2026-09-21T16:13:20Z", "alerts": "0", "covers": ""}
    assert after.evidence == {"ends": "2026-09-21T16:13:20Z", "alerts": "2", "covers": "NodeLagging ethereum/alchemy"}
    assert await world.silences() == []


ODD = ['a"b\\c\n{}=~.*äöü', "\\n", "\\", '"', " spaced ", "\x01\t", "a,b", "$1 `x` '", "x" * 900]


@pytest.mark.parametrize("entity", ODD)
async def test_alerts_are_counted_whatever_their_labels_hold(world: World, entity: str) -> None:
    await world.fires(*[{**LAGGING, "domain": "nodes", "entity": each} for each in (entity, "another")])
    made = of({"alertname": "NodeLagging", "entity": "$entity"}, entity=entity)
    assert (await silence.plan(made, world.surroundings)).evidence["alerts"] == "1"
    assert (await silence.execute(made, attempt(), world.surroundings)).applied is Applied.APPLIED
    assert [each["entity"] for each in await world.muted()] == [entity]
    assert (await silence.verify(made, attempt(), world.surroundings)).applied is Applied.APPLIED


async def test_in_a_storm_only_the_alerts_that_it_covers_are_asked_for(world: World) -> None:
    await world.fires(
        *[{**LAGGING, "entity": str(number), "domain": "nodes", "text": "x" * 900} for number in range(100)]
    )
    async with world.session.get(f"{world.url}/api/v2/alerts") as response:
        assert len(await response.read()) > 100_000
    async with relayed(world.url) as (relay, sizes):
        around = at(relay, world.surroundings.prometheus)
        assert (await silence.plan(of({**LAGGING, "entity": "7"}), around)).evidence["alerts"] == "1"
    assert sum(sizes) < 5_000


@asynccontextmanager
async def relayed(url: str) -> AsyncIterator[tuple[str, list[int]]]:
    """A way to an Alertmanager that tells how many bytes each answer had."""
    sizes: list[int] = []
    async with aiohttp.ClientSession() as session:

        async def relay(request: web.Request) -> web.Response:
            async with session.get(f"{url}{request.raw_path}") as response:
                body = await response.read()
            sizes.append(len(body))
            return web.Response(status=response.status, body=body, content_type="application/json")

        app = web.Application()
        app.router.add_get("/{path:.*}", relay)
        async with TestServer(app) as server:
            yield f"http://{server.host}:{server.port}", sizes


@pytest.mark.parametrize("matchers", [{"alertname": "OwnerChanged"}, {"alertname": "Mixed"}, {"alertname": "Unknown"}])
async def test_what_the_rules_of_now_do_not_let_it_prove_can_not_be_planned_or_done(
    world: World, matchers: dict[str, str]
) -> None:
    with pytest.raises(Unfit) as caught:
        await silence.plan(of(matchers), world.surroundings)
    assert caught.value.why is Why.OUT_OF_BOUNDS
    result = await silence.execute(of(matchers), attempt(), world.surroundings)
    assert (result.applied, result.why) == (Applied.NOT_APPLIED, Why.OUT_OF_BOUNDS)
    assert await world.tells("silences") == []


async def test_an_alert_of_another_sender_is_seen_where_it_fires(world: World) -> None:
    """By the rules NodeLagging is about nodes; somebody else sends one of that name about security."""
    await silence.plan(of(), world.surroundings)
    await world.fires({**LAGGING, "domain": "security"})
    with pytest.raises(Unfit, match="it would hide NodeLagging ethereum/alchemy"):
        await silence.plan(of(), world.surroundings)
    result = await silence.execute(of(), attempt(), world.surroundings)
    assert (result.applied, result.why) == (Applied.NOT_APPLIED, Why.OUT_OF_BOUNDS)
    assert await world.tells("silences") == []


async def test_without_prometheus_alertmanager_or_target_nothing_is_planned_or_done(world: World) -> None:
    url = "http://127.0.0.1:1"
    missing: dict[Why, list[Surroundings]] = {
        Why.UNREACHABLE: [
            replace(world.surroundings, prometheus=None),
            replace(world.surroundings, prometheus=Prometheus(world.session, url)),
            at(url, world.surroundings.prometheus),
        ],
        Why.DEFINITION_CHANGED: [Surroundings(prometheus=world.surroundings.prometheus)],
    }
    for why, places in missing.items():
        for around in places:
            with pytest.raises(Unfit) as caught:
                await silence.plan(of(), around)
            assert caught.value.why is why
            result = await silence.execute(of(), attempt(), around)
            assert (result.applied, result.why) == (Applied.NOT_APPLIED, why)
    assert await world.tells("silences") == []


# --- the effect ------------------------------------------------------------------------------------------------------


async def test_it_mutes_what_it_matches_for_as_long_as_it_should_and_says_whose_it_is(world: World) -> None:
    await world.fires({**LAGGING, "domain": "nodes"}, {**LAGGING, "entity": "ethereum/own"})
    result = await silence.execute(of(), attempt(KEY), world.surroundings)
    assert result == Result(Applied.APPLIED, facts={"status": "200"})
    [made] = await world.silences()
    assert (made["createdBy"], made["comment"]) == ("occ", f"by an action of OCC occ:{KEY}")
    left = clock.now() + 7200 * SECOND - instant(made["endsAt"])
    assert 0 <= left < 60 * SECOND
    assert await world.muted() == [{**LAGGING, "domain": "nodes"}]
    seen = await silence.verify(of(), attempt(KEY), world.surroundings)
    assert seen == Result(Applied.APPLIED, facts={"silence": made["id"], "state": "active", "ends": made["endsAt"]})


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * SECOND)


async def test_one_that_is_there_is_not_made_again(world: World) -> None:
    """Also where it has ended since: it was made, and somebody has ended it."""
    await silence.execute(of(), attempt(KEY), world.surroundings)
    again = await silence.execute(of(), attempt(KEY), world.surroundings)
    [made] = await world.silences()
    assert (again.applied, again.facts["silence"]) == (Applied.APPLIED, made["id"])
    await world.somebody_expires(made["id"])
    again = await silence.execute(of(), attempt(KEY), world.surroundings)
    assert (again.applied, again.facts["state"]) == (Applied.APPLIED, "expired")
    assert await world.silences() == []


async def test_one_of_somebody_that_bears_its_key_does_not_stand_in_for_it(world: World) -> None:
    await world.somebody_silences({"alertname": "Another"}, f"occ:{KEY}")
    await silence.execute(of(), attempt(KEY), world.surroundings)
    assert len(await world.silences()) == 2
    seen = await silence.verify(of(), attempt(KEY), world.surroundings)
    [made] = [each for each in await world.silences() if each["createdBy"] == "occ"]
    assert (seen.applied, seen.facts["silence"]) == (Applied.APPLIED, made["id"])


@pytest.mark.parametrize("why", [Why.DEADLINE, Why.FENCED])
async def test_what_must_not_go_any_more_does_not_go(world: World, why: Why) -> None:
    assert await silence.execute(of(), attempt(why=why), world.surroundings) == Result(Applied.NOT_APPLIED, why)
    assert await world.tells("silences") == []


async def test_leave_is_asked_for_right_before_it_is_made(world: World) -> None:
    """The third thing that is sent is the silence: what is not let go then was not made."""
    asked = 0

    async def lost_meanwhile() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise TooLate(Why.FENCED)

    result = await silence.execute(of(), replace(attempt(), clear=lost_meanwhile), world.surroundings)
    assert result == Result(Applied.NOT_APPLIED, Why.FENCED)
    assert await world.tells("silences") == []


async def test_one_that_was_ended_or_changed_by_hand_is_not_confirmed(world: World) -> None:
    seen = await silence.verify(of(), attempt(KEY), world.surroundings)
    assert (seen.applied, seen.why) == (Applied.NOT_APPLIED, Why.NOT_CONFIRMED)
    other = await world.somebody_silences({"alertname": "Another"}, f"occ:{KEY}")
    seen = await silence.verify(of(), attempt(KEY), world.surroundings)
    assert (seen.applied, seen.why) == (Applied.NOT_APPLIED, Why.NOT_CONFIRMED)
    await world.somebody_expires(other)
    await silence.execute(of(), attempt(OTHER), world.surroundings)
    assert (await silence.verify(of(), attempt(OTHER), world.surroundings)).applied is Applied.APPLIED
    [made] = await world.silences()
    await world.somebody_expires(made["id"])
    seen = await silence.verify(of(), attempt(OTHER), world.surroundings)
    assert (seen.applied, seen.why, seen.facts["state"]) == (Applied.NOT_APPLIED, Why.NOT_CONFIRMED, "expired")


async def test_what_became_of_one_is_found_by_its_key(world: World) -> None:
    async def found(*, final: bool) -> Applied:
        return (await silence.reconcile(of(), attempt(KEY, final=final), world.surroundings)).applied

    assert await found(final=False) is Applied.UNCLEAR
    assert await found(final=True) is Applied.NOT_APPLIED
    await silence.execute(of(), attempt(KEY), world.surroundings)
    assert await found(final=False) is Applied.APPLIED
    assert (
        await silence.reconcile(of(), attempt(OTHER, final=True), world.surroundings)
    ).applied is Applied.NOT_APPLIED
    nowhere = at("http://127.0.0.1:1", world.surroundings.prometheus)
    for around in (nowhere, Surroundings()):
        assert (await silence.reconcile(of(), attempt(KEY, final=True), around)).applied is Applied.UNCLEAR
        assert (await silence.verify(of(), attempt(KEY), around)).applied is Applied.UNCLEAR


# --- taking it back --------------------------------------------------------------------------------------------------


async def test_what_actions_have_silenced_is_ended_and_what_people_have_is_not(world: World) -> None:
    await world.fires({**LAGGING, "domain": "nodes"})
    for key in (KEY, OTHER):
        await silence.execute(of(), attempt(key), world.surroundings)
    await silence.execute(of({"alertname": "NodeLagging"}), attempt("c" * 64), world.surroundings)
    theirs = await world.somebody_silences(LAGGING, "a deployment")
    planned = await expire_silence.plan(ending(), world.surroundings)
    assert planned.does == {"executor": "expire_silence", "target": "alertmanager", "matchers": LAGGING}
    assert planned.evidence["silences"] == "2"
    seen = await expire_silence.verify(ending(), attempt(), world.surroundings)
    assert (seen.applied, seen.why) == (Applied.NOT_APPLIED, Why.NOT_CONFIRMED)
    result = await expire_silence.execute(ending(), attempt(), world.surroundings)
    assert result == Result(Applied.APPLIED, facts={"ended": "2"})
    assert (await expire_silence.verify(ending(), attempt(), world.surroundings)).applied is Applied.APPLIED
    left = await world.silences()
    assert {each["comment"] for each in left} == {"a deployment", f"by an action of OCC occ:{'c' * 64}"}
    assert theirs in {each["id"] for each in left}


async def test_where_nothing_is_silenced_there_is_nothing_to_end(world: World) -> None:
    planned = await expire_silence.plan(ending(), world.surroundings)
    assert planned.evidence == {"silences": "0", "ids": ""}
    result = await expire_silence.execute(ending(), attempt(), world.surroundings)
    assert result == Result(Applied.APPLIED, facts={"ended": "0"})
    assert (await expire_silence.reconcile(ending(), attempt(), world.surroundings)).applied is Applied.APPLIED


async def test_whether_any_is_left_is_final_only_once_nothing_can_arrive(world: World) -> None:
    await silence.execute(of(), attempt(KEY), world.surroundings)
    found = await expire_silence.reconcile(ending(), attempt(final=False), world.surroundings)
    assert found.applied is Applied.UNCLEAR
    found = await expire_silence.reconcile(ending(), attempt(final=True), world.surroundings)
    assert (found.applied, found.why) == (Applied.NOT_APPLIED, Why.NOT_APPLIED)


async def test_where_the_second_can_not_be_ended_any_more_the_first_is(world: World) -> None:
    for key in (KEY, OTHER):
        await silence.execute(of(), attempt(key), world.surroundings)
    asked = 0

    async def lost_meanwhile() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:  # a look, the first one, the second one
            raise TooLate(Why.FENCED)

    result = await expire_silence.execute(ending(), replace(attempt(), clear=lost_meanwhile), world.surroundings)
    assert (result.applied, result.why, result.facts) == (Applied.PARTLY, Why.FENCED, {"ended": "1"})
    assert len(await world.silences()) == 1


async def test_without_alertmanager_nothing_is_ended_and_nothing_is_known(world: World) -> None:
    nowhere = at("http://127.0.0.1:1", None)
    with pytest.raises(Unfit) as caught:
        await expire_silence.plan(ending(), nowhere)
    assert caught.value.why is Why.UNREACHABLE
    with pytest.raises(Unfit):
        await expire_silence.plan(ending(), Surroundings())
    for around, why in ((nowhere, Why.UNREACHABLE), (Surroundings(), Why.DEFINITION_CHANGED)):
        result = await expire_silence.execute(ending(), attempt(), around)
        assert (result.applied, result.why) == (Applied.NOT_APPLIED, why)
        assert (await expire_silence.reconcile(ending(), attempt(final=True), around)).applied is Applied.UNCLEAR
        assert (await expire_silence.verify(ending(), attempt(), around)).applied is Applied.UNCLEAR


# --- an Alertmanager that fails: the wire is faked -------------------------------------------------------------------


Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


def answering(*answers: Answer) -> Callable[..., Awaitable[None]]:
    """Each connection is answered by the next; the last stays."""
    left = list(answers)

    async def answer(writer: asyncio.StreamWriter) -> None:
        following = left.pop(0) if len(left) > 1 else left[0]
        await (told(following) if isinstance(following, bytes) else following)(writer)

    return answer


def said(body: object, status: str = "200 OK") -> bytes:
    raw = orjson.dumps(body)
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        status.encode(),
        len(raw),
        raw,
    )


NOTHING = said([])


async def hangs_up(_: asyncio.StreamWriter) -> None:
    """The connection ends without a word."""


@pytest.mark.parametrize(
    ("answer", "applied", "why"),
    [
        (said({"silenceID": "x"}), Applied.APPLIED, None),
        (said("canary", "400 Bad Request"), Applied.NOT_APPLIED, Why.REFUSED),
        (said("canary", "401 Unauthorized"), Applied.NOT_APPLIED, Why.REFUSED),
        (said("canary", "408 Request Timeout"), Applied.UNCLEAR, Why.UNCLEAR),
        (said("canary", "500 Internal Server Error"), Applied.UNCLEAR, Why.UNCLEAR),
        (said("canary", "302 Found"), Applied.UNCLEAR, Why.UNCLEAR),
        (hangs_up, Applied.UNCLEAR, Why.UNCLEAR),
        (silent, Applied.UNCLEAR, Why.UNCLEAR),
        (b"canary", Applied.UNCLEAR, Why.UNCLEAR),
    ],
)
async def test_what_an_answer_says_of_the_silence(
    rules: Prometheus, answer: Answer, applied: Applied, why: Why | None
) -> None:
    seconds = 4.0 if answer is silent else 20.0
    async with listening(answering(NOTHING, NOTHING, answer)) as wire:
        result = await silence.execute(of(), attempt(left=seconds), at(wire.url, rules))
    assert (result.applied, result.why) == (applied, why)
    assert "canary" not in str(result)
    assert [re.split("[? ]HTTP|[?]", request)[0] for request in wire.heard] == [
        "GET /api/v2/silences",
        "GET /api/v2/alerts",
        "POST /api/v2/silences",
    ]


UNREADABLE = [
    said({}),
    said(["canary"]),
    said([{"id": 1}]),
    said([{"status": "canary"}]),
    said("canary", "500 Internal Server Error"),
    b"canary",
    hangs_up,
]


@pytest.mark.parametrize("answer", UNREADABLE)
async def test_where_its_silences_can_not_be_read_none_is_made(rules: Prometheus, answer: bytes) -> None:
    async with listening(answering(answer)) as wire:
        around = at(wire.url, rules)
        results = [
            await silence.execute(of(), attempt(), around),
            await expire_silence.execute(ending(), attempt(), around),
        ]
        questions = [
            await silence.reconcile(of(), attempt(final=True), around),
            await silence.verify(of(), attempt(), around),
            await expire_silence.reconcile(ending(), attempt(final=True), around),
            await expire_silence.verify(ending(), attempt(), around),
        ]
        with pytest.raises(Unfit):
            await silence.plan(of(), around)
        with pytest.raises(Unfit):
            await expire_silence.plan(ending(), around)
    assert {result.applied for result in results} == {Applied.NOT_APPLIED}
    assert {result.applied for result in questions} == {Applied.UNCLEAR}
    assert "canary" not in str(results + questions)
    assert all(request.startswith("GET ") for request in wire.heard)


@pytest.mark.parametrize("id_", ["", "../../-/reload", "x", "5a1e" * 9, "A" * 36])
async def test_a_silence_whose_id_is_none_is_not_ended(id_: str) -> None:
    theirs = {
        "id": id_,
        "createdBy": "occ",
        "comment": f"occ:{KEY}",
        "endsAt": "2026-01-01T00:00:00Z",
        "status": {"state": "active"},
        "matchers": [{"name": name, "value": it, "isRegex": False} for name, it in LAGGING.items()],
    }
    async with listening(said([theirs])) as wire:
        result = await expire_silence.execute(ending(), attempt(), at(wire.url, None))
    assert (result.applied, result.why) == (Applied.NOT_APPLIED, Why.UNREACHABLE)
    assert all(request.startswith("GET ") for request in wire.heard)


@pytest.fixture
async def rules(tmp_path: Path) -> AsyncIterator[Prometheus]:
    """A real Prometheus that has loaded RULES."""
    async with aiohttp.ClientSession() as session, prometheus(tmp_path, rules=RULES) as url:
        asked = Prometheus(session, url)
        await until(asked.rules, WITHIN)
        yield asked


# --- every shipped rule, and a real Alertmanager that decides --------------------------------------------------------


async def test_no_silence_that_can_be_made_hides_what_must_be_heard(tmp_path: Path) -> None:
    """Planned where nothing fires, so that the rules alone judge; then made where an alert of every shipped rule fires."""
    shipped = {"groups": [{"name": "shipped", "rules": [asdict_of(rule) for rule in SHIPPED]}]}
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        asked = Prometheus(
            session, await stack.enter_async_context(prometheus(tmp_path, rules=yaml.safe_dump(shipped)))
        )
        assert {rule.name for rule in await until(asked.rules, WITHIN)} == {rule.name for rule in SHIPPED}
        quiet = await stack.enter_async_context(alertmanager(tmp_path, "http://127.0.0.1:1", name="quiet"))
        loud = World(
            session, Surroundings(), await stack.enter_async_context(alertmanager(tmp_path, "http://127.0.0.1:1"))
        )
        around, firing = at(quiet, asked), [sent(rule, SERIES) for rule in SHIPPED]
        await loud.fires(*firing)
        allowed = 0

        async def judge(matchers: dict[str, str]) -> None:
            nonlocal allowed
            try:
                await silence.plan(of(matchers), around)
            except (ValidationError, Unfit):
                return
            allowed += 1
            made = await loud.somebody_silences(matchers, "as an action would")
            muted = await loud.muted()
            await loud.somebody_expires(made)
            assert not [labels for labels in muted if untouchable(labels)]
            assert frozen(muted) == frozen(labels for labels in firing if covers(matchers, labels))

        loop = asyncio.get_running_loop()

        @settings(max_examples=60, deadline=None)
        @given(anything())
        def check(matchers: dict[str, str]) -> None:
            asyncio.run_coroutine_threadsafe(judge(matchers), loop).result(60)

        for rule in SHIPPED:
            await judge({"alertname": rule.name, "entity": "a"})
        assert 0 < allowed < len(SHIPPED)
        await asyncio.to_thread(check)


SERIES = dict.fromkeys(("entity", "parent", "exporter", "chain", "severity"), "a")


def asdict_of(rule: Rule) -> dict[str, Any]:
    return {"alert": rule.name, "expr": rule.query, "labels": dict(rule.labels)}


def frozen(labels: Iterable[Mapping[str, str]]) -> set[frozenset[tuple[str, str]]]:
    return {frozenset(each.items()) for each in labels}
