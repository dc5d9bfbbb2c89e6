"""What a protocol is to the server: questions and answers over HTTP, conversations over WebSocket, and streams to many at once."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

import orjson

from .accounts import LOOPBACK
from .exchange import Exchange
from .faults import Fault
from .market import Market

Json = Any

_GAP = 10  # of so many updates of a book, the first one is left out
_BEHIND = 10_000  # messages that a client may leave unread before it is cut off


@dataclass(frozen=True)
class Question:
    """As it came over the wire; `query` and `body` are not decoded, because signatures are made over them. `address` is where
    it came from.
    """

    method: str
    host: str
    path: str
    query: str = ""
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    address: str = LOOPBACK


@dataclass(frozen=True)
class Answer:
    """`changes` says that the question was to change something, whether or not it did."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    changes: bool = False

    @classmethod
    def json(cls, told: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> "Answer":
        return cls(status, orjson.dumps(told), headers or {})


class Talk(Protocol):
    """One open WebSocket, as its protocol sees it."""

    line: "Line"

    def hear(self, text: str) -> None:
        """A message of the client; what is to be said goes to the line."""

    def close(self) -> None:
        """The client is gone."""


class Dialect(Protocol):
    """The wire protocol of one venue."""

    exchange: Exchange
    hosts: frozenset[str]

    def answer(self, question: Question) -> Answer: ...

    def talk(self, host: str, path: str, line: "Line") -> Talk | None:
        """None where no WebSocket is served at that path."""

    def publish(self) -> None:
        """Tell all streams what happened; after each `exchange.advance()`."""


class Line:
    """Messages to one client, until they are sent."""

    def __init__(self) -> None:
        self.envelope: Callable[[str, str], str] | None = (
            None  # what a message of a stream is wrapped in, by the stream's name
        )
        self._unsent: deque[tuple[float, str]] = deque()
        self._wake = asyncio.Event()

    @property
    def behind(self) -> bool:
        return len(self._unsent) > _BEHIND

    def say(self, text: str) -> None:
        self._unsent.append((asyncio.get_running_loop().time(), text))
        self._wake.set()

    def tell(self, message: Json) -> None:
        self.say(orjson.dumps(message).decode())

    async def next(self) -> tuple[float, str]:
        """When it was said, by the loop's clock, and what."""
        while not self._unsent:
            self._wake.clear()
            await self._wake.wait()
        return self._unsent.popleft()


class Streams:
    """Who listens to which stream of one venue, and the faults that leave out or swap updates of a book."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._listeners: dict[str, set[Line]] = {}
        self._faulty: dict[str, int] = {}  # updates of a stream since a fault of it was set
        self._late: dict[str, str] = {}  # an update that lets the next one pass

    def __contains__(self, stream: str) -> bool:
        return stream in self._listeners

    def join(self, stream: str, line: Line) -> None:
        self._listeners.setdefault(stream, set()).add(line)

    def leave(self, stream: str, line: Line) -> None:
        listeners = self._listeners.get(stream, set())
        listeners.discard(line)
        if not listeners:
            self._listeners.pop(stream, None)

    def say(self, stream: str, message: Json) -> None:
        self._send(stream, orjson.dumps(message).decode())

    def say_book(self, stream: str, market: Market, message: Json) -> None:
        """As `say`; GAP leaves it out now and then, REORDERED sends it after the next."""
        text = orjson.dumps(message).decode()
        gap, swap = (self._exchange.on(fault, market) for fault in (Fault.GAP, Fault.REORDERED))
        if not gap and not swap:
            self._faulty.pop(stream, None)
        else:
            self._faulty[stream] = self._faulty.get(stream, -1) + 1
        if gap and self._faulty[stream] % _GAP == 0:
            return
        if swap and stream not in self._late:
            self._late[stream] = text
            return
        self._send(stream, text)
        if late := self._late.pop(stream, None):
            self._send(stream, late)

    def _send(self, stream: str, text: str) -> None:
        for line in self._listeners.get(stream, ()):
            line.say(line.envelope(stream, text) if line.envelope else text)


def decimal(units: int, decimals: int, shown: int | None = None) -> str:
    """`units` of 10^-`decimals` as text, with zeros up to `shown` decimals."""
    sign, units = ("-", -units) if units < 0 else ("", units)
    text = str(units).rjust(decimals + 1, "0")
    whole, fraction = (text[:-decimals], text[-decimals:]) if decimals else (text, "")
    fraction = fraction.ljust(shown or 0, "0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


ABSURD = (("NaN", "1.0"), ("-1.0", "3.0"), ("1e30", "-2.0"), ("0.0", "0.5"))
"""Levels that no book has."""


def told(exchange: Exchange, market: Market, levels: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The levels of a message; absurd ones come before them, and amounts are doubled, where these faults are set."""
    if exchange.on(Fault.CORRUPT, market):
        levels = [(price, f"{2 * Decimal(quantity):f}") for price, quantity in levels]
    return [*(ABSURD if exchange.on(Fault.ABSURD, market) else ()), *levels]
