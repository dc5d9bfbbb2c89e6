"""Why something was refused, stopped or went wrong: one closed set for logs, labels, pages, audit and the API."""

from __future__ import annotations

from enum import StrEnum


class Why(StrEnum):
    """A reason; `SENTENCES` has it in words."""

    NO_RULE = "no_rule"
    NOT_PERMITTED = "not_permitted"
    OWN_REQUEST = "own_request"
    ALREADY_DECIDED = "already_decided"
    PLAN_CHANGED = "plan_changed"
    DEFINITION_CHANGED = "definition_changed"
    POLICY_CHANGED = "policy_changed"
    APPROVALS_MISSING = "approvals_missing"
    APPROVAL_EXPIRED = "approval_expired"
    EXECUTION_EXPIRED = "execution_expired"
    FROZEN = "frozen"
    COOLDOWN = "cooldown"
    PER_DAY = "per_day"
    NOT_FIRING = "not_firing"
    SIGHT_LOST = "sight_lost"
    OUT_OF_BOUNDS = "out_of_bounds"
    CLOCK = "clock"
    BUSY = "busy"
    FENCED = "fenced"
    FORGED = "forged"
    NO_CHECKPOINT = "no_checkpoint"
    RESTORED = "restored"
    DEADLINE = "deadline"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    UNCLEAR = "unclear"
    NOT_APPLIED = "not_applied"
    NOT_CONFIRMED = "not_confirmed"
    NOT_LONG = "not_long"
    NOT_FRESH = "not_fresh"
    SECOND_QUERY = "second_query"
    AT_MOST = "at_most"
    PER_HOUR = "per_hour"
    SAME_ENTITY = "same_entity"
    STORM = "storm"
    INCOMPLETE = "incomplete"
    GRACE = "grace"
    FINDINGS = "findings"
    PERSON_ACTS = "person_acts"
    INTERNAL = "internal"
    MALFORMED = "malformed"
    NOT_AUTHENTICATED = "not_authenticated"
    NOT_FOUND = "not_found"
    WRONG_STATE = "wrong_state"
    WRONG_METHOD = "wrong_method"
    TOO_LARGE = "too_large"
    MEDIA_TYPE = "media_type"
    TOO_MANY = "too_many"
    UNAVAILABLE = "unavailable"


SENTENCES = {
    Why.NO_RULE: "no rule of the policy is about this action",
    Why.NOT_PERMITTED: "the policy does not give this person that right",
    Why.OWN_REQUEST: "nobody decides on a request of their own",
    Why.ALREADY_DECIDED: "this person has decided on it already",
    Why.PLAN_CHANGED: "the plan is not the one that was seen",
    Why.DEFINITION_CHANGED: "the action is defined otherwise than when it was planned",
    Why.POLICY_CHANGED: "the policy's rule is another than when it was planned",
    Why.APPROVALS_MISSING: "approvals are missing, as the roles are now",
    Why.APPROVAL_EXPIRED: "it was not approved in time",
    Why.EXECUTION_EXPIRED: "it was approved, and could not start in time",
    Why.FROZEN: "a freeze is in force",
    Why.COOLDOWN: "it ran too short a while ago",
    Why.PER_DAY: "it ran as often as it may within a day",
    Why.NOT_FIRING: "the alert does not fire any more",
    Why.SIGHT_LOST: "what it depends on can not be seen now",
    Why.OUT_OF_BOUNDS: "the live state, or a value, is outside of its bounds",
    Why.CLOCK: "the clock of this machine jumped",
    Why.BUSY: "another request holds what this one needs",
    Why.FENCED: "another process has taken it over",
    Why.FORGED: "the database does not agree with what was recorded: it was changed from outside",
    Why.NO_CHECKPOINT: "the audit could not be sealed by a checkpoint outside the database",
    Why.RESTORED: "the database was put back from an older state",
    Why.DEADLINE: "its time was over before it was sent",
    Why.UNREACHABLE: "the target could not be reached; nothing was sent",
    Why.REFUSED: "the target refused it",
    Why.UNCLEAR: "the target gave no clear answer: it may have been applied or not",
    Why.NOT_APPLIED: "the target has not applied it, and will not",
    Why.NOT_CONFIRMED: "it was applied, and what it should bring about was not seen",
    Why.NOT_LONG: "the alert has not fired for long enough",
    Why.NOT_FRESH: "what it depends on was not read lately",
    Why.SECOND_QUERY: "the second query does not confirm it",
    Why.AT_MOST: "it was asked for by itself as often as it may be within a day",
    Why.PER_HOUR: "as much was asked for by itself as may be within an hour",
    Why.SAME_ENTITY: "something was asked for by itself for the same entity within the hour",
    Why.STORM: "too many alerts came at once",
    Why.INCOMPLETE: "the sender left alerts out of its message",
    Why.GRACE: "the receiver has started too short a while ago",
    Why.FINDINGS: "nothing is done by itself on the word of a security finding",
    Why.PERSON_ACTS: "a person acts on it already",
    Why.INTERNAL: "an error of OCC's own; the log has it",
    Why.MALFORMED: "what was sent is not what this takes",
    Why.NOT_AUTHENTICATED: "nobody is logged in, or not any more",
    Why.NOT_FOUND: "there is no such thing",
    Why.WRONG_STATE: "not possible as it stands now",
    Why.WRONG_METHOD: "this takes another method",
    Why.TOO_LARGE: "what was sent is too large",
    Why.MEDIA_TYPE: "what was sent must be JSON, and say so",
    Why.TOO_MANY: "too many attempts; try again later",
    Why.UNAVAILABLE: "not possible here and now",
}
