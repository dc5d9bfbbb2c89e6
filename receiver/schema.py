"""The tables. Instants are microseconds since 1970, UTC."""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    event,
    literal_column,
)

# Alembic can only change what has a name.
metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

# SQLite numbers rows by itself only where the type is INTEGER.
Id = BigInteger().with_variant(Integer(), "sqlite")

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("received_at", BigInteger, nullable=False, index=True),
    Column("source", String(32), nullable=False),
    Column(
        "complaint", Text, nullable=False, comment="why it, or a part of it, could not be read; empty when all could"
    ),
    Column(
        "whole", Boolean, nullable=False, comment="false where the body was too large and only its beginning is kept"
    ),
    Column("body", LargeBinary, nullable=False, comment="the bytes as received"),
    comment="every authenticated notification",
)

episodes = Table(
    "episodes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("source", String(32), nullable=False),
    Column("fingerprint", String(16), nullable=False),
    Column("severity", String(8), nullable=False, comment="of the closed set"),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, comment="null while it fires"),
    Column("spans", JSON, nullable=False, comment="[starts, ends or null] of what makes the episode"),
    Column("labels", JSON, nullable=False),
    Column("annotations", JSON, nullable=False),
    Column("generator_url", Text, nullable=False),
    Column("said_at", BigInteger, nullable=False, comment="the instant that labels and annotations are of"),
    Column("received_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("delivery_id", Id, ForeignKey("deliveries.id"), nullable=False, comment="that changed it last"),
    Column("merged_into", Id, ForeignKey("episodes.id"), comment="the episode that this one turned out to be part of"),
    Column("fired_at", BigInteger, comment="when it was last heard to fire and had not fired before"),
    CheckConstraint("ends_at >= starts_at", name="ends"),
    comment="one alert of one source over overlapping time",
)
standing = and_(episodes.c.ends_at.is_(None), episodes.c.merged_into.is_(None))
Index("episodes_alert", episodes.c.fingerprint, episodes.c.source, episodes.c.starts_at)
Index("episodes_newest", episodes.c.starts_at, episodes.c.id)
Index("episodes_standing", episodes.c.severity, sqlite_where=standing, postgresql_where=standing)

incomplete_groups = Table(
    "incomplete_groups",
    metadata,
    Column("id", Id, primary_key=True),
    Column("source", String(32), nullable=False),
    Column("digest", String(64), nullable=False, comment="SHA-256 of the sender's key of the group"),
    Column("key", Text, nullable=False),
    Column("truncated", Integer, nullable=False, comment="alerts that the sender left out of its latest message"),
    Column("delivery_id", Id, ForeignKey("deliveries.id"), nullable=False),
    Index("incomplete_groups_group", "source", "digest", unique=True),
    comment="groups whose latest message was truncated by the sender",
)

sights = Table(
    "sights",
    metadata,
    Column("episode_id", Id, ForeignKey("episodes.id"), primary_key=True),
    Column("ended_at", BigInteger, nullable=False, comment="the end of the episode that it was asked of"),
    Column("sight", String(8), nullable=False, comment="kept or lost"),
    Column("asked_at", BigInteger, nullable=False),
    comment="whether an episode that ended has recovered, or was only not seen any more",
)

# --- acting ----------------------------------------------------------------------------------------------------------
#
# Rows of requests, decisions, freezes and sessions are power. Each carries `audit_seq`, the newest audit entry about it, and
# `seal`, a MAC over all its other columns keyed outside the database; they are written through `audit.seal` alone.

Hash = String(64)
Key = String(16)
"""An id of ours: 16 hexadecimal digits of chance."""


def _sealed() -> tuple[Column[int], Column[str]]:
    return (
        Column(
            "audit_seq", Id, ForeignKey("audit.seq"), nullable=False, comment="the newest audit entry about this row"
        ),
        Column("seal", Hash, nullable=False, comment="MAC over the other columns"),
    )


