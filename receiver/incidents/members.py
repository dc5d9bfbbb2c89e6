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
    bindparam,
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

from .life import UNCLOSED, UNRESOLVED, Status
from .store import Incident

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
    connection.execute(_JOIN, {"incident_id": incident, "episode_id": episode, "joined_at": now})


def home_of(connection: Connection, alert: EpisodeRow) -> Incident | None:
    """The incident that is not closed and that the alert belongs to: of its place, or of an episode that became part of it."""
    there = connection.execute(_AT, {"here": place_of(alert)}).first()
    if there is None:
        there = connection.execute(_OF_A_PART, {"whole": alert.id}).first()
    return None if there is None else Incident.of(there._asdict())


def newest_of(connection: Connection, episode: int) -> Incident | None:
    """The incident that the episode joined last, closed or not."""
    mine = select(incidents).join(incident_episodes, incident_episodes.c.incident_id == incidents.c.id)
    order = incident_episodes.c.joined_at.desc(), incidents.c.id
    row = connection.execute(mine.where(incident_episodes.c.episode_id == episode).order_by(*order).limit(1)).first()
    return None if row is None else Incident.of(row._asdict())


def knows(connection: Connection, incident: str, name: str) -> bool:
    """Whether an alert of this name belongs to it already."""
    named = func.coalesce(episodes.c.labels["alertname"].as_string(), "") == name
    query = select(incident_episodes.c.episode_id).join(episodes, episodes.c.id == incident_episodes.c.episode_id)
    return (
        connection.execute(query.where(incident_episodes.c.incident_id == incident, named).limit(1)).first() is not None
    )


# Made once: in a storm of alerts, to make them anew is most of what an incident costs.
_JOIN = insert(incident_episodes)
_AT = select(incidents).where(incidents.c.place == bindparam("here"), unclosed)
_OF_A_PART = (
    select(incidents)
    .join(incident_episodes, incident_episodes.c.incident_id == incidents.c.id)
    .join(episodes, episodes.c.id == incident_episodes.c.episode_id)
    .where(episodes.c.merged_into == bindparam("whole"), unclosed)
    .limit(1)
)


# --- what is to be done -----------------------------------------------------------------------------------------------


def wanting(connection: Connection) -> list[int]:
    """Pages that want an incident: those that fire and are in none that is not closed; and those that have come since the cursor,
    ended already, and are in none at all. The oldest first.
    """
    pages = select(episodes.c.id).where(episodes.c.severity == Severity.PAGE, episodes.c.merged_into.is_(None))
    fires = pages.where(_FIRES, ~_IN_ONE)
    missed = pages.where(~_FIRES, episodes.c.id > cursor(connection), ~_EVER_IN_ONE)
    return sorted({*connection.scalars(fires), *connection.scalars(missed)})


def still_wanting(connection: Connection, among: Sequence[int]) -> list[EpisodeRow]:
    """Those of them that are in none by now, also if they have ended since."""
    return queries.matching(connection, (episodes.c.id.in_(among), ~_IN_ONE), (episodes.c.id,), len(among))


def began(connection: Connection, among: Sequence[int]) -> dict[int, int]:
    """Since when each of these fires, or when it began to for the last time: one that fires again soon is the same episode."""
    query = select(episodes.c.id, episodes.c.spans).where(episodes.c.id.in_(among))
    return {id_: _last_start(spans) for id_, spans in connection.execute(query)}


def _last_start(spans: Sequence[tuple[int, int | None]]) -> int:
    """`spans` are in order. Firings without an end between are one, whose `startsAt` moved."""
    ended = max((ends for _, ends in spans if ends is not None), default=0)
    return min((starts for starts, _ in spans if starts > ended), default=spans[-1][0])


_FIRES = episodes.c.ends_at.is_(None)
_EVER_IN_ONE = exists().where(incident_episodes.c.episode_id == episodes.c.id)
_IN_ONE = _EVER_IN_ONE.where(incident_episodes.c.incident_id == incidents.c.id, unclosed)


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
        .select_from(incidents)
        .join(incident_episodes, incident_episodes.c.incident_id == incidents.c.id)
        .join(episodes, episodes.c.id == incident_episodes.c.episode_id)
        .where(episodes.c.merged_into.is_not(None), incidents.c.status.in_(UNCLOSED), ~there)
        .distinct()
    )
    return [(incident, episode) for incident, episode in connection.execute(query)]


def turning(connection: Connection, now: int, *, asked: bool, among: Sequence[str] | None = None) -> list[Stand]:
    """Incidents of which their episodes say that they stand otherwise than is written, of all or of these; the oldest first.

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
    query = (
        counted.query()
        .where(incidents.c.status.in_(UNCLOSED))
        .having(turned)
        .order_by(incidents.c.opened_at, incidents.c.id)
    )
    if among is not None:
        query = query.where(incidents.c.id.in_(among))
    return [_stand(row) for row in connection.execute(query)]


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
    """Incidents that these conditions hold of, in this order, with how they stand. Only theirs are counted."""
    chosen = select(incidents.c.id).where(*conditions).order_by(*order).limit(limit)
    query = _Counted.of(now, asked=asked).query().where(incidents.c.id.in_(chosen)).order_by(*order)
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
