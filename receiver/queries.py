"""What is read from the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, func, select

from .families import Severity
from .schema import deliveries, episodes, incomplete_groups, sights, standing


class Status(StrEnum):
    """Whether an episode goes on."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand: how many episodes fire, by severity, and when a notification last came, if ever."""

    active: Mapping[Severity, int]
    last_notification: int | None


@dataclass(frozen=True, slots=True)
class EpisodeRow:
    """An episode as it is shown."""

    id: int
    source: str
    fingerprint: str
    severity: str
    starts_at: int
    ends_at: int | None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    generator_url: str
    received_at: int
    updated_at: int
    sight: str | None = None
    """Of an end: `kept` where it is a recovery, `lost` where it only was not seen any more, None while nobody knows."""

    @property
    def status(self) -> Status:
        return Status.FIRING if self.ends_at is None else Status.RESOLVED

    @property
    def alertname(self) -> str:
        return self.label("alertname")

    def label(self, name: str) -> str:
        """Empty where it has none."""
        return self.labels.get(name, "")

    def says(self, annotation: str) -> str:
        """Empty where it says nothing."""
        return self.annotations.get(annotation, "")


@dataclass(frozen=True, slots=True)
class IncompleteGroup:
    """A group of alerts that its sender left some out of."""

    source: str
    key: str
    truncated: int
    received_at: int


_COLUMNS = (*(episodes.c[name] for name in EpisodeRow.__dataclass_fields__ if name != "sight"), sights.c.sight)
_IS = {Status.FIRING: episodes.c.ends_at.is_(None), Status.RESOLVED: episodes.c.ends_at.is_not(None)}
_RANK = case({severity.value: rank for rank, severity in enumerate(Severity)}, value=episodes.c.severity)


def how_things_stand(connection: Connection) -> Standing:
    counted = select(episodes.c.severity, func.count()).where(standing).group_by(episodes.c.severity)
    active = {Severity(severity): count for severity, count in connection.execute(counted)}
    last = connection.execute(select(func.max(deliveries.c.received_at))).scalar_one()
    return Standing({severity: active.get(severity, 0) for severity in Severity}, last)


def firing(connection: Connection, limit: int) -> list[EpisodeRow]:
    """What fires, the gravest first, then the newest."""
    ranked = _visible().where(_IS[Status.FIRING]).order_by(_RANK, *_newest()).limit(limit)
    return [_row(row) for row in connection.execute(ranked)]


def newest(connection: Connection, limit: int, status: Status | None = None) -> list[EpisodeRow]:
    """Episodes from the newest, of one status or of both."""
    query = _visible().order_by(*_newest()).limit(limit)
    if status is not None:
        query = query.where(_IS[status])
    return [_row(row) for row in connection.execute(query)]


def of_alert(connection: Connection, fingerprint: str, limit: int) -> list[EpisodeRow]:
    """The episodes of one alert, what fires first, then the newest."""
    query = _visible().where(episodes.c.fingerprint == fingerprint)
    ordered = query.order_by(_IS[Status.RESOLVED], *_newest()).limit(limit)
    return [_row(row) for row in connection.execute(ordered)]


def episode(connection: Connection, number: int) -> EpisodeRow | None:
    """One episode by its number."""
    row = connection.execute(_visible().where(episodes.c.id == number)).first()
    return None if row is None else _row(row)


def matching(
    connection: Connection, conditions: Iterable[ColumnElement[bool]], order: Iterable[Any], limit: int
) -> list[EpisodeRow]:
    """Episodes that these conditions hold of, in this order."""
    query = _visible().where(*conditions).order_by(*order).limit(limit)
    return [_row(row) for row in connection.execute(query)]


def incomplete(connection: Connection, limit: int) -> list[IncompleteGroup]:
    """Groups that are not whole, the latest first."""
    group = incomplete_groups
    query = (
        select(group.c.source, group.c.key, group.c.truncated, deliveries.c.received_at)
        .join(deliveries, deliveries.c.id == group.c.delivery_id)
        .order_by(deliveries.c.received_at.desc(), group.c.id)
        .limit(limit)
    )
    return [IncompleteGroup(*row) for row in connection.execute(query)]


def _visible() -> Select[Any]:
    of_its_end = and_(sights.c.episode_id == episodes.c.id, sights.c.ended_at == episodes.c.ends_at)
    return select(*_COLUMNS).outerjoin(sights, of_its_end).where(episodes.c.merged_into.is_(None))


def _newest() -> tuple[Any, ...]:
    return episodes.c.starts_at.desc(), episodes.c.id.desc()


def _row(row: Row[Any]) -> EpisodeRow:
    return EpisodeRow(**row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name for it
