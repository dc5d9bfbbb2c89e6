"""How things stand now: what fires, and one alert. Whoever reaches a receiver without a policy may read it."""

from __future__ import annotations

from sqlalchemy import Connection

from receiver import queries
from receiver.clock import rfc3339
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
    rows = await read(call, lambda connection: queries.of_alert(connection, fingerprint, call.query.limit))
    if not rows:
        raise Failure(Why.NOT_FOUND, "no alert with this fingerprint has arrived")
    return Alert(fingerprint=fingerprint, episodes=tuple(map(episode_of, rows)))


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation("now", "GET", "/now", "What fires, the gravest first", now, Now, asks=NowAsked, open=True),
    Operation("alert", "GET", "/alerts/{fingerprint}", "One alert, with its episodes", alert, Alert, asks=AlertAsked,
              open=True),
)  # fmt: skip
