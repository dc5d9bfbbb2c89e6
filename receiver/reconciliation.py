"""What the notifications did not tell: the receiver compares what it believes with what Alertmanager holds.

- An alert that is active there and does not fire here was lost on the way: it is taken in. It must have been there in two
  pulls, since its notification may be under way; where a group came truncated or a notification could not be read, one will
  do.
- One that fires here and is not there at all has ended without our hearing of it, as under a silence. It must have been gone
  for ABSENT, which is longer than Prometheus takes to tell a new Alertmanager what fires.
- A silence that covers a page, and is not of our making, pages.
- An alert that resolved because its series vanished has not recovered: sight of its entity was lost. Prometheus tells.

What is taken in here goes the way of every notification, as a message of our own that is kept beside theirs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, Row, and_, delete, insert, select

from occ.errors import SourceError

from . import outbox
from .alertmanager import Alertmanager, Held, Silence
from .audit.seal import Audit
from .clock import SECOND, rfc3339
from .families import Severity, Taken
from .health import Condition, Finding
from .meters import Meters
from .ours import made_here
from .outbox import Notice
from .prometheus import Prometheus
from .queries import Standing
from .schema import episodes, sights, standing
from .sight import Sight, seen
from .store import ALERTMANAGER, Delivery, record
from .webhook import VERSION, Unreadable, instant
from .writer import NotDurable, Writer

log = logging.getLogger(__name__)

INTERVAL = 15.0
"""Seconds between two pulls, unless something asks for one."""

AGAIN = 5.0
"""Seconds until the next one where an alert is not known here: by then its notification has come, or is lost."""

PAUSE = 1.0
"""Seconds between two pulls at least, however much asks for one."""

ABSENT = 300 * SECOND
"""For how long an alert must be gone before it has ended."""

LATE = 120 * SECOND
"""So long after the last pull that went well something is wrong."""

MOST_AT_ONCE = 1_000
"""Alerts in one message of ours."""

SIGHT_WITHIN = 3_600 * SECOND
"""How long after the end of an alert it is still worth asking whether sight was lost."""

OURS = "reconciliation"


@dataclass(slots=True)
class Memory:
    """What the pulls before have seen: alerts that were not known here, and when those that fire here were first missed."""

    unknown: frozenset[str] = frozenset()
    missing: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pull:
    """What Alertmanager said, and when it was asked."""

    at: int
    held: tuple[Held, ...]
    silences: tuple[Silence, ...]
    hurry: bool
    receiver: str
    """As which this one stands in Alertmanager's configuration: what is not routed to it was not to be heard here."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An episode that ended, by its id, the instant of its end, and its labels."""

    id: int
    at: int
    labels: Mapping[str, str] = field(compare=False)