audit = Table(
    "audit",
    metadata,
    Column("seq", Id, primary_key=True, comment="1, 2, 3 without a gap"),
    Column("hash", Hash, nullable=False, unique=True, comment='SHA256("occ-audit-v1\\0" || bytes)'),
    Column("subject", String(128), nullable=False, comment="what it is about, as request/0123456789abcdef"),
    Column("bytes", LargeBinary, nullable=False, comment="RFC 8785, verbatim; the previous hash is inside"),
    Column("seal", Hash, nullable=False, comment="MAC over the hash"),
    Index("audit_subject", "subject", "seq"),
    comment="what was done and by whom; only ever appended to",
)
APPEND_ONLY = tuple(
    f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END"
    for verb in ("UPDATE", "DELETE")
)
"""A reminder for whoever has a shell on the database, not a defence: the chain and its checkpoints are that."""
for _statement in APPEND_ONLY:
    event.listen(audit, "after_create", DDL(_statement).execute_if(dialect="sqlite"))  # type: ignore[no-untyped-call]

definitions = Table(
    "definitions",
    metadata,
    Column("hash", Hash, primary_key=True, comment="SHA-256 of the bytes"),
    Column("kind", String(16), nullable=False, comment="action or rule"),
    Column("bytes", LargeBinary, nullable=False, comment="RFC 8785"),
    comment="actions and rules as they were when a request was planned",
)

requests = Table(
    "requests",
    metadata,
    Column("id", Key, primary_key=True),
    Column("action", String(63), nullable=False),
    Column("definition", Hash, ForeignKey("definitions.hash"), nullable=False),
    Column("rule", Hash, ForeignKey("definitions.hash"), comment="null where no rule is about the action: denied"),
    Column("episode_id", Id, ForeignKey("episodes.id"), comment="the alert that it answers, if any"),
    Column("origin", String(16), nullable=False, comment="operator, automatic, api"),
    Column("person", String(63), nullable=False, comment="who asks for it"),
    Column("reason", Text, nullable=False, comment="why, in that person's words"),
    Column("parameters", JSON, nullable=False, comment="name: value, as strings"),
    Column("plan", LargeBinary, nullable=False, comment="RFC 8785: what plan_hash is of"),
    Column("plan_hash", Hash, nullable=False),
    Column("evidence", JSON, nullable=False, comment="what the plan saw, per step; beside the plan, not in it"),
    Column("idempotency_key", String(64), comment="the client's own, so that asking twice is one request"),
    Column("state", String(16), nullable=False),
    Column("why", String(32), nullable=False, comment="reason of a refusal or a bad end; empty while there is none"),
    Column("created_at", BigInteger, nullable=False),
    Column("submitted_at", BigInteger),
    Column("approve_by", BigInteger, comment="when its approvals must be there"),
    Column("approved_at", BigInteger),
    Column("start_by", BigInteger, comment="when it must have started"),
    Column("started_at", BigInteger),
    Column("applied_at", BigInteger, comment="when the last effect was known to be applied"),
    Column("ended_at", BigInteger),
    *_sealed(),
    UniqueConstraint("person", "idempotency_key"),
    comment="what somebody wants done, from the plan to the end",
)
Index("requests_state", requests.c.state, requests.c.created_at)
Index("requests_action", requests.c.action, requests.c.started_at)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Key, primary_key=True),
    Column("subject", String(64), nullable=False, comment="request/… or freeze/…"),
    Column("kind", String(16), nullable=False, comment="approve, reject, review, applied, not_applied, unfreeze"),
    Column("person", String(63), nullable=False),
    Column("roles", JSON, nullable=False, comment="the person's roles at that time"),
    Column("plan_hash", String(64), nullable=False, comment="of the plan decided on; empty for a freeze"),
    Column("seen", Hash, nullable=False, comment="SHA-256 of what the person was shown beside the plan"),
    Column("reason", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    *_sealed(),
    UniqueConstraint("subject", "kind", "person"),
    comment="what people have decided: approvals, rejections, reviews, releases of what is in doubt, unfreezes",
)

effects = Table(
    "effects",
    metadata,
    Column("request_id", Key, ForeignKey("requests.id"), primary_key=True),
    Column("step", Integer, primary_key=True, comment="from 0"),
    Column("executor", String(32), nullable=False),
    Column(
        "idempotency_key", Hash, nullable=False, unique=True, comment="sent with it, so that the target knows it again"
    ),
    Column("fence", Integer, nullable=False, comment="of the lease under which it was started"),
    Column("started_at", BigInteger, nullable=False),
    Column("deadline_at", BigInteger, nullable=False, comment="nothing is sent after it"),
    Column(
        "settled_at", BigInteger, nullable=False, comment="nothing sent before the deadline can take effect after it"
    ),
    Column("state", String(16), nullable=False, comment="started, applied, partly, not_applied, unclear"),
    Column("ended_at", BigInteger),
    Column("result", JSON, nullable=False, comment="the outcome in our words, never a body"),
    comment="side effects: a row is committed before each is sent",
)

