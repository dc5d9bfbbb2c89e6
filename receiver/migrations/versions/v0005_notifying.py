"""What each notifier has told of the outbox, and has still to tell."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _outbox()
    op.create_table(
        "outbox_deliveries",
        sa.Column(
            "id", sa.String(16), nullable=False, comment="sent along, so that who gets it twice can know it again"
        ),
        sa.Column("notice_id", _ID, nullable=False),
        sa.Column("notifier", sa.String(63), nullable=False),
        sa.Column("state", sa.String(16), nullable=False, comment="waiting, delivered, given_up, skipped"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False, comment="when it is tried next, while it waits"),
        sa.Column("attempted_at", sa.BigInteger(), comment="when it was last tried"),
        sa.Column("ended_at", sa.BigInteger(), comment="null while it waits"),
        sa.Column(
            "failure",
            sa.Text(),
            nullable=False,
            comment="of the last attempt, in our words; empty where there was none",
        ),
        sa.PrimaryKeyConstraint("id", name="outbox_deliveries_pkey"),
        sa.UniqueConstraint("notice_id", "notifier", name="outbox_deliveries_notice_id_notifier_key"),
        sa.ForeignKeyConstraint(["notice_id"], ["outbox.id"], name="outbox_deliveries_notice_id_fkey"),
        comment="what each notifier has told, and has still to tell",
    )
    op.create_index(
        "outbox_deliveries_waiting",
        "outbox_deliveries",
        ["notifier"],
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("outbox_deliveries_state", "outbox_deliveries", ["state", "notifier", "ended_at"])


def _outbox() -> None:
    """Made anew, since a column changes its name and two go away. Nothing was delivered before: all of it is still to be told."""
    op.rename_table("outbox", "outbox_before")
    op.drop_index("outbox_due", "outbox_before")
    op.create_table(
        "outbox",
        sa.Column("id", _ID, nullable=False),
        sa.Column(
            "kind", sa.String(32), nullable=False, comment="freeze, unfreeze, foreign_silence, escalation, in_doubt, …"
        ),
        sa.Column("severity", sa.String(8), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False, comment="one open row per kind and subject is one page"),
        sa.Column("text", sa.JSON(), nullable=False),
        sa.Column(
            "audience", sa.JSON(), nullable=False, comment="roles, groups and people that it is for; empty: everybody"
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), comment="null while a notifier has still to tell it"),
        sa.PrimaryKeyConstraint("id", name="outbox_pkey"),
        comment="what people must be told; written with what it tells of, delivered afterwards",
    )
    op.execute(
        "INSERT INTO outbox (id, kind, severity, subject, text, audience, created_at, settled_at) "
        "SELECT id, kind, severity, subject, text, '[]', created_at, delivered_at FROM outbox_before"
    )
    op.drop_table("outbox_before")
    op.create_index("outbox_subject", "outbox", ["subject", "kind"])
    op.create_index("outbox_kind", "outbox", ["kind", "created_at"])
    op.create_index(
        "outbox_open",
        "outbox",
        ["id"],
        sqlite_where=sa.text("settled_at IS NULL"),
        postgresql_where=sa.text("settled_at IS NULL"),
    )
