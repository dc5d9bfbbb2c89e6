"""The episodes of incidents: which want one, which belong to it, and what they say of how it stands."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    exists,
    false,
    func,
    insert,
    or_,
    select,
    update,
)

from receiver import queries
from receiver.families import Severity
from receiver.queries import EpisodeRow
from receiver.reconciliation import SIGHT_WITHIN
from receiver.schema import episodes, incident_cursor, incident_episodes, incidents, sights, unclosed
from receiver.sight import Sight
from receiver.store import ALERTMANAGER

from .life import UNRESOLVED, Status
from .store import Incident

AT_ONCE = 100
"""Episodes that are taken in one transaction: notifications wait for it."""

FAR = 1_000
"""So far behind the newest episode may the cursor be before it alone is a reason to write."""

ALONE = "security"
"""The domain of which each episode has an incident of its own: two findings in one place are two attacks until proven one."""


@dataclass(frozen=True, slots=True)
class Stand:
    """How an incident stands by its episodes: how many there are, how many fire, of how many that ended it is known that sight
    was lost, and of how many it is still to be asked.
    """

    incident: Incident
    alerts: int = 0
    firing: int = 0
    lost: int = 0
    unknown: int = 0

    @property
    def over(self) -> bool:
        """Whether all of them have recovered, as far as anybody can know."""
        return self.alerts > 0 and not (self.firing or self.lost or self.unknown)

    @property
    def out_of_sight(self) -> bool:
        """Whether nothing fires, only because something can not be seen."""
        return self.lost > 0 and not (self.firing or self.unknown)


# --- what belongs together --------------------------------------------------------------------------------------------


def place_of(alert: EpisodeRow) -> str:
    """What an incident about the alert is about: its domain and entity; where it has no entity its name stands for that."""
    if alert.label("domain") == ALONE:
        return _digest("episode", str(alert.id))
    return _digest("place", alert.label("domain"), alert.label("entity") or f"\0{alert.alertname}")


def own_place(incident: str) -> str:
    """Of an incident that is about no alert."""
    return _digest("incident", incident)


def _digest(*parts: str) -> str:
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()


def join(connection: Connection, incident: str, episode: int, now: int) -> None:
    row = {"incident_id": incident, "episode_id": episode, "joined_at": now}
    connection.execute(insert(incident_episodes).values(**row))


def home_of(connection: Connection, alert: EpisodeRow) -> Incident | None:
    """The incident that is not closed and that the alert belongs to: of its place, or of an episode that became part of it."""
    there = connection.execute(select(incidents).where(incidents.c.place == place_of(alert), unclosed)).first()
    if there is None:
        absorbed = _members().where(episodes.c.merged_into == alert.id, unclosed).limit(1)
        there = connection.execute(absorbed).first()
    return None if there is None else Incident.of(there._asdict())


def knows(connection: Connection, incident: str, name: str) -> bool:
    """Whether an alert of this name belongs to it already."""
    named = episodes.c.labels["alertname"].as_string() == name
    query = select(incident_episodes.c.episode_id).join(episodes, episodes.c.id == incident_episodes.c.episode_id)
    return (
        connection.execute(query.where(incident_episodes.c.incident_id == incident, named).limit(1)).first() is not None
    )


def _members() -> Select[Any]:
    mine = incident_episodes.c.incident_id == incidents.c.id
    return (
        select(incidents).join(incident_episodes, mine).join(episodes, episodes.c.id == incident_episodes.c.episode_id)
    )


# --- what is to be done -----------------------------------------------------------------------------------------------


def wanting(connection: Connection) -> list[EpisodeRow]:
    """Pages that want an incident: those that fire and are in none that is not closed; and those that have come since the cursor,
    ended already, and are in none at all. The oldest first, AT_ONCE at most.
    """
    member = incident_episodes.c.episode_id == episodes.c.id
    in_one = exists().where(member, incident_episodes.c.incident_id == incidents.c.id, unclosed)
    fires = _some(episodes.c.ends_at.is_(None), ~in_one)
    missed = _some(episodes.c.ends_at.is_not(None), episodes.c.id > cursor(connection), ~exists().where(member))
    found = [*queries.matching(connection, fires, (episodes.c.id,), AT_ONCE)]
    found += queries.matching(connection, missed, (episodes.c.id,), AT_ONCE)
    return sorted(found, key=lambda alert: alert.id)[:AT_ONCE]


def _some(*conditions: ColumnElement[bool]) -> tuple[ColumnElement[bool], ...]:
    return (episodes.c.severity == Severity.PAGE, *conditions)


def cursor(connection: Connection) -> int:
    return connection.execute(select(func.max(incident_cursor.c.episode_id))).scalar() or 0


def newest(connection: Connection) -> int:
    """The number of the newest episode; 0 where there is none."""
    return connection.execute(select(func.max(episodes.c.id))).scalar() or 0


def advance(connection: Connection, to: int) -> None:
    """Remembers that every episode up to this one, if it has ended, was looked at."""
    if connection.execute(update(incident_cursor).values(episode_id=to)).rowcount == 0:
        connection.execute(insert(incident_cursor).values(episode_id=to))


def absorbed(connection: Connection) -> Sequence[tuple[str, int]]:
    """Incidents that are not closed, each with an episode that one of theirs has become part of, and that is not theirs yet."""
    mine = incident_episodes.alias("mine")
    there = exists().where(
        mine.c.incident_id == incident_episodes.c.incident_id, mine.c.episode_id == episodes.c.merged_into
    )
    query = (
        select(incident_episodes.c.incident_id, episodes.c.merged_into)
        .join(episodes, episodes.c.id == incident_episodes.c.episode_id)
        .join(incidents, incidents.c.id == incident_episodes.c.incident_id)
        .where(episodes.c.merged_into.is_not(None), unclosed, ~there)
        .distinct()
        .limit(AT_ONCE)
    )
    return [(incident, episode) for incident, episode in connection.execute(query)]


def turning(connection: Connection, now: int, *, asked: bool) -> list[Stand]:
    """Incidents of which their episodes say that they stand otherwise than is written; the oldest first, AT_ONCE at most.

    `asked`: whether it is asked of every end that comes if sight was lost.
    """
    counted = _Counted.of(now, asked=asked)
    goes_on = incidents.c.status.in_(UNRESOLVED)
    ended = and_(counted.alerts > 0, counted.firing == 0, counted.unknown == 0)
    turned = or_(
        and_(goes_on, ended, or_(counted.lost == 0, incidents.c.sight_lost.is_(False))),
        and_(goes_on, incidents.c.sight_lost, counted.firing > 0),
        and_(incidents.c.status == Status.RESOLVED, counted.firing > 0),
    )
    query = counted.query().where(unclosed).having(turned).order_by(incidents.c.opened_at, incidents.c.id)
    return [_stand(row) for row in connection.execute(query.limit(AT_ONCE))]


# --- how they stand ---------------------------------------------------------------------------------------------------


def stands(
    connection: Connection,
    conditions: Sequence[ColumnElement[bool]],
    order: Sequence[Any],
    limit: int,
    now: int,
    *,
    asked: bool,
) -> list[Stand]:
    """Incidents that these conditions hold of, in this order, with how they stand."""
    query = _Counted.of(now, asked=asked).query().where(*conditions).order_by(*order).limit(limit)
    return [_stand(row) for row in connection.execute(query)]


def alerts_of(connection: Connection, incident: str, limit: int) -> list[EpisodeRow]:
    """What fires first, then the newest."""
    mine = episodes.c.id.in_(select(incident_episodes.c.episode_id).filter_by(incident_id=incident))
    order = (episodes.c.ends_at.is_not(None), episodes.c.starts_at.desc(), episodes.c.id.desc())
    return queries.matching(connection, (mine,), order, limit)


@dataclass(frozen=True, slots=True)
class _Counted:
    """The counts of an incident's episodes, as SQL. Of an end that nobody will ask about any more sight was lost, too."""

    alerts: ColumnElement[int]
    firing: ColumnElement[int]
    lost: ColumnElement[int]
    unknown: ColumnElement[int]

    @classmethod
    def of(cls, now: int, *, asked: bool) -> _Counted:
        shown = episodes.c.merged_into.is_(None)
        silent = and_(
            shown, episodes.c.ends_at.is_not(None), episodes.c.source == ALERTMANAGER, sights.c.sight.is_(None)
        )
        known = now - SIGHT_WITHIN if asked else None
        waits = false() if known is None else and_(silent, episodes.c.updated_at >= known)
        gone = false() if known is None else and_(silent, episodes.c.updated_at < known)
        return cls(
            alerts=_number(and_(shown, episodes.c.id.is_not(None))),
            firing=_number(and_(shown, episodes.c.id.is_not(None), episodes.c.ends_at.is_(None))),
            lost=_number(or_(and_(shown, sights.c.sight == Sight.LOST), gone)),
            unknown=_number(waits),
        )

    def query(self) -> Select[Any]:
        counts = [getattr(self, name).label(name) for name in _COUNTS]
        of_its_end = and_(sights.c.episode_id == episodes.c.id, sights.c.ended_at == episodes.c.ends_at)
        return (
            select(incidents, *counts)
            .outerjoin(incident_episodes, incident_episodes.c.incident_id == incidents.c.id)
            .outerjoin(episodes, episodes.c.id == incident_episodes.c.episode_id)
            .outerjoin(sights, of_its_end)
            .group_by(incidents.c.id)
        )


_COUNTS = ("alerts", "firing", "lost", "unknown")


def _number(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """Of how many rows of the group it holds."""
    return func.count(case((condition, 1)))


def _stand(row: Row[Any]) -> Stand:
    values = row._asdict()
    return Stand(Incident.of(values), **{name: values[name] for name in _COUNTS})
