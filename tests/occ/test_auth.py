"""Passwords: right or wrong, at what cost, and who has to wait. (Over real connections: test_tls.)"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import bcrypt
import pytest

from occ.auth import AT_ONCE, REMEMBERED, WAITING, WAITING_PER_ADDRESS, Busy, Passwords, credentials
from occ.config import Secret
from tests.occ.served import PASSWORD, hashed, until

USERS = {"anna": Secret(hashed()), "bert": Secret(hashed("bert's"))}
HERE = "127.0.0.1"


@pytest.fixture
def paid(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The costs of the hashes that bcrypt has really worked through, in order."""
    check: Callable[[bytes, bytes], bool] = bcrypt.checkpw
    costs: list[int] = []

    def checked(password: bytes, hashed: bytes) -> bool:
        outcome = check(password, hashed)
        costs.append(int(hashed.split(b"$")[2]))
        return outcome

    monkeypatch.setattr(bcrypt, "checkpw", checked)
    return costs


@pytest.fixture
def go_on(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """bcrypt takes until this is set, and then finds every password right."""
    told = threading.Event()
    monkeypatch.setattr(bcrypt, "checkpw", lambda _password, _hashed: told.wait(30))
    yield told
    told.set()


def right(passwords: Passwords, user: str, password: str, address: str = HERE) -> asyncio.Task[bool]:
    return asyncio.create_task(passwords.right(USERS, user, password.encode(), address))


class TestPasswords:
    async def test_they_fit_the_user_or_not(self) -> None:
        passwords = Passwords()
        assert await right(passwords, "anna", PASSWORD)
        assert not await right(passwords, "bert", PASSWORD)
        assert not await right(passwords, "anna", "")
        assert not await right(passwords, "anna", "\0")
        assert not await right(passwords, "nobody", PASSWORD)

    async def test_what_was_right_does_not_cost_anything_again(self, paid: list[int]) -> None:
        passwords = Passwords()
        for _ in range(100):
            assert await right(passwords, "anna", PASSWORD)
        assert paid == [4]

    async def test_what_was_wrong_costs_the_same_every_time(self, paid: list[int]) -> None:
        passwords = Passwords()
        for _ in range(3):
            assert not await right(passwords, "anna", "guess")
        assert paid == [4, 4, 4]

    async def test_what_was_right_is_worth_nothing_with_another_hash(self) -> None:
        passwords = Passwords()
        assert await right(passwords, "anna", PASSWORD)
        changed = {"anna": Secret(hashed("another"))}
        assert not await passwords.right(changed, "anna", PASSWORD.encode(), HERE)
        assert not await passwords.right({}, "anna", PASSWORD.encode(), HERE)

    async def test_how_much_is_remembered_is_bounded_and_the_latest_stays(self) -> None:
        users = {str(number): Secret(hashed()) for number in range(REMEMBERED + 5)}
        passwords = Passwords()
        for user in users:
            assert await passwords.right(users, user, PASSWORD.encode(), HERE)
        assert len(passwords._right) == REMEMBERED

    async def test_what_is_remembered_is_no_password_and_of_no_use_elsewhere(self) -> None:
        one, other = Passwords(), Passwords()
        for passwords in (one, other):
            assert await right(passwords, "anna", PASSWORD)
        [of_one], [of_other] = one._right, other._right
        assert (len(of_one), of_one == of_other) == (32, False)

    async def test_a_long_one_counts_as_far_as_bcrypt_looks(self) -> None:
        long = "x" * 72
        users = {"anna": Secret(hashed(long))}
        assert await Passwords().right(users, "anna", f"{long}yz".encode(), HERE)

    async def test_an_unknown_user_costs_what_the_dearest_known_one_does(self, paid: list[int]) -> None:
        """bcrypt is all that takes time here, and how much it takes is the cost's alone."""
        users = {"anna": Secret(hashed(cost=6)), "bert": Secret(hashed(cost=4))}
        passwords = Passwords()
        for user in ("anna", "nobody", "bert"):
            assert not await passwords.right(users, user, b"wrong", HERE)
        assert not await passwords.right({}, "nobody", b"wrong", HERE)
        assert paid == [6, 6, 4, 10]

    async def test_the_loop_goes_on_meanwhile(self, go_on: threading.Event) -> None:
        check = right(Passwords(), "anna", PASSWORD)
        for _ in range(1000):
            await asyncio.sleep(0)
        assert not check.done()
        go_on.set()
        assert await check

    async def test_an_address_that_guesses_has_to_wait_and_others_do_not(self) -> None:
        passwords = Passwords()
        guesses = [right(passwords, "anna", f"guess {n}", "10.0.0.1") for n in range(WAITING_PER_ADDRESS + 10)]
        outcomes = await asyncio.gather(*guesses, return_exceptions=True)
        assert sum(isinstance(outcome, Busy) for outcome in outcomes) == 10
        more = [right(passwords, "anna", f"guess {n}", "10.0.0.1") for n in range(WAITING_PER_ADDRESS)]
        assert await right(passwords, "anna", PASSWORD, "10.0.0.2")
        await asyncio.gather(*more)
        assert not passwords.gate.waiting

    async def test_all_together_are_bounded_too(self) -> None:
        passwords = Passwords()
        guesses = [right(passwords, "anna", "guess", f"10.0.0.{n}") for n in range(WAITING + 1)]
        outcomes = await asyncio.gather(*guesses, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes].count(Busy) == 1

    async def test_whoever_has_logged_in_before_never_waits(self) -> None:
        passwords = Passwords()
        assert await right(passwords, "anna", PASSWORD)
        guesses = [right(passwords, "anna", "guess", f"10.0.0.{n}") for n in range(WAITING + 1)]
        await asyncio.sleep(0)
        assert await right(passwords, "anna", PASSWORD, "10.0.0.1")
        await asyncio.gather(*guesses, return_exceptions=True)

    async def test_going_away_does_not_make_room_for_more_at_once(self, go_on: threading.Event) -> None:
        passwords = Passwords()
        for n in range(WAITING_PER_ADDRESS):
            asking = right(passwords, "anna", f"guess {n}")
            await asyncio.sleep(0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        assert passwords.gate.waiting[HERE] == WAITING_PER_ADDRESS > AT_ONCE
        with pytest.raises(Busy):
            await right(passwords, "anna", "again")
        go_on.set()
        await until(lambda: not passwords.gate.waiting)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Basic YW5uYTpwYXNz", ("anna", b"pass")),
        ("basic YW5uYTpwYXNz ", ("anna", b"pass")),
        ("Basic YW5uYTo6cDp3", ("anna", b":p:w")),
        ("Basic YW5uYTo=", ("anna", b"")),
        ("Basic YW5uYQ==", None),
        ("Basic /zph", None),
        ("Bearer YW5uYTpwYXNz", None),
        ("", None),
    ],
)
def test_a_header_is_a_login_or_it_is_none(header: str, found: tuple[str, bytes] | None) -> None:
    assert credentials(header) == found
