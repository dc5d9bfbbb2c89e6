"""Sessions: who is logged in, until when, and what a hand in the database can not do."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from occ.config import load
from receiver.audit.checkpoints import Checkpoints
from receiver.audit.seal import Audit
from receiver.clock import SECOND
from receiver.database import Database
from receiver.people import ADDRESS
from receiver.policy import Policy
from receiver.sessions import FAILURES, LASTS, LONGEST_TOKEN, MOST, Session, Sessions, proof
from receiver.writer import Writer
from tests.receiver import acting
from tests.receiver.conftest import Clock
from tests.receiver.support import NOW

HERE = "10.0.0.1"


@dataclass
class House:
    """Sessions over a real database."""

    folder: Path
    database: Database
    clock: Clock
    policy: Policy
    sessions: Sessions

    def reload(self, **changed: tuple[str, ...] | None) -> None:
        """The policy with other roles for some people; None for those who are gone."""
        people = {name: roles for name, roles in (acting.PEOPLE | changed).items() if roles is not None}
        acting.policy(self.folder, people)
        self.policy = load(self.folder / "policy.yml", Policy, {}).config

    async def log_in(self, name: str = "opal", address: str = HERE) -> tuple[str, Session]:
        found = await self.sessions.log_in(name, acting.password(name), address)
        assert found is not None
        return found

    def tamper(self, statement: str, **values: Any) -> None:
        """What somebody does who can write to the file."""
        with self.database.writing.begin() as connection:
            connection.execute(text(statement), values)

    def recorded(self) -> list[dict[str, Any]]:
        with self.database.reading.begin() as connection:
            rows = connection.execute(text("SELECT bytes FROM audit ORDER BY seq")).scalars().all()
        return [orjson.loads(row) for row in rows][1:]  # the first says that the database was made


@pytest.fixture
async def house(tmp_path: Path, database: Database) -> AsyncIterator[House]:
    acting.policy(tmp_path)
    clock = Clock()
    audit = Audit(acting.MAC_KEY.encode(), clock)
    with database.writing.begin() as connection:
        audit.begin(connection, Checkpoints(tmp_path / "checkpoints", Ed25519PrivateKey.generate(), clock))
        closing = audit.closing(connection)
    audit.committed(closing)
    policy = load(tmp_path / "policy.yml", Policy, {}).config
    with Writer(database.writing, audit.closing, audit.committed) as writer:
        made = Sessions(writer, database.reading, audit, lambda: held.policy, clock)
        held = House(tmp_path, database, clock, policy, made)
        yield held


async def test_a_token_stands_for_its_person(house: House) -> None:
    token, session = await house.log_in("opal")
    assert await house.sessions.find(token) == session
    assert (session.person.id, session.person.roles) == ("opal", ("operator",))
    assert session.expires_at == NOW + LASTS


async def test_two_logins_are_two_sessions(house: House) -> None:
    (one, first), (other, second) = await house.log_in(), await house.log_in()
    assert one != other
    assert first.id != second.id


@pytest.mark.parametrize("token", ["", "x", "\0", "\ud800", "x" * LONGEST_TOKEN, "x" * 10_000])
async def test_any_other_token_is_nobodys(house: House, token: str) -> None:
    await house.log_in()
    assert await house.sessions.find(token) is None


async def test_a_wrong_password_is_no_session(house: House) -> None:
    assert await house.sessions.log_in("opal", "guess", HERE) is None


async def test_the_token_is_not_in_the_database(house: House) -> None:
    token, _ = await house.log_in()
    with house.database.reading.begin() as connection:
        rows = connection.execute(text("SELECT * FROM sessions")).all()
        records = connection.execute(text("SELECT * FROM audit")).all()
    assert hashlib.sha256(token.encode()).hexdigest() in repr(rows)
    assert token not in repr((rows, records))
    assert "argon2" not in repr((rows, records))


async def test_it_ends_after_twelve_hours(house: House) -> None:
    token, _ = await house.log_in()
    house.clock.now += 12 * 3600 * SECOND - 1
    assert await house.sessions.find(token)
    house.clock.now += 1
    assert await house.sessions.find(token) is None


async def test_it_ends_when_it_is_revoked_and_others_go_on(house: House) -> None:
    (token, session), (other, _) = await house.log_in(), await house.log_in()
    assert await house.sessions.end(session) == 1
    assert await house.sessions.find(token) is None
    assert await house.sessions.find(other)
    assert await house.sessions.end(session) == 0


async def test_all_of_a_person_end_together(house: House) -> None:
    (first, session), (second, _), (tara, _) = await house.log_in(), await house.log_in(), await house.log_in("tara")
    assert await house.sessions.end_all(session) == 2
    assert [await house.sessions.find(token) for token in (first, second)] == [None, None]
    assert await house.sessions.find(tara)


async def test_of_too_many_of_a_person_the_oldest_ends(house: House) -> None:
    tara, _ = await house.log_in("tara")
    tokens = []
    for _ in range(MOST + 2):
        tokens.append((await house.log_in())[0])
        house.clock.now += SECOND
    found = [await house.sessions.find(token) is not None for token in tokens]
    assert found == [False, False] + [True] * MOST
    assert await house.sessions.find(tara)
    ended = [entry["data"]["person"] for entry in house.recorded() if entry["kind"] == "session.revoked"]
    assert ended == ["opal", "opal"]


async def test_the_roles_are_those_of_now(house: House) -> None:
    token, _ = await house.log_in()
    house.reload(opal=("viewer",))
    found = await house.sessions.find(token)
    assert found is not None
    assert found.person.roles == ("viewer",)


async def test_who_has_left_the_policy_has_no_session(house: House) -> None:
    token, _ = await house.log_in()
    house.reload(opal=None)
    assert await house.sessions.find(token) is None


async def test_another_password_ends_the_sessions_of_the_one_before(house: House) -> None:
    token, _ = await house.log_in()
    (house.folder / "people/opal.hash").write_text(acting.hashed("another"))
    house.policy = load(house.folder / "policy.yml", Policy, {}).config
    assert await house.sessions.find(token) is None


async def test_everyone_s_end_together_and_a_forged_one_is_none_to_end(house: House) -> None:
    tokens = [(await house.log_in(name))[0] for name in ("opal", "tara", "rita")]
    house.tamper("UPDATE sessions SET person = 'cora' WHERE person = 'rita'")
    assert await house.sessions.end_everyones() == 2
    assert [await house.sessions.find(token) for token in tokens] == [None, None, None]
    assert house.recorded()[-1]["by"] == "receiver"


# --- a hand in the database -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sessions SET person = 'cora'",
        "UPDATE sessions SET expires_at = expires_at + 1",
        "UPDATE sessions SET created_at = 0",
        "UPDATE sessions SET seal = replace(seal, substr(seal, 1, 1), 'x')",
        "UPDATE sessions SET seal = ''",
        "UPDATE sessions SET id = 'ffffffffffffffff'",
        "UPDATE sessions SET audit_seq = 1",
    ],
)
async def test_a_changed_row_is_nobodys(house: House, statement: str, caplog: pytest.LogCaptureFixture) -> None:
    token, _ = await house.log_in()
    house.tamper(statement)
    assert await house.sessions.find(token) is None
    assert "a session was refused" in caplog.text
    assert token not in caplog.text


async def test_a_row_made_by_hand_is_nobodys(house: House) -> None:
    await house.log_in("cora")
    house.tamper(
        "INSERT INTO sessions SELECT 'ffffffffffffffff', :hash, person, credential, created_at, expires_at, revoked_at,"
        " audit_seq, seal FROM sessions",
        hash=hashlib.sha256(b"mine").hexdigest(),
    )
    assert await house.sessions.find("mine") is None


async def test_a_revoked_row_can_not_be_put_back(house: House) -> None:
    token, session = await house.log_in()
    with house.database.reading.begin() as connection:
        before = dict(connection.execute(text("SELECT * FROM sessions")).mappings().one())
    await house.sessions.end(session)
    house.tamper("DELETE FROM sessions")
    names = ", ".join(before)
    house.tamper(f"INSERT INTO sessions ({names}) VALUES ({', '.join(f':{name}' for name in before)})", **before)
    assert await house.sessions.find(token) is None


# --- what is recorded -------------------------------------------------------------------------------------------------


async def test_a_session_s_beginning_and_end_are_recorded(house: House) -> None:
    _, session = await house.log_in()
    await house.sessions.end(session)
    begun, ended = house.recorded()
    assert (begun["kind"], begun["by"], begun["subject"]) == ("session.begun", "opal", f"session/{session.id}")
    assert begun["data"] == {"person": "opal", "address": HERE, "expires_at": str(NOW + LASTS)}
    assert (ended["kind"], ended["by"], ended["data"]["person"]) == ("session.revoked", "opal", "opal")


async def test_a_failed_login_is_recorded_but_not_what_was_typed_in_place_of_a_name(house: House) -> None:
    await house.sessions.log_in("opal", "guess", HERE)
    await house.sessions.log_in("hunter2", "guess", HERE)
    assert [(it["kind"], it["data"]["person"]) for it in house.recorded()] == [
        ("login.failed", "opal"),
        ("login.failed", "unknown"),
    ]
    assert "hunter2" not in str(house.recorded())
    assert "guess" not in str(house.recorded())


async def test_many_failed_logins_are_counted_and_do_not_fill_the_audit(house: House) -> None:
    attempts = 3 * ADDRESS.burst
    for number in range(attempts):
        await house.sessions.log_in(f"name-{number}", "guess", f"10.1.{number}.1")
    assert len(house.recorded()) == FAILURES.burst
    house.clock.now += FAILURES.every
    await house.sessions.log_in("opal", "guess", HERE)
    assert house.recorded()[-1]["data"]["before_it_unrecorded"] == str(attempts - FAILURES.burst)


async def test_logins_at_the_same_time(house: House) -> None:
    found = await asyncio.gather(*(house.log_in(name) for name in ("opal", "tara", "rita")))
    assert [(await house.sessions.find(token)) for token, _ in found] == [session for _, session in found]


def test_the_proof_is_of_the_token_and_does_not_tell_it() -> None:
    assert proof("one") == proof("one") != proof("two")
    assert len(proof("one")) == 64
