"""Who is logged in. A session is a sealed row and a token that only the client has; the database knows its SHA-256.

Nothing is remembered between requests: each is judged by the row, its seal and the policy as they are then, so that neither a
revocation nor a change of the policy can come too late.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, select, true

from .audit.seal import OURSELVES, Audit, Forged
from .clock import SECOND
from .people import NOBODY, Pace, Paced, Passwords
from .policy import Person, Policy
from .schema import sessions
from .writer import Writer

log = logging.getLogger(__name__)

LASTS = 12 * 3600 * SECOND
MOST = 20
"""Sessions of one person at a time: with another the oldest ends, so that what was left behind somewhere does not stay for ever."""
LONGEST_TOKEN = 64
FAILURES = Pace(30, 60 * SECOND)
"""Failed logins that are recorded one by one; of the others how many there were."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is logged in, with the roles that the policy gives now."""

    id: str
    person: Person
    created_at: int
    expires_at: int


class Sessions:
    """Begins, finds and ends sessions."""

    def __init__(
        self, writer: Writer[Any], reading: Engine, audit: Audit, policy: Callable[[], Policy], now: Callable[[], int]
    ) -> None:
        self._writer = writer
        self._reading = reading
        self._audit = audit
        self._policy = policy
        self._now = now
        self._passwords = Passwords(now)
        self._failures = Paced(FAILURES, now)
        self._unrecorded = 0

    async def log_in(self, name: str, password: str, address: str) -> tuple[str, Session] | None:
        """A token and what it stands for; None where name or password are wrong. Raises TooMany, Busy and NotDurable."""
        person = await self._passwords.right(self._policy(), name, password, address)
        if person is None:
            await self._failed(name, address)
            return None
        return await self._begin(person, address)

    async def _begin(self, person: Person, address: str) -> tuple[str, Session]:
        token, now = secrets.token_urlsafe(32), self._now()
        session = Session(secrets.token_hex(8), person, now, now + LASTS)
        row = {
            "id": session.id,
            "token_hash": _hash(token),
            "person": person.id,
            "credential": person.credential,
            "created_at": now,
            "expires_at": session.expires_at,
            "revoked_at": None,
        }
        said = {"person": person.id, "address": address, "expires_at": str(session.expires_at)}

        def work(connection: Connection) -> None:
            self._end_oldest(connection, person.id)
            self._audit.write(connection, sessions, row, kind="session.begun", by=person.id, data=said)

        await self._writer.run(work)
        return token, session

    def _end_oldest(self, connection: Connection, person: str) -> None:
        """Makes room for one more."""
        order = sessions.c.created_at.desc(), sessions.c.id
        standing = self._standing().where(sessions.c.person == person).order_by(*order)
        for row in connection.execute(standing).mappings().all()[MOST - 1 :]:
            self._end(connection, person, row)

    async def find(self, token: str) -> Session | None:
        """The session of the token while it is in force."""
        if not 0 < len(token) <= LONGEST_TOKEN:
            return None
        return await asyncio.to_thread(self._find, _hash(token))

    async def end(self, session: Session) -> int:
        """Revokes one session; tells whether there was one to revoke."""
        this = sessions.c.id == session.id
        return await self._writer.run(lambda connection: self._revoke(connection, session.person.id, this))

    async def end_all(self, session: Session) -> int:
        """Revokes every session of its person; tells how many there were."""
        of_person = sessions.c.person == session.person.id
        return await self._writer.run(lambda connection: self._revoke(connection, session.person.id, of_person))

    async def end_everyones(self) -> int:
        """Revokes all sessions there are: for a database that was put back, with sessions in it that had been revoked."""
        return await self._writer.run(lambda connection: self._revoke(connection, OURSELVES, true()))

    async def _failed(self, name: str, address: str) -> None:
        """Records a failed login, as far as there are not too many."""
        person = name if self._policy().person(name) else NOBODY
        log.warning("a login as %s from %s failed", person, address)
        if self._failures.wait():
            self._unrecorded += 1
            return
        self._failures.take()
        unrecorded, self._unrecorded = self._unrecorded, 0
        said = {"address": address, "person": person, "before_it_unrecorded": str(unrecorded)}
        await self._writer.run(
            lambda connection: self._audit.append(
                connection, kind="login.failed", subject="login/failed", by=NOBODY, data=said
            )
        )

    def _find(self, token_hash: str) -> Session | None:
        with self._reading.begin() as connection:
            found = connection.execute(select(sessions).where(sessions.c.token_hash == token_hash)).one_or_none()
            if found is None:
                return None
            try:
                row = self._audit.check(connection, sessions, found._asdict())
            except Forged as error:
                log.error("a session was refused: %s", error)  # noqa: TRY400 - it says all that there is to know
                return None
        if row["revoked_at"] is not None or row["expires_at"] <= self._now():
            return None
        return _session(row, self._policy().person(row["person"]))

    def _revoke(self, connection: Connection, by: str, which: ColumnElement[bool]) -> int:
        rows = connection.execute(self._standing().where(which)).mappings().all()
        return sum(self._end(connection, by, row) for row in rows)

    def _standing(self) -> Select[Any]:
        return select(sessions).where(sessions.c.revoked_at.is_(None), sessions.c.expires_at > self._now())

    def _end(self, connection: Connection, by: str, row: Mapping[Any, Any]) -> bool:
        ended = {**row, "revoked_at": self._now()}
        said = {"person": row["person"], "revoked_at": str(ended["revoked_at"])}
        try:
            self._audit.write(connection, sessions, ended, kind="session.revoked", by=by, data=said)
        except Forged as error:  # it is nobody's session, whatever it says
            log.error("a session can not be revoked: %s", error)  # noqa: TRY400 - it says all that there is to know
            return False
        return True


def _session(row: Mapping[str, Any], person: Person | None) -> Session | None:
    """None where the policy does not know the person any more, or knows another password."""
    if person is None or not hmac.compare_digest(person.credential, row["credential"]):
        return None
    return Session(row["id"], person, row["created_at"], row["expires_at"])


def proof(token: str) -> str:
    """What a page of ours sends along with a form, and no other page can know (CSRF)."""
    return hmac.digest(token.encode("utf-8", "surrogatepass"), b"occ-form-v1", "sha256").hex()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