class Reconciliation:
    """Pulls until it is cancelled. `wake` asks for a pull now; `hurry` that one look is enough for what is unknown."""

    def __init__(
        self,
        *,
        alertmanager: Alertmanager,
        prometheus: Prometheus | None,
        reading: Engine,
        writer: Writer[Standing],
        meters: Meters,
        now: Callable[[], int],
        receiver: str,
        audit: Audit | None = None,
    ) -> None:
        self._alertmanager = alertmanager
        self._prometheus = prometheus
        self._reading = reading
        self._writer = writer
        self._meters = meters
        self._now = now
        self._receiver = receiver
        self._audit = audit
        self._memory = Memory()
        self._woken = asyncio.Event()
        self._hurry = False
        self._complaint = ""
        self._compared: int | None = None

    def finding(self) -> Finding:
        """Whether what fires here was compared with what Alertmanager holds, lately and without a complaint."""
        if self._complaint:
            return Finding(
                Condition.ILL, f"what it holds can not be compared with what is here: {self._complaint}", self._compared
            )
        if self._compared is None:
            return Finding(Condition.UNKNOWN, "it was not asked yet")
        if self._now() - self._compared > LATE:
            return Finding(
                Condition.ILL, "what it holds was not compared with what is here for too long", self._compared
            )
        return Finding(Condition.WELL, "what it holds is what is here", self._compared)

    def wake(self, *, hurry: bool = False) -> None:
        self._hurry |= hurry
        self._woken.set()

    async def run(self) -> None:
        while True:
            self._woken.clear()
            said = await self._tried()
            if said != self._complaint and said:
                log.warning("alerts can not be compared with Alertmanager's: %s", said)
            self._complaint = said
            await self._rest()

    async def _tried(self) -> str:
        """What went wrong, if anything did; then all that was to be done is still to be done."""
        hurry, self._hurry = self._hurry, False
        try:
            await self.compare(hurry=hurry)
        except (SourceError, NotDurable) as error:
            self._hurry |= hurry
            return str(error)
        return ""

    async def _rest(self) -> None:
        await asyncio.sleep(PAUSE)
        try:
            async with asyncio.timeout(AGAIN if self._memory.unknown else INTERVAL):
                await self._woken.wait()
        except TimeoutError:
            return

    async def compare(self, *, hurry: bool = False) -> None:
        """One pull, and what follows from it. Raises SourceError or NotDurable."""
        at = self._now()
        held = await self._alertmanager.alerts()
        pull = Pull(at, held, await self._alertmanager.silences(), hurry, self._receiver)
        memory, taken = await self._writer.run(
            lambda connection: reconcile(connection, pull, self._memory, self._now(), self._audit)
        )
        self._memory = memory
        self._meters.alerts(taken)
        self._compared = self._now()
        self._meters.reconciled(self._compared)
        if self._prometheus is not None:
            await self._look(self._prometheus)

    async def _look(self, prometheus: Prometheus) -> None:
        """Asks of every alert that ended lately whether sight of its entity was lost."""
        ended_ones = await asyncio.to_thread(self._unasked)
        found = {ended: await seen(prometheus, ended.labels) for ended in ended_ones}
        if found:
            await self._writer.run(lambda connection: note_sights(connection, found, self._now()))

    def _unasked(self) -> list[Ended]:
        with self._reading.begin() as connection:
            return unasked(connection, self._now())


# --- within a transaction --------------------------------------------------------------------------------------------


def reconcile(
    connection: Connection, pull: Pull, before: Memory, now: int, audit: Audit | None = None
) -> tuple[Memory, Mapping[Taken, int]]:
    """Takes in what was lost, as far as it is sure by now; what the next pull must remember, and what was changed.

    Without an `audit` nobody can act, so that no silence is of our making.
    """
    firing = {row.fingerprint: row for row in connection.execute(_FIRING)}
    there = {held.fingerprint for held in pull.held}
    ours = [held for held in pull.held if held.active and pull.receiver in held.receivers]
    unknown = [held for held in ours if held.fingerprint not in firing]
    sure = [held for held in unknown if pull.hurry or held.fingerprint in before.unknown]
    missing = {name: _missed(row, before, pull.at) for name, row in firing.items() if name not in there}
    gone = [firing[fingerprint] for fingerprint, since in missing.items() if since <= pull.at - ABSENT]
    items = [_lost_start(connection, held, pull.at) for held in sure]
    items += [_lost_end(row, missing[row.fingerprint]) for row in gone]
    taken = _take(connection, [item for item in items if item is not None], now)
    for silence in pull.silences:
        covered = _pages_under(silence, pull.held)
        if covered and not (audit and made_here(connection, audit, silence)):
            _tell_of(connection, silence, covered, now)
    return Memory(frozenset(held.fingerprint for held in unknown), missing), taken


_FIRING = select(episodes).where(episodes.c.source == ALERTMANAGER, standing)


def _missed(row: Row[Any], before: Memory, at: int) -> int:
    """Since when the alert is missed: anew where something was heard of it meanwhile."""
    since = before.missing.get(row.fingerprint, at)
    return since if row.updated_at < since else at


