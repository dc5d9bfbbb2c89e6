"""What the receiver does by itself, and what it would have done."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_PAGE = sa.text("severity = 'page'")
_MERGED = sa.text("merged_into IS NOT NULL")
_FIRED = "when it was last heard to fire and had not fired before"


def upgrade() -> None:
    op.create_table(
        "automations",
        sa.Column("id", _ID, nullable=False),
        sa.Column("action", sa.String(63), nullable=False),
        sa.Column("episode_id", _ID, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False, comment="shadow, propose, auto: what the rule said"),
        sa.Column("outcome", sa.String(16), nullable=False, comment="held, acted, withdrawn"),
        sa.Column(
            "why", sa.String(32), nullable=False, comment="what holds it back, or took it back; empty once it acted"
        ),
        sa.Column("request_id", sa.String(16), comment="what it asked for; null while it has not"),
        sa.Column(
            "parameters", sa.JSON(), nullable=False, comment="name: value, as strings; empty while it is not planned"
        ),
        sa.Column("does", sa.JSON(), nullable=False, comment="what each step would do; empty while it is not planned"),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="when it was first considered"),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="automations_pkey"),
        sa.UniqueConstraint("episode_id", "action", "kind", name="automations_episode_id_action_kind_key"),
        sa.ForeignKeyConstraint(["episode_id"], ["episodes.id"], name="automations_episode_id_fkey"),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name="automations_request_id_fkey"),
        comment="what the receiver made of an alert that offers an action; for people: nothing starts because of a row here",
    )
    op.add_column("episodes", sa.Column("fired_at", sa.BigInteger(), comment=_FIRED))
    op.execute("UPDATE episodes SET fired_at = received_at")
    op.create_index("episodes_merged", "episodes", ["merged_into"], sqlite_where=_MERGED, postgresql_where=_MERGED)
    op.create_index("episodes_pages", "episodes", ["fired_at"], sqlite_where=_PAGE, postgresql_where=_PAGE)
