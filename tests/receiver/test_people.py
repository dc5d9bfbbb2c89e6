"""Passwords of people: right or wrong, at what cost, and who has to wait."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher, extract_parameters
from hypothesis import given
from hypothesis import strategies as st

from occ.auth import WAITING_PER_ADDRESS, Busy
from occ.config import load
from receiver.clock import SECOND
from receiver.people import (
    ADDRESS,
    PERSON,
    SLOTS,
    TOGETHER,
    Pace,
    Paced,
    Passwords,
    TooMany,
    dearest,
    hashed,
    matches,
    network,
)
from receiver.policy import Policy
from tests.receiver import acting
from tests.receiver.conftest import Clock

HERE, THERE = "10.0.0.1", "10.0.0.2"


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    acting.policy(tmp_path)
    return load(tmp_path / "policy.yml", Policy, {}).config


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same slots in every run: by a key that differs, two addresses would share one now and then."""
    chance = random.Random(1)
    monkeypatch.setattr("receiver.people.secrets.token_bytes", chance.randbytes)


@pytest.fixture
def paid(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hashes that Argon2 has really worked through, in order."""
    verify: Callable[[PasswordHasher, str, bytes], bool] = PasswordHasher.verify
    worked: list[str] = []

    def verified(self: PasswordHasher, hashed: str, password: bytes) -> bool:
        worked.append(hashed)
        return verify(self, hashed, password)

    monkeypatch.setattr(PasswordHasher, "verify", verified)
    return worked


@pytest.fixture
def go_on(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Argon2 takes until this is set, and then finds every password right."""
    told = threading.Event()
    monkeypatch.setattr(PasswordHasher, "verify", lambda *_: told.wait(30))
    yield told
    told.set()


class TestPasswords:
    async def test_they_fit_the_person_or_not(self, policy: Policy, clock: Clock) -> None:
        passwords = Passwords(clock)
        right = await passwords.right(policy, "opal", "opal's password", HERE)
        assert right is policy.person("opal")
        for name, password in [("opal", "tara's password"), ("opal", ""), ("opal", "\0"), ("opal", "\ud800"), ("", "")]:
            assert await passwords.right(policy, name, password, HERE) is None

    async def test_a_name_that_is_nobodys_costs_what_the_dearest_does(
        self, policy: Policy, clock: Clock, paid: list[str]
    ) -> None:
        """Argon2 is all that takes time here, and how much it takes is the hash's alone."""
        assert await Passwords(clock).right(policy, "nobody", "opal's password", HERE) is None
        assert paid == [dearest(policy)]

    def test_the_dearest_is_by_memory_and_passes(self, tmp_path: Path) -> None:
        acting.policy(tmp_path, {"cheap": ("viewer",), "dear": ("viewer",)})
        (tmp_path / "people/dear.hash").write_text(PasswordHasher(3, 19_456, 1).hash("x"))
        loaded = load(tmp_path / "policy.yml", Policy, {}).config
        assert extract_parameters(dearest(loaded)).time_cost == 3

    async def test_five_guesses_at_a_person_and_then_one_each_half_minute(self, policy: Policy, clock: Clock) -> None:
        passwords = Passwords(clock)
        for _ in range(TOGETHER.burst):
            assert await passwords.right(policy, "opal", "guess", HERE) is None
        with pytest.raises(TooMany, match="try again in 30 s") as told:
            await passwords.right(policy, "opal", "opal's password", HERE)
        assert told.value.after == 30
        clock.now += 30 * SECOND
        assert await passwords.right(policy, "opal", "opal's password", HERE)

    async def test_whoever_waits_is_not_even_looked_at(self, policy: Policy, clock: Clock, paid: list[str]) -> None:
        passwords = Passwords(clock)
        for _ in range(TOGETHER.burst):
            await passwords.right(policy, "opal", "guess", HERE)
        paid.clear()
        with pytest.raises(TooMany):
            await passwords.right(policy, "opal", "guess", HERE)
        assert paid == []

    async def test_what_was_right_is_not_held_against_anybody(self, policy: Policy, clock: Clock) -> None:
        passwords = Passwords(clock)
        for _ in range(3 * ADDRESS.burst):
            assert await passwords.right(policy, "opal", "opal's password", HERE)

    async def test_an_address_is_slowed_down_whoever_it_says_it_is(self, policy: Policy, clock: Clock) -> None:
        passwords = Passwords(clock)
        for number in range(ADDRESS.burst):
            await passwords.right(policy, f"name-{number}", "guess", HERE)
        with pytest.raises(TooMany):
            await passwords.right(policy, "opal", "opal's password", HERE)
        assert await passwords.right(policy, "opal", "opal's password", THERE)

    async def test_guesses_from_everywhere_slow_a_name_down_but_not_where_its_owner_has_been_before(
        self, policy: Policy, clock: Clock
    ) -> None:
        passwords = Passwords(clock)
        assert await passwords.right(policy, "opal", "opal's password", HERE)
        for number in range(PERSON.burst):
            await passwords.right(policy, "opal", "guess", f"10.1.0.{number}")
        with pytest.raises(TooMany):
            await passwords.right(policy, "opal", "opal's password", THERE)
        assert await passwords.right(policy, "opal", "opal's password", HERE)

    async def test_too_many_at_once_are_told_so_and_it_is_not_held_against_them(
        self, policy: Policy, clock: Clock, go_on: threading.Event
    ) -> None:
        passwords = Passwords(clock)
        names = [person.id for person in policy.people]
        asking = [asyncio.create_task(passwords.right(policy, name, "x", HERE)) for name in names[:WAITING_PER_ADDRESS]]
        await asyncio.sleep(0)
        for _ in range(2 * TOGETHER.burst):
            with pytest.raises(Busy):
                await passwords.right(policy, "ada", "x", HERE)
        go_on.set()
        assert await asyncio.gather(*asking) == [policy.person(name) for name in names[:WAITING_PER_ADDRESS]]
        assert await passwords.right(policy, "ada", "x", HERE) is policy.person("ada")


@given(st.lists(st.integers(0, 100 * SECOND), max_size=60))
def test_however_they_come_there_are_never_more_than_the_pace_allows(gaps: list[int]) -> None:
    """In any stretch of time: the burst, and one for each `every` that passed."""
    pace, clock = Pace(3, 10 * SECOND), Clock()
    paced = Paced(pace, clock)
    taken: list[int] = []
    for gap in gaps:
        clock.now += gap
        if paced.wait("x") == 0:
            paced.take("x")
            taken.append(clock.now)
    for first, begun in enumerate(taken):
        for last, ended in enumerate(taken[first:], first):
            assert last - first + 1 <= pace.burst + (ended - begun) / pace.every


def test_the_time_to_wait_is_enough() -> None:
    pace, clock = Pace(2, 10 * SECOND), Clock()
    paced = Paced(pace, clock)
    for _ in range(2):
        assert paced.wait("x") == 0
        paced.take("x")
    wait = paced.wait("x")
    clock.now += wait - 1
    assert paced.wait("x") == 1
    clock.now += 1
    assert paced.wait("x") == 0


def test_a_clock_that_was_set_back_makes_nobody_wait_longer(clock: Clock) -> None:
    paced = Paced(TOGETHER, clock)
    for _ in range(TOGETHER.burst):
        paced.take("cora")
    before = paced.wait("cora")
    assert before > 0
    clock.now -= 86_400 * SECOND
    assert paced.wait("cora") == before
    clock.now += before
    assert paced.wait("cora") == 0


def test_nobody_can_choose_whose_slot_they_share() -> None:
    one, other = Paced(TOGETHER, Clock()), Paced(TOGETHER, Clock())
    names = [f"name-{number}" for number in range(100)]
    assert [one._slot((name,)) for name in names] != [other._slot((name,)) for name in names]
    assert all(0 <= one._slot((name,)) < SLOTS for name in names)


def test_what_is_made_here_is_taken_by_the_policy(tmp_path: Path) -> None:
    acting.policy(tmp_path, {"opal": ("operator",)})
    made = hashed("correct horse")
    (tmp_path / "people/opal.hash").write_text(made)
    [person] = load(tmp_path / "policy.yml", Policy, {}).config.people
    assert person.password.reveal() == made
    assert matches(made, "correct horse")
    assert not matches(made, "correct horse ")
    assert not matches("no hash", "correct horse")


@pytest.mark.parametrize(
    ("address", "sender"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_one_machine_is_one_sender(address: str, sender: str) -> None:
    assert network(address) == sender