def _lost_start(connection: Connection, held: Held, at: int) -> Mapping[str, object] | None:
    """As a notification would have said it. Where an end is known after its start it fires again, since `at` at the latest.

    None where something was heard of it after it had been asked for.
    """
    latest = (
        select(episodes.c.ends_at, episodes.c.updated_at)
        .where(episodes.c.source == ALERTMANAGER, episodes.c.fingerprint == held.fingerprint)
        .order_by(episodes.c.updated_at.desc())
        .limit(1)
    )
    row = connection.execute(latest).first()
    if row is not None and row.updated_at >= at:
        return None
    try:
        again = row is not None and (row.ends_at or 0) >= instant(held.item, "startsAt", at)
    except Unreadable:  # said of the whole of it, where it is taken in
        again = False
    return {**held.item, "status": "firing", **({"startsAt": rfc3339(at)} if again else {})}


def _lost_end(row: Row[Any], since: int) -> Mapping[str, object]:
    times = {"startsAt": rfc3339(row.starts_at), "endsAt": rfc3339(max(since, row.starts_at))}
    texts = {"labels": row.labels, "annotations": row.annotations, "generatorURL": row.generator_url}
    return {"status": "resolved", **texts, **times}


def _take(connection: Connection, items: list[Mapping[str, object]], now: int) -> Mapping[Taken, int]:
    taken: dict[Taken, int] = {}
    for start in range(0, len(items), MOST_AT_ONCE):
        message = {"version": VERSION, "receiver": OURS, "alerts": items[start : start + MOST_AT_ONCE]}
        outcome = record(connection, Delivery(ALERTMANAGER, now, orjson.dumps(message)))
        for change, number in outcome.taken.items():
            taken[change] = taken.get(change, 0) + number
    return taken


def _pages_under(silence: Silence, held: Iterable[Held]) -> list[str]:
    """Names of the page alerts that it hides."""
    return sorted({one.alertname for one in held if silence.id in one.silenced_by and one.severity == Severity.PAGE})


def _tell_of(connection: Connection, silence: Silence, covered: list[str], now: int) -> None:
    text = {
        "summary": f"A silence hides {', '.join(covered[:5])}{' and more' if len(covered) > 5 else ''}",  # noqa: PLR2004
        "description": f"Silence {silence.id} by {silence.created_by or 'nobody named'} until {silence.ends_at}: "
        f"{silence.comment or 'no comment'}",
        "first_action": "Ask whoever made it. Expire it in Alertmanager unless it is meant.",
    }
    outbox.put(connection, Notice.FOREIGN_SILENCE, f"silence/{silence.id}", text, now=now, once=True)


def unasked(connection: Connection, now: int) -> list[Ended]:
    """Episodes that ended lately, and of whose end it is not known whether sight was lost."""
    answered = sights.c.ended_at == episodes.c.ends_at
    query = (
        select(episodes.c.id, episodes.c.ends_at, episodes.c.labels)
        .outerjoin(sights, and_(sights.c.episode_id == episodes.c.id, answered))
        .where(
            episodes.c.source == ALERTMANAGER,
            episodes.c.merged_into.is_(None),
            episodes.c.ends_at.is_not(None),
            episodes.c.updated_at >= now - SIGHT_WITHIN,
            sights.c.episode_id.is_(None),
        )
        .limit(MOST_AT_ONCE)
    )
    return [Ended(*row) for row in connection.execute(query)]


def note_sights(connection: Connection, found: Mapping[Ended, Sight], now: int) -> None:
    for ended, sight in found.items():
        connection.execute(delete(sights).where(sights.c.episode_id == ended.id))
        row = {"episode_id": ended.id, "ended_at": ended.at, "sight": sight, "asked_at": now}
        connection.execute(insert(sights).values(**row))