leases = Table(
    "leases",
    metadata,
    Column("key", String(255), primary_key=True, comment="what only one request may touch at a time"),
    Column("fence", Integer, nullable=False, comment="grows with every holder"),
    Column("request_id", Key, ForeignKey("requests.id"), comment="null while it is free"),
    Column("holder", Key, nullable=False, comment="the process that runs it"),
    Column("until", BigInteger, nullable=False, comment="by then the holder has renewed it, or is gone"),
    comment="concurrency keys",
)

freezes = Table(
    "freezes",
    metadata,
    Column("id", Key, primary_key=True),
    Column("scope", String(16), nullable=False, comment="everything, action, target"),
    Column("name", String(63), nullable=False, comment="of the action or target; empty for everything"),
    Column("person", String(63), nullable=False, comment="who froze; `receiver` where it was this process"),
    Column("reason", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("lifted_at", BigInteger),
    *_sealed(),
    comment="what stops actions from starting, until enough people lift it",
)
Index("freezes_standing", freezes.c.lifted_at, freezes.c.at)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Key, primary_key=True),
    Column("token_hash", Hash, nullable=False, unique=True, comment="SHA-256 of the token, which only the client has"),
    Column("person", String(63), nullable=False),
    Column(
        "credential", Hash, nullable=False, comment="SHA-256 of the password's hash: another password ends the session"
    ),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    *_sealed(),
    comment="who is logged in",
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", String(32), nullable=False, comment="freeze, unfreeze, foreign_silence, escalation, in_doubt, …"),
    Column("severity", String(8), nullable=False),
    Column("subject", String(128), nullable=False, comment="one open row per kind and subject is one page"),
    Column("text", JSON, nullable=False),
    Column("audience", JSON, nullable=False, comment="roles, groups and people that it is for; empty: everybody"),
    Column("created_at", BigInteger, nullable=False),
    Column("settled_at", BigInteger, comment="null while a notifier has still to tell it"),
    comment="what people must be told; written with what it tells of, delivered afterwards",
)
Index("outbox_subject", outbox.c.subject, outbox.c.kind)
Index("outbox_kind", outbox.c.kind, outbox.c.created_at)
Index(
    "outbox_open",
    outbox.c.id,
    sqlite_where=outbox.c.settled_at.is_(None),
    postgresql_where=outbox.c.settled_at.is_(None),
)

# --- incidents -------------------------------------------------------------------------------------------------------
#
# No row here is power: what happens to an incident lets nothing start. Its timeline is the audit's records about it and about
# the requests of its episodes.

incidents = Table(
    "incidents",
    metadata,
    Column("id", Key, primary_key=True),
    Column(
        "place", Hash, nullable=False, comment="SHA-256 of what it is about; no two that are not closed have the same"
    ),
    Column("domain", Text, nullable=False, comment="label of its alerts; empty where it was opened by hand about none"),
    Column("entity", Text, nullable=False, comment="as domain"),
    Column("title", Text, nullable=False),
    Column("status", String(16), nullable=False, comment="open, acknowledged, mitigated, resolved, closed"),
    Column("severity", String(8), nullable=False, comment="page, ticket, info"),
    Column("opened_by", String(63), nullable=False, comment="a person; `receiver` where an alert opened it"),
    Column("commander", String(63), comment="who leads; null until somebody has acknowledged it"),
    Column("started_at", BigInteger, comment="the earliest start of its alerts; null while it has none"),
    Column("opened_at", BigInteger, nullable=False),
    Column("clock_at", BigInteger, nullable=False, comment="since when it waits, or waited, to be acknowledged"),
    Column("acknowledged_at", BigInteger, comment="null while it is not, also after it was reopened; as the next two"),
    Column("mitigated_at", BigInteger),
    Column("resolved_at", BigInteger),
    Column("closed_at", BigInteger),
    Column("level", Integer, nullable=False, comment="how often it was escalated since clock_at"),
    Column("due_at", BigInteger, comment="when it escalates next; null where it does not"),
    Column(
        "sight_lost", Boolean, nullable=False, comment="its alerts ended, and of one nobody knows whether it recovered"
    ),
    Column("summary", Text, nullable=False, comment="what whoever closed it says; empty before"),
    comment="what is wrong in one place, from the first alert to the closing words",
)
# Written out, so that SQLite knows that the index below is for it.
unclosed = incidents.c.status != literal_column("'closed'")
Index("incidents_place", incidents.c.place, unique=True, sqlite_where=unclosed, postgresql_where=unclosed)
Index("incidents_status", incidents.c.status, incidents.c.due_at)
Index("incidents_newest", incidents.c.opened_at, incidents.c.id)

