"""How things stand now: what fires, and one alert. Whoever reaches a receiver without a policy may read it."""

from __future__ import annotations

from functools import partial

from sqlalchemy import Connection

from receiver import queries
from receiver.clock import rfc3339
from receiver.incidents import members
from receiver.incidents.store import Incident
from receiver.queries import EpisodeRow
from receiver.why import Why

from .errors import Failure
from .operations import AnyOperation, Call, Nothing, Operation
from .records import episode_of, read
from .standing_shapes import Alert, AlertAsked, Incomplete, Now, NowAsked

MAX_GROUPS = 10


async def now(call: Call[Nothing, NowAsked]) -> Now:
    limit = call.query.limit

    def seen(connection: Connection) -> Now:
        standing = queries.how_things_stand(connection)
        last = standing.last_notification
        return Now(
            active={severity.value: count for severity, count in standing.active.items()},
            last_notification=None if last is None else rfc3339(last),
            firing=tuple(map(episode_of, queries.firing(connection, limit))),
            incomplete=tuple(map(_incomplete, queries.incomplete(connection, MAX_GROUPS))),
        )

    return await read(call, seen)


def _incomplete(found: queries.IncompleteGroup) -> Incomplete:
    return Incomplete(source=found.source, group=found.key, truncated=found.truncated, at=rfc3339(found.received_at))


async def alert(call: Call[Nothing, AlertAsked]) -> Alert:
    fingerprint = call.path["fingerprint"]
    rows, incident = await read(call, partial(_alert, fingerprint=fingerprint, limit=call.query.limit))
    if not rows:
        raise Failure(Why.NOT_FOUND, "no alert with this fingerprint has arrived")
    return Alert(
        fingerprint=fingerprint,
        incident=incident.id if incident else None,
        incident_status=incident.status if incident else None,
        commander=incident.commander if incident else None,
        episodes=tuple(map(episode_of, rows)),
    )


def _alert(connection: Connection, *, fingerprint: str, limit: int) -> tuple[list[EpisodeRow], Incident | None]:
    """Its episodes, and the newest incident that the first of them belongs to."""
    rows = queries.of_alert(connection, fingerprint, limit)
    return rows, members.newest_of(connection, rows[0].id) if rows else None


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation("now", "GET", "/now", "What fires, the gravest first", now, Now, asks=NowAsked, open=True),
    Operation("alert", "GET", "/alerts/{fingerprint}", "One alert, with its episodes", alert, Alert, asks=AlertAsked,
              open=True),
)  # fmt: skip
