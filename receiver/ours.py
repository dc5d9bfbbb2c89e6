"""Whether a silence in Alertmanager is of this receiver's making.

Its comment names an effect, and anybody can write that. So the effect must be of a genuine request that came to this step and
was not refused there; the plan must say these very matchers; and the silence must not last longer than it was to.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, select

from . import schema, silencing
from .actions import Applied
from .alertmanager import Silence
from .audit.chain import parse
from .audit.seal import Audit, Forged
from .clock import SECOND
from .requests import Request
from .underway import key_of

log = logging.getLogger(__name__)

SLACK = 600 * SECOND
"""So much later than by the sealed times it may end: an effect has its deadline, and Alertmanager's clock may be ahead."""


def made_here(connection: Connection, audit: Audit, silence: Silence) -> bool:
    """Whether one of the effects that its comment names has made it."""
    return any(_made_by(connection, audit, silence, key) for key in silencing.keys_in(silence.comment))


def _made_by(connection: Connection, audit: Audit, silence: Silence, key: str) -> bool:
    query = select(schema.effects.c.request_id, schema.effects.c.step).filter_by(idempotency_key=key)
    if (row := connection.execute(query).one_or_none()) is None:
        return False
    request, step = _genuine(connection, audit, row.request_id), row.step
    if request is None or request.started_at is None or key_of(request.id, step) != key:
        return False
    steps = orjson.loads(request.plan)["steps"]
    planned = steps[step] if 0 <= step < len(steps) else {}
    return (
        planned.get("executor") == "silence"
        and planned["matchers"] == silence.matchers
        and _came_to(connection, request, step)
        and _ends(silence) <= _latest(request, planned)
    )


def _genuine(connection: Connection, audit: Audit, id_: str) -> Request | None:
    try:
        row = audit.read(connection, schema.requests, id_)
    except Forged as error:
        log.error("a silence names request/%s: %s", id_, error)  # noqa: TRY400 - says it all
        return None
    return None if row is None else Request.of(row)


def _came_to(connection: Connection, request: Request, step: int) -> bool:
    """Whether the effect of the step was begun and not refused, by the record that the seal of the request's row is bound to.

    A record of a started request that names no step is of one whose steps were all applied.
    """
    raw = connection.execute(select(schema.audit.c.bytes).filter_by(seq=request.audit_seq)).scalar_one()
    said = parse(raw).data
    if "step" not in said:
        return True
    last = int(str(said["step"]))
    return step < last or (step == last and said.get("outcome") != Applied.NOT_APPLIED.value)


def _ends(silence: Silence) -> int:
    """The instant of its end; of one that can not be read, later than any."""
    try:
        return int(datetime.fromisoformat(silence.ends_at).timestamp() * SECOND)
    except (ValueError, OverflowError):
        return 2**63


def _latest(request: Request, planned: dict[str, Any]) -> int:
    begun = max(request.started_at or 0, request.applied_at or 0)
    return begun + int(float(planned["seconds"]) * SECOND) + SLACK
