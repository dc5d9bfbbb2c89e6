"""Who a person is: a password against the policy's Argon2id hash, and how often that may be tried.

Argon2id is slow and takes much memory on purpose, so it runs in threads, a few at a time. Failed attempts are slowed down by
person, by address, and by both together; an attempt is paid for when it begins and given back when it was right. Somebody who
guesses a person's password from elsewhere keeps that person out of no address where they have logged in before.
"""

from __future__ import annotations

import functools
import hashlib
import ipaddress
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from occ.auth import Busy, Gate
from occ.errors import OccError

from .clock import SECOND
from .policy import Person, Policy

SLOTS = 4096
REMEMBERED = 1024
NOBODY = "unknown"
"""Instead of a name that is nobody's: people type passwords there."""

_HASHER = PasswordHasher()


class TooMany(OccError):  # noqa: N818 - it names what is the matter
    """Too many attempts; `after` is in seconds."""

    def __init__(self, after: int) -> None:
        super().__init__(f"too many attempts; try again in {after} s")
        self.after = after


@dataclass(frozen=True, slots=True)
class Pace:
    """So many attempts at once, and one more each `every` microseconds."""

    burst: int
    every: int


TOGETHER = Pace(5, 30 * SECOND)
"""For one person from one address."""
ADDRESS = Pace(20, 5 * SECOND)
PERSON = Pace(50, 10 * SECOND)
"""For one person from every address where they have not logged in before."""


class Paced:
    """Attempts at one pace, by what they are of (the generic cell rate algorithm, ITU-T I.371).

    There is a fixed number of slots, so that nobody fills the memory or washes away what is known of others; what shares a
    slot waits together. Which things share one is known to nobody else.
    """

    def __init__(self, pace: Pace, now: Callable[[], int]) -> None:
        self._pace = pace
        self._clock = now
        self._last = now()
        self._key = secrets.token_bytes(16)
        self._until = [0] * SLOTS

    def wait(self, *of: str) -> int:
        """Microseconds until there may be another; 0 where there may be one now."""
        now = self._now()
        return max(0, self._until[self._slot(of)] - now - (self._pace.burst - 1) * self._pace.every)

    def take(self, *of: str) -> None:
        slot, now = self._slot(of), self._now()
        self._until[slot] = max(self._until[slot], now) + self._pace.every

    def give_back(self, *of: str) -> None:
        self._until[self._slot(of)] -= self._pace.every

    def _now(self) -> int:
        """A clock that was set back makes nobody wait longer."""
        now = self._clock()
        if (back := self._last - now) > 0:
            self._until = [until - back for until in self._until]
        self._last = now
        return now

    def _slot(self, of: tuple[str, ...]) -> int:
        digest = hashlib.blake2b("\0".join(of).encode("utf-8", "surrogatepass"), key=self._key, digest_size=8)
        return int.from_bytes(digest.digest(), "big") % SLOTS


_Charge = tuple[Paced, tuple[str, ...]]


class Passwords:
    """Checks the passwords of the policy's people."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._gate = Gate()
        self._together, self._address, self._person = (Paced(pace, now) for pace in (TOGETHER, ADDRESS, PERSON))
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def right(self, policy: Policy, name: str, password: str, address: str) -> Person | None:
        """The person whose name and password these are. Raises TooMany, or Busy where too many wait already."""
        address = network(address)
        charged = self._charged(name, address)
        if wait := max(paced.wait(*of) for paced, of in charged):
            raise TooMany(-(-wait // SECOND))
        for paced, of in charged:
            paced.take(*of)
        person = policy.person(name)
        hashed = person.password.reveal() if person else dearest(policy)
        try:
            right = await self._gate.check(functools.partial(matches, hashed, password), address)
        except Busy:  # nothing was tried
            _give_back(charged)
            raise
        if not right or person is None:
            return None
        _give_back(charged)
        self._remember(name, address)
        return person

    def _charged(self, name: str, address: str) -> list[_Charge]:
        charged: list[_Charge] = [(self._together, (name, address)), (self._address, (address,))]
        return charged if (name, address) in self._known else [*charged, (self._person, (name,))]

    def _remember(self, name: str, address: str) -> None:
        self._known[name, address] = None
        self._known.move_to_end((name, address))
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def _give_back(charged: list[_Charge]) -> None:
    for paced, of in charged:
        paced.give_back(*of)


def matches(hashed: str, password: str) -> bool:
    """Whether the hash is of this password. Slow."""
    try:
        return _HASHER.verify(hashed, password.encode("utf-8", "surrogatepass"))
    except (VerificationError, InvalidHashError):
        return False


def hashed(password: str) -> str:
    """The Argon2id hash of a password, by the profile of RFC 9106 for little memory."""
    return _HASHER.hash(password)


def dearest(policy: Policy) -> str:
    """The hash that costs most to check: checked for a name that is nobody's, so that the time tells nothing."""

    def cost(hashed: str) -> int:
        found = extract_parameters(hashed)
        return found.memory_cost * found.time_cost

    return max((person.password.reveal() for person in policy.people), key=cost)


def network(address: str) -> str:
    """What is one sender: an IPv4 address, or the /64 of an IPv6 one, of which a single machine has all addresses."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 4:  # noqa: PLR2004 - the version's own number
        return str(found)
    mapped = found.ipv4_mapped
    return str(mapped) if mapped else str(ipaddress.ip_network((found, 64), strict=False).network_address)
