"""Deliveries, episodes, incomplete groups."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _deliveries()
    _episodes()
    _incomplete_groups()


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", _ID, nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column(
            "complaint",
            sa.Text(),
            nullable=False,
            comment="why it, or a part of it, could not be read; empty when all could",
        ),
        sa.Column(
            "whole",
            sa.Boolean(),
            nullable=False,
            comment="false where the body was too large and only its beginning is kept",
        ),
        sa.Column("body", sa.LargeBinary(), nullable=False, comment="the bytes as received"),
        sa.PrimaryKeyConstraint("id", name="deliveries_pkey"),
        comment="every authenticated notification",
    )
    op.create_index("deliveries_received_at", "deliveries", ["received_at"])


def _episodes() -> None:
    op.create_table(
        "episodes",
        sa.Column("id", _ID, nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("fingerprint", sa.String(16), nullable=False),
        sa.Column("severity", sa.String(8), nullable=False, comment="of the closed set"),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), comment="null while it fires"),
        sa.Column("spans", sa.JSON(), nullable=False, comment="[starts, ends or null] of what makes the episode"),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("annotations", sa.JSON(), nullable=False),
        sa.Column("generator_url", sa.Text(), nullable=False),
        sa.Column("said_at", sa.BigInteger(), nullable=False, comment="the instant that labels and annotations are of"),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("delivery_id", _ID, nullable=False, comment="that changed it last"),
        sa.Column("merged_into", _ID, comment="the episode that this one turned out to be part of"),
        sa.PrimaryKeyConstraint("id", name="episodes_pkey"),
        sa.CheckConstraint("ends_at >= starts_at", name=op.f("episodes_ends_check")),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name="episodes_delivery_id_fkey"),
        sa.ForeignKeyConstraint(["merged_into"], ["episodes.id"], name="episodes_merged_into_fkey"),
        comment="one alert of one source over overlapping time",
    )
    standing = sa.text("ends_at IS NULL AND merged_into IS NULL")
    op.create_index("episodes_alert", "episodes", ["fingerprint", "source", "starts_at"])
    op.create_index("episodes_newest", "episodes", ["starts_at", "id"])
    op.create_index("episodes_standing", "episodes", ["severity"], sqlite_where=standing, postgresql_where=standing)


def _incomplete_groups() -> None:
    op.create_table(
        "incomplete_groups",
        sa.Column("id", _ID, nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False, comment="SHA-256 of the sender's key of the group"),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column(
            "truncated", sa.Integer(), nullable=False, comment="alerts that the sender left out of its latest message"
        ),
        sa.Column("delivery_id", _ID, nullable=False),
        sa.PrimaryKeyConstraint("id", name="incomplete_groups_pkey"),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name="incomplete_groups_delivery_id_fkey"),
        comment="groups whose latest message was truncated by the sender",
    )
    op.create_index("incomplete_groups_group", "incomplete_groups", ["source", "digest"], unique=True)
