"""What a refusal is over HTTP."""

from __future__ import annotations

from collections.abc import Mapping

from occ.errors import OccError
from receiver.why import SENTENCES, Why

STATUS: Mapping[Why, int] = {
    Why.NO_RULE: 403,
    Why.NOT_PERMITTED: 403,
    Why.OWN_REQUEST: 403,
    Why.ALREADY_DECIDED: 409,
    Why.PLAN_CHANGED: 409,
    Why.DEFINITION_CHANGED: 409,
    Why.POLICY_CHANGED: 409,
    Why.APPROVALS_MISSING: 409,
    Why.APPROVAL_EXPIRED: 409,
    Why.EXECUTION_EXPIRED: 409,
    Why.FROZEN: 409,
    Why.COOLDOWN: 409,
    Why.PER_DAY: 409,
    Why.NOT_FIRING: 409,
    Why.SIGHT_LOST: 409,
    Why.OUT_OF_BOUNDS: 422,
    Why.CLOCK: 503,
    Why.BUSY: 409,
    Why.FENCED: 409,
    Why.FORGED: 503,
    Why.NO_CHECKPOINT: 503,
    Why.RESTORED: 409,
    Why.DEADLINE: 409,
    Why.UNREACHABLE: 503,
    Why.REFUSED: 409,
    Why.UNCLEAR: 409,
    Why.NOT_APPLIED: 409,
    Why.NOT_CONFIRMED: 409,
    Why.NOT_LONG: 409,
    Why.NOT_FRESH: 409,
    Why.SECOND_QUERY: 409,
    Why.AT_MOST: 409,
    Why.PER_HOUR: 409,
    Why.SAME_ENTITY: 409,
    Why.STORM: 409,
    Why.INCOMPLETE: 409,
    Why.GRACE: 409,
    Why.FINDINGS: 409,
    Why.PERSON_ACTS: 409,
    Why.INTERNAL: 500,
    Why.MALFORMED: 400,
    Why.NOT_AUTHENTICATED: 401,
    Why.NOT_FOUND: 404,
    Why.WRONG_STATE: 409,
    Why.WRONG_METHOD: 405,
    Why.TOO_LARGE: 413,
    Why.MEDIA_TYPE: 415,
    Why.TOO_MANY: 429,
    Why.UNAVAILABLE: 503,
}


class Failure(OccError):  # noqa: N818 - it names what is the matter
    """A request that is answered with an error. `headers` go with it."""

    def __init__(self, why: Why, message: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message or SENTENCES[why])
        self.why = why
        self.headers = headers or {}
