"""Concurrency keys: what one request holds, no other may touch. Rows of the table `leases`, within a transaction.

A lease has a fence that grows with every holder, a process that holds it, and an instant after which that process sends
nothing. A request keeps its keys until it has ended; a process that finds a request started takes its leases over, with a
higher fence. What the one before still has in hand fails at `held`, and at a target that compares fences.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, insert, select, update

from occ.errors import OccError

from .schema import leases


class Fenced(OccError):  # noqa: N818 - it names what is the matter
    """Another process has taken the request over, or it has ended."""


def free(connection: Connection, keys: Collection[str], request: str) -> bool:
    """Whether no other request holds any of the keys."""
    others = select(leases.c.key).where(
        leases.c.key.in_(keys), leases.c.request_id.is_not(None), leases.c.request_id != request
    )
    return connection.execute(others).first() is None


class Fences:
    """Gives fences out: each higher than all before, and never below the clock, so that they grow from process to process.

    They do not come from the database: what somebody wrote there would be sent to the target, which would remember it.
    """

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def next(self, now: int) -> int:
        self.last = max(now, self.last + 1)
        return self.last


def take(connection: Connection, keys: Collection[str], request: str, holder: str, *, fence: int, until: int) -> None:
    """Makes the keys this holder's, under one fence."""
    known = set(connection.execute(select(leases.c.key).where(leases.c.key.in_(keys))).scalars())
    row = {"fence": fence, "request_id": request, "holder": holder, "until": until}
    for key in keys:
        if key in known:
            connection.execute(update(leases).where(leases.c.key == key).values(**row))
        else:
            connection.execute(insert(leases).values(key=key, **row))


def held(connection: Connection, keys: Collection[str], request: str, holder: str, fence: int) -> bool:
    """Whether all the keys are still the request's, in the hands of this holder, under this fence."""
    mine = select(leases.c.key).filter_by(request_id=request, holder=holder, fence=fence)
    return set(connection.execute(mine).scalars()) == set(keys)


def of(connection: Connection, request: str) -> tuple[str, ...]:
    """The keys that the request holds."""
    query = select(leases.c.key).filter_by(request_id=request).order_by(leases.c.key)
    return tuple(connection.execute(query).scalars())


def holders(connection: Connection) -> set[str]:
    """The requests that hold a key."""
    query = select(leases.c.request_id).where(leases.c.request_id.is_not(None))
    return {str(id_) for id_ in connection.execute(query).scalars()}


def release(connection: Connection, request: str) -> None:
    """Lets go of all that the request holds; the fences stay."""
    connection.execute(update(leases).where(leases.c.request_id == request).values(request_id=None))
