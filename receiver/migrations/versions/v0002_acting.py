"""Audit, definitions, requests, decisions, effects, leases, freezes, sessions, outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _audit()
    _definitions()
    _requests()
    _decisions()
    _effects()
    _leases()
    _freezes()
    _sessions()
    _outbox()


def _sealed() -> tuple[sa.Column[int], sa.Column[str]]:
    return (
        sa.Column("audit_seq", _ID, nullable=False, comment="the newest audit entry about this row"),
        sa.Column("seal", sa.String(64), nullable=False, comment="MAC over the other columns"),
    )


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", _ID, nullable=False, comment="1, 2, 3 without a gap"),
        sa.Column("hash", sa.String(64), nullable=False, comment='SHA256("occ-audit-v1\\0" || bytes)'),
        sa.Column("subject", sa.String(128), nullable=False, comment="what it is about, as request/0123456789abcdef"),
        sa.Column("bytes", sa.LargeBinary(), nullable=False, comment="RFC 8785, verbatim; the previous hash is inside"),
        sa.Column("seal", sa.String(64), nullable=False, comment="MAC over the hash"),
        sa.PrimaryKeyConstraint("seq", name="audit_pkey"),
        sa.UniqueConstraint("hash", name="audit_hash_key"),
        comment="what was done and by whom; only ever appended to",
    )
    op.create_index("audit_subject", "audit", ["subject", "seq"])
    if op.get_context().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON audit "
                "BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END"
            )


def _definitions() -> None:
    op.create_table(
        "definitions",
        sa.Column("hash", sa.String(64), nullable=False, comment="SHA-256 of the bytes"),
        sa.Column("kind", sa.String(16), nullable=False, comment="action or rule"),
        sa.Column("bytes", sa.LargeBinary(), nullable=False, comment="RFC 8785"),
        sa.PrimaryKeyConstraint("hash", name="definitions_pkey"),
        comment="actions and rules as they were when a request was planned",
    )


def _requests() -> None:
    op.create_table(
        "requests",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("action", sa.String(63), nullable=False),
        sa.Column("definition", sa.String(64), nullable=False),
        sa.Column("rule", sa.String(64), comment="null where no rule is about the action: denied"),
        sa.Column("episode_id", _ID, comment="the alert that it answers, if any"),
        sa.Column("origin", sa.String(16), nullable=False, comment="operator, automatic, api"),
        sa.Column("person", sa.String(63), nullable=False, comment="who asks for it"),
        sa.Column("reason", sa.Text(), nullable=False, comment="why, in that person's words"),
        sa.Column("parameters", sa.JSON(), nullable=False, comment="name: value, as strings"),
        sa.Column("plan", sa.LargeBinary(), nullable=False, comment="RFC 8785: what plan_hash is of"),
        sa.Column("plan_hash", sa.String(64), nullable=False),
        sa.Column(
            "evidence", sa.JSON(), nullable=False, comment="what the plan saw, per step; beside the plan, not in it"
        ),
        sa.Column("idempotency_key", sa.String(64), comment="the client's own, so that asking twice is one request"),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column(
            "why",
            sa.String(32),
            nullable=False,
            comment="reason of a refusal or a bad end; empty while there is none",
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("submitted_at", sa.BigInteger()),
        sa.Column("approve_by", sa.BigInteger(), comment="when its approvals must be there"),
        sa.Column("approved_at", sa.BigInteger()),
        sa.Column("start_by", sa.BigInteger(), comment="when it must have started"),
        sa.Column("started_at", sa.BigInteger()),
        sa.Column("applied_at", sa.BigInteger(), comment="when the last effect was known to be applied"),
        sa.Column("ended_at", sa.BigInteger()),
        *_sealed(),
        sa.PrimaryKeyConstraint("id", name="requests_pkey"),
        sa.UniqueConstraint("person", "idempotency_key", name="requests_person_idempotency_key_key"),
        sa.ForeignKeyConstraint(["definition"], ["definitions.hash"], name="requests_definition_fkey"),
        sa.ForeignKeyConstraint(["rule"], ["definitions.hash"], name="requests_rule_fkey"),
        sa.ForeignKeyConstraint(["episode_id"], ["episodes.id"], name="requests_episode_id_fkey"),
        sa.ForeignKeyConstraint(["audit_seq"], ["audit.seq"], name="requests_audit_seq_fkey"),
        comment="what somebody wants done, from the plan to the end",
    )
    op.create_index("requests_state", "requests", ["state", "created_at"])
    op.create_index("requests_action", "requests", ["action", "started_at"])


def _decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False, comment="request/… or freeze/…"),
        sa.Column(
            "kind",
            sa.String(16),
            nullable=False,
            comment="approve, reject, review, applied, not_applied, unfreeze",
        ),
        sa.Column("person", sa.String(63), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False, comment="the person's roles at that time"),
        sa.Column("plan_hash", sa.String(64), nullable=False, comment="of the plan decided on; empty for a freeze"),
        sa.Column(
            "seen", sa.String(64), nullable=False, comment="SHA-256 of what the person was shown beside the plan"
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        *_sealed(),
        sa.PrimaryKeyConstraint("id", name="decisions_pkey"),
        sa.UniqueConstraint("subject", "kind", "person", name="decisions_subject_kind_person_key"),
        sa.ForeignKeyConstraint(["audit_seq"], ["audit.seq"], name="decisions_audit_seq_fkey"),
        comment="what people have decided: approvals, rejections, reviews, releases of what is in doubt, unfreezes",
    )


def _effects() -> None:
    op.create_table(
        "effects",
        sa.Column("request_id", sa.String(16), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False, comment="from 0"),
        sa.Column("executor", sa.String(32), nullable=False),
        sa.Column(
            "idempotency_key",
            sa.String(64),
            nullable=False,
            comment="sent with it, so that the target knows it again",
        ),
        sa.Column("fence", sa.Integer(), nullable=False, comment="of the lease under which it was started"),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("deadline_at", sa.BigInteger(), nullable=False, comment="nothing is sent after it"),
        sa.Column(
            "settled_at",
            sa.BigInteger(),
            nullable=False,
            comment="nothing sent before the deadline can take effect after it",
        ),
        sa.Column("state", sa.String(16), nullable=False, comment="started, applied, partly, not_applied, unclear"),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("result", sa.JSON(), nullable=False, comment="the outcome in our words, never a body"),
        sa.PrimaryKeyConstraint("request_id", "step", name="effects_pkey"),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name="effects_request_id_fkey"),
        sa.UniqueConstraint("idempotency_key", name="effects_idempotency_key_key"),
        comment="side effects: a row is committed before each is sent",
    )


def _leases() -> None:
    op.create_table(
        "leases",
        sa.Column("key", sa.String(255), nullable=False, comment="what only one request may touch at a time"),
        sa.Column("fence", sa.Integer(), nullable=False, comment="grows with every holder"),
        sa.Column("request_id", sa.String(16), comment="null while it is free"),
        sa.Column("holder", sa.String(16), nullable=False, comment="the process that runs it"),
        sa.Column("until", sa.BigInteger(), nullable=False, comment="by then the holder has renewed it, or is gone"),
        sa.PrimaryKeyConstraint("key", name="leases_pkey"),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name="leases_request_id_fkey"),
        comment="concurrency keys",
    )


def _freezes() -> None:
    op.create_table(
        "freezes",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("scope", sa.String(16), nullable=False, comment="everything, action, target"),
        sa.Column("name", sa.String(63), nullable=False, comment="of the action or target; empty for everything"),
        sa.Column("person", sa.String(63), nullable=False, comment="who froze; `receiver` where it was this process"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("lifted_at", sa.BigInteger()),
        *_sealed(),
        sa.PrimaryKeyConstraint("id", name="freezes_pkey"),
        sa.ForeignKeyConstraint(["audit_seq"], ["audit.seq"], name="freezes_audit_seq_fkey"),
        comment="what stops actions from starting, until enough people lift it",
    )
    op.create_index("freezes_standing", "freezes", ["lifted_at", "at"])


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column(
            "token_hash", sa.String(64), nullable=False, comment="SHA-256 of the token, which only the client has"
        ),
        sa.Column("person", sa.String(63), nullable=False),
        sa.Column(
            "credential",
            sa.String(64),
            nullable=False,
            comment="SHA-256 of the password's hash: another password ends the session",
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger()),
        *_sealed(),
        sa.PrimaryKeyConstraint("id", name="sessions_pkey"),
        sa.UniqueConstraint("token_hash", name="sessions_token_hash_key"),
        sa.ForeignKeyConstraint(["audit_seq"], ["audit.seq"], name="sessions_audit_seq_fkey"),
        comment="who is logged in",
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", _ID, nullable=False),
        sa.Column(
            "kind",
            sa.String(32),
            nullable=False,
            comment="freeze, unfreeze, foreign_silence, escalation, sight_lost, …",
        ),
        sa.Column("severity", sa.String(8), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False, comment="one open row per kind and subject is one page"),
        sa.Column("text", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("delivered_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="outbox_pkey"),
        comment="what people must be told; written with what it tells of, delivered afterwards",
    )
    op.create_index("outbox_due", "outbox", ["delivered_at", "next_at"])
