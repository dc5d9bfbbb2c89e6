"""What has happened about an alert, as marks in time: when it fired, what was done, and the turns of its incidents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from receiver import clock, queries, schema

from .values import Mark

MAX_EPISODES = 50
MAX_MARKS = 20
"""The newest ones are drawn."""

_STARTED, _ENDED = "started_at", "ended_at"
_TURNS = ("opened_at", "acknowledged_at", "mitigated_at", "resolved_at", "closed_at")


@dataclass(frozen=True, slots=True)
class History:
    """Of one alert: what it says of itself, and its times in Unix seconds; `fired` has no end where it fires now.

    `until` is the instant that its newest part ended at, infinite where that goes on.
    """

    fingerprint: str
    labels: Mapping[str, str]
    fired: tuple[tuple[float, float], ...]
    marks: tuple[Mark, ...]
    until: float


def of_alert(connection: Connection, fingerprint: str) -> History | None:
    """None where no such alert was heard of."""
    episodes = queries.of_alert(connection, fingerprint, MAX_EPISODES)
    if not episodes:
        return None
    ids = [episode.id for episode in episodes]
    marks = sorted([*_requests(connection, ids), *_incidents(connection, ids)], key=lambda mark: mark.at)
    fired = tuple((_seconds(each.starts_at), _end(each.ends_at)) for each in episodes)
    return History(fingerprint, episodes[0].labels, fired, tuple(marks), max(end for _, end in fired))


def of_request(connection: Connection, request: str) -> History | None:
    """That of the alert which the request answers; None where it answers none."""
    asked = (
        select(schema.episodes.c.fingerprint)
        .join(schema.requests, schema.requests.c.episode_id == schema.episodes.c.id)
        .where(schema.requests.c.id == request)
    )
    fingerprint = connection.execute(asked).scalar()
    return None if fingerprint is None else of_alert(connection, fingerprint)


def _requests(connection: Connection, episodes: list[int]) -> Iterator[Mark]:
    table = schema.requests
    asked = select(table).where(table.c.episode_id.in_(episodes)).order_by(table.c.created_at.desc()).limit(MAX_MARKS)
    for row in connection.execute(asked).mappings():
        if row[_STARTED] is not None:
            yield Mark(_seconds(row[_STARTED]), f"{row['action']} started, for {row['person']}")
        if row[_ENDED] is not None:
            yield Mark(_seconds(row[_ENDED]), f"{row['action']}: {row['state']}")


def _incidents(connection: Connection, episodes: list[int]) -> Iterator[Mark]:
    of_these = select(schema.incident_episodes.c.incident_id).where(schema.incident_episodes.c.episode_id.in_(episodes))
    table = schema.incidents
    asked = select(table).where(table.c.id.in_(of_these)).order_by(table.c.opened_at.desc()).limit(MAX_MARKS)
    for row in connection.execute(asked).mappings():
        for turn in _TURNS:
            if row[turn] is not None:
                yield Mark(_seconds(row[turn]), f"incident {turn.removesuffix('_at')}")


def _seconds(instant: int) -> float:
    return instant / clock.SECOND


def _end(instant: int | None) -> float:
    return float("inf") if instant is None else _seconds(instant)