incident_episodes = Table(
    "incident_episodes",
    metadata,
    Column("incident_id", Key, ForeignKey("incidents.id"), primary_key=True),
    Column("episode_id", Id, ForeignKey("episodes.id"), primary_key=True),
    Column("joined_at", BigInteger, nullable=False),
    Index("incident_episodes_episode", "episode_id"),
    comment="the episodes of incidents; one that fires again after its incident was closed is in the next one, too",
)

incident_cursor = Table(
    "incident_cursor",
    metadata,
    Column(
        "episode_id", Id, primary_key=True, comment="of episodes that have ended, those up to this one were looked at"
    ),
    comment="one row: how far the look for incidents has come",
)

Index("requests_episode", requests.c.episode_id)

# --- notifying -------------------------------------------------------------------------------------------------------

outbox_deliveries = Table(
    "outbox_deliveries",
    metadata,
    Column("id", Key, primary_key=True, comment="sent along, so that who gets it twice can know it again"),
    Column("notice_id", Id, ForeignKey("outbox.id"), nullable=False),
    Column("notifier", String(63), nullable=False),
    Column("state", String(16), nullable=False, comment="waiting, delivered, given_up, skipped"),
    Column("attempts", Integer, nullable=False),
    Column("next_at", BigInteger, nullable=False, comment="when it is tried next, while it waits"),
    Column("attempted_at", BigInteger, comment="when it was last tried"),
    Column("ended_at", BigInteger, comment="null while it waits"),
    Column("failure", Text, nullable=False, comment="of the last attempt, in our words; empty where there was none"),
    UniqueConstraint("notice_id", "notifier"),
    comment="what each notifier has told, and has still to tell",
)
_waits = outbox_deliveries.c.ended_at.is_(None)
Index("outbox_deliveries_waiting", outbox_deliveries.c.notifier, sqlite_where=_waits, postgresql_where=_waits)
Index("outbox_deliveries_state", outbox_deliveries.c.state, outbox_deliveries.c.notifier, outbox_deliveries.c.ended_at)

# --- automation ------------------------------------------------------------------------------------------------------

automations = Table(
    "automations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("action", String(63), nullable=False),
    Column("episode_id", Id, ForeignKey("episodes.id"), nullable=False),
    Column("kind", String(16), nullable=False, comment="shadow, propose, auto: what the rule said"),
    Column("outcome", String(16), nullable=False, comment="held, acted, withdrawn"),
    Column("why", String(32), nullable=False, comment="what holds it back, or took it back; empty once it acted"),
    Column("request_id", Key, ForeignKey("requests.id"), comment="what it asked for; null while it has not"),
    Column("parameters", JSON, nullable=False, comment="name: value, as strings; empty while it is not planned"),
    Column("does", JSON, nullable=False, comment="what each step would do; empty while it is not planned"),
    Column("at", BigInteger, nullable=False, comment="when it was first considered"),
    Column("changed_at", BigInteger, nullable=False),
    UniqueConstraint("episode_id", "action", "kind"),
    comment="what the receiver made of an alert that offers an action; for people: nothing starts because of a row here",
)
_page = episodes.c.severity == "page"
_merged = episodes.c.merged_into.is_not(None)
Index("episodes_merged", episodes.c.merged_into, sqlite_where=_merged, postgresql_where=_merged)
Index("episodes_pages", episodes.c.fired_at, sqlite_where=_page, postgresql_where=_page)
