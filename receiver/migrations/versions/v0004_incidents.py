"""Incidents, their episodes, and how far the look for them has come."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _incidents()
    _episodes()
    _cursor()
    op.create_index("requests_episode", "requests", ["episode_id"])


def _incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column(
            "place",
            sa.String(64),
            nullable=False,
            comment="SHA-256 of what it is about; no two that are not closed have the same",
        ),
        sa.Column(
            "domain",
            sa.Text(),
            nullable=False,
            comment="label of its alerts; empty where it was opened by hand about none",
        ),
        sa.Column("entity", sa.Text(), nullable=False, comment="as domain"),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False, comment="open, acknowledged, mitigated, resolved, closed"),
        sa.Column("severity", sa.String(8), nullable=False, comment="page, ticket, info"),
        sa.Column("opened_by", sa.String(63), nullable=False, comment="a person; `receiver` where an alert opened it"),
        sa.Column("commander", sa.String(63), comment="who leads; null until somebody has acknowledged it"),
        sa.Column("started_at", sa.BigInteger(), comment="the earliest start of its alerts; null while it has none"),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "clock_at",
            sa.BigInteger(),
            nullable=False,
            comment="since when it waits, or waited, to be acknowledged",
        ),
        sa.Column(
            "acknowledged_at",
            sa.BigInteger(),
            comment="null while it is not, also after it was reopened; as the next two",
        ),
        sa.Column("mitigated_at", sa.BigInteger()),
        sa.Column("resolved_at", sa.BigInteger()),
        sa.Column("closed_at", sa.BigInteger()),
        sa.Column("level", sa.Integer(), nullable=False, comment="how often it was escalated since clock_at"),
        sa.Column("due_at", sa.BigInteger(), comment="when it escalates next; null where it does not"),
        sa.Column(
            "sight_lost",
            sa.Boolean(),
            nullable=False,
            comment="its alerts ended, and of one nobody knows whether it recovered",
        ),
        sa.Column("summary", sa.Text(), nullable=False, comment="what whoever closed it says; empty before"),
        sa.PrimaryKeyConstraint("id", name="incidents_pkey"),
        comment="what is wrong in one place, from the first alert to the closing words",
    )
    unclosed = sa.text("status != 'closed'")
    op.create_index(
        "incidents_place", "incidents", ["place"], unique=True, sqlite_where=unclosed, postgresql_where=unclosed
    )
    op.create_index("incidents_status", "incidents", ["status", "due_at"])
    op.create_index("incidents_newest", "incidents", ["opened_at", "id"])


def _episodes() -> None:
    op.create_table(
        "incident_episodes",
        sa.Column("incident_id", sa.String(16), nullable=False),
        sa.Column("episode_id", _ID, nullable=False),
        sa.Column("joined_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name="incident_episodes_incident_id_fkey"),
        sa.ForeignKeyConstraint(["episode_id"], ["episodes.id"], name="incident_episodes_episode_id_fkey"),
        sa.PrimaryKeyConstraint("incident_id", "episode_id", name="incident_episodes_pkey"),
        comment="the episodes of incidents; one that fires again after its incident was closed is in the next one, too",
    )
    op.create_index("incident_episodes_episode", "incident_episodes", ["episode_id"])


def _cursor() -> None:
    """What ended before there were incidents opens none."""
    op.create_table(
        "incident_cursor",
        sa.Column(
            "episode_id",
            _ID,
            nullable=False,
            comment="of episodes that have ended, those up to this one were looked at",
        ),
        sa.PrimaryKeyConstraint("episode_id", name="incident_cursor_pkey"),
        comment="one row: how far the look for incidents has come",
    )
    op.execute("INSERT INTO incident_cursor SELECT COALESCE(MAX(id), 0) FROM episodes")
