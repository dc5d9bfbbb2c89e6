"""What the parts of a receiver say of themselves. The health of a whole one is at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from receiver.api.operations import BASE
from receiver.audit.walk import Fault, Trouble
from receiver.clock import SECOND
from receiver.health import Condition, Finding, Health
from receiver.prometheus import Prometheus
from receiver.reach import WITHIN, Reach
from tests.receiver.api.conftest import Whole, whole
from tests.receiver.audit.conftest import held
from tests.receiver.audit.support import Held
from tests.receiver.audit.test_keeping import SLOW, Kept
from tests.receiver.conftest import Clock, Receiver
from tests.receiver.house import Told

__all__ = ("held", "whole")


def test_parts_are_asked_when_somebody_looks() -> None:
    health, says = Health(), ["it was not asked yet", "it answers"]
    health.watch("two", lambda: Finding(Condition.UNKNOWN, says.pop(0)))
    health.watch("one", lambda: Finding(Condition.WELL, "it is there", 1))
    assert health.findings() == {
        "one": Finding(Condition.WELL, "it is there", 1),
        "two": Finding(Condition.UNKNOWN, "it was not asked yet"),
    }
    assert health.findings()["two"].says == "it answers"


def test_a_part_that_is_gone_is_forgotten() -> None:
    health = Health()
    health.watch("one", lambda: Finding(Condition.WELL, "it is there"))
    health.watch("one", None)
    assert health.findings() == {}


# --- the audit --------------------------------------------------------------------------------------------------------


async def test_an_audit_that_was_looked_at_is_well_for_a_while(held: Held) -> None:
    kept = Kept(held, SLOW)
    assert kept.keeping.finding().condition is Condition.WELL
    kept.now += int(4 * SLOW.verify * SECOND)
    assert kept.keeping.finding().condition is Condition.ILL
    await kept.keeping.verify()
    assert kept.keeping.finding().condition is Condition.WELL


def test_an_audit_in_which_something_is_wrong_is_ill(held: Held) -> None:
    kept = Kept(held, SLOW, Trouble(Fault.GAP, 2, "record 2 is missing"))
    assert kept.keeping.finding().condition is Condition.ILL


async def test_records_must_be_covered_within_a_while(held: Held) -> None:
    kept = Kept(held, SLOW)
    assert kept.keeping.covered() == Finding(Condition.ILL, "no checkpoint covers what was recorded")
    kept.keeping.cover()
    await kept.keeping.verify()
    assert kept.keeping.covered().condition is Condition.WELL
    held.say(1)
    assert kept.keeping.covered().condition is Condition.WELL
    kept.now += int(4 * SLOW.checkpoint * SECOND)
    assert kept.keeping.covered().says == "the newest records are under none"
    assert kept.keeping.covered().condition is Condition.ILL


# --- Prometheus -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def asked() -> AsyncIterator[tuple[Told, Reach, Clock]]:
    """A Prometheus on the wire, which says what it is told, and who asks it."""
    clock = Clock()
    async with Told().serving() as told, aiohttp.ClientSession() as session:
        yield told, Reach(Prometheus(session, told.url), clock), clock


async def test_a_prometheus_that_answers_is_well(asked: tuple[Told, Reach, Clock]) -> None:
    told, reach, clock = asked
    assert reach.finding().condition is Condition.UNKNOWN
    await reach.ask()
    assert reach.finding() == Finding(Condition.WELL, "it answers", clock.now)
    told.answers = False
    await reach.ask()
    assert reach.finding() == Finding(Condition.ILL, "it gives no answer: HTTP 503", clock.now)
    told.answers = True
    await reach.ask()
    assert reach.finding().condition is Condition.WELL


async def test_an_answer_does_not_count_for_ever(asked: tuple[Told, Reach, Clock]) -> None:
    _, reach, clock = asked
    await reach.ask()
    clock.now += WITHIN + SECOND
    assert reach.finding().says == "nothing was heard of it for 1 min 1 s"
    assert reach.finding().condition is Condition.ILL


# --- whole receivers --------------------------------------------------------------------------------------------------


async def test_a_receiver_says_that_its_alertmanager_can_not_be_reached(receiver: Receiver) -> None:
    async with receiver.client.get(f"{BASE}/health") as response:
        answer = await response.json()
    conditions = {part["name"]: part["condition"] for part in answer["parts"]}
    assert conditions["database"] == "well"
    assert conditions["alertmanager"] in {"unknown", "ill"}
    assert answer["well"] is False
    assert "Not all of the receiver is well" in await receiver.get("/health")


async def test_a_receiver_with_people_says_how_its_parts_are(whole: Whole) -> None:
    headers = {"Authorization": f"Bearer {await whole.log_in('vic')}"}
    async with whole.client.get(f"{BASE}/health", headers=headers) as response:
        answer = await response.json()
    assert [part["name"] for part in answer["parts"]] == [
        "audit",
        "checkpoints",
        "clock",
        "database",
        "incidents",
        "prometheus",
    ]
    async with whole.client.get(f"{BASE}/health") as response:
        assert response.status == 401
