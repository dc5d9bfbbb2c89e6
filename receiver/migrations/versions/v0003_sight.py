"""Whether sight of its entity was lost when an alert resolved."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "sights",
        sa.Column("episode_id", _ID, nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False, comment="the end of the episode that it was asked of"),
        sa.Column("sight", sa.String(8), nullable=False, comment="kept or lost"),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["episode_id"], ["episodes.id"], name="sights_episode_id_fkey"),
        sa.PrimaryKeyConstraint("episode_id", name="sights_pkey"),
        comment="whether an episode that ended has recovered, or was only not seen any more",
    )
