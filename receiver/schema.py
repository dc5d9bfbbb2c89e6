"""The tables. Instants are microseconds since 1970, UTC."""

from __future__ import annotations

from sqlalchemy import (
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
    and_,
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
