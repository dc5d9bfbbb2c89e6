"""What is recorded against acting on an alert. Reads, within a transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlalchemy import Connection, func, select

from receiver import freezes
from receiver.audit.seal import Audit
from receiver.clock import SECOND
from receiver.families import Severity
from receiver.freezes import Freeze
from receiver.life import ENDED, State
from receiver.policy import OURSELVES, Storm
from receiver.requests import Request
from receiver.rulebook import Rulebook
from receiver.schema import episodes, incomplete_groups, requests, standing
from receiver.store import ALERTMANAGER, RECEIVER, unreadable
from receiver.underway import Work, work_if_known
from receiver.why import Why

from . import guards
from .facts import Candidate, family
from .guards import Scene


@dataclass(frozen=True, slots=True)
class Hour:
    """What is known beside the database: the time, for how long this process has run, and what stops it from outside."""

    now: int
    running: int
    outside: str | None
    jumped: bool


@dataclass(frozen=True, slots=True)
class Around:
    """What is the same for every alert: how many page alerts came lately, whether some may be missing, what is frozen, and what
    people have under way; of what can not be read as it was planned, the work is None.
    """

    hour: Hour
    alerts: int
    incomplete: bool
    freezes: tuple[Freeze, ...]
    people: tuple[tuple[Request, Work | None], ...]


def around(connection: Connection, audit: Audit, book: Rulebook, hour: Hour) -> Around:
    """Raises Forged where a freeze, or what a person asked for, is not what was recorded."""
    within = _within(book.policy.automation.storm)
    return Around(
        hour=hour,
        alerts=_pages(connection, hour.now - within, hour.now),
        incomplete=_incomplete(connection),
        freezes=freezes.standing(connection, audit),
        people=tuple((each, work_if_known(connection, book.catalogue, each)) for each in _open(connection, audit)),
    )


def objection(connection: Connection, candidate: Candidate, seen: Around) -> Why | None:
    """The first thing that is recorded against acting on the alert.

    What is the same for all alerts comes first, so that in a storm no more is asked for each of them.
    """
    bounds, conditions = candidate.book.policy.automation, candidate.action.automation
    scene = Scene(
        now=seen.hour.now,
        running=seen.hour.running,
        firing_since=candidate.firing_since,
        domain=candidate.episode.label("domain"),
        alerts=seen.alerts,
        incomplete=seen.incomplete,
        frozen=_frozen(candidate, seen),
        jumped=seen.hour.jumped,
        acts=False,
    )
    if why := guards.objection(scene, bounds, conditions):
        return why
    alerts, acts = _alerts(connection, candidate), _person_acts(connection, candidate, seen.people)
    return guards.objection(replace(scene, alerts=alerts, acts=acts), bounds, conditions)


def _frozen(candidate: Candidate, seen: Around) -> bool:
    """Whether anything is frozen that it touches: also where a freeze would not stop a person."""
    if seen.hour.outside is not None:
        return True
    return bool(seen.freezes) and freezes.stop(seen.freezes, candidate.action.name, candidate.keys) is not None


def _incomplete(connection: Connection) -> bool:
    """Whether a sender left alerts out, or a notification could not be read, which is an alert of the receiver's own."""
    ours = (episodes.c.source == RECEIVER) & (episodes.c.fingerprint == unreadable(ALERTMANAGER))
    unread = select(episodes.c.id).where(standing, ours)
    found = (select(incomplete_groups.c.id).limit(1), unread.limit(1))
    return any(connection.execute(query).first() is not None for query in found)


def _alerts(connection: Connection, candidate: Candidate) -> int:
    """How many page alerts came within the storm's length before the alert, or after it."""
    within, came = _within(candidate.book.policy.automation.storm), candidate.heard_at
    return max(_pages(connection, came - within, came), _pages(connection, came, came + within))


def _within(storm: Storm) -> int:
    return int(storm.within * SECOND)


def _pages(connection: Connection, since: int, until: int) -> int:
    """How many page alerts began to fire between two instants, or fired again."""
    new = episodes.c.fired_at.between(since, until)
    query = select(func.count()).where(
        episodes.c.severity == Severity.PAGE.value, episodes.c.merged_into.is_(None), new
    )
    return connection.execute(query).scalar_one()


def _open(connection: Connection, audit: Audit) -> list[Request]:
    """What people have asked for, or planned, and what has not ended."""
    going_on = requests.c.state.in_([state.value for state in State if state not in ENDED])
    query = select(requests.c.id).where(going_on, requests.c.person != OURSELVES)
    rows = [audit.read(connection, requests, id_) for id_ in connection.execute(query).scalars().all()]
    return [Request.of(row) for row in rows if row is not None]


def _person_acts(connection: Connection, candidate: Candidate, people: Iterable[tuple[Request, Work | None]]) -> bool:
    """Whether a person acts on the alert, or on what the action touches, or has acted on the alert: then it is theirs."""
    mine, keys = family(connection, candidate.episode.id), candidate.keys
    if any(each.episode_id in mine or work is None or not keys.isdisjoint(work.keys) for each, work in people):
        return True
    started = requests.c.started_at.is_not(None) & requests.c.episode_id.in_(mine)
    query = select(requests.c.id).where(started, requests.c.person != OURSELVES).limit(1)
    return connection.execute(query).first() is not None
