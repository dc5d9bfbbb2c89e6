"""A test message through each notifier, beside the outbox: whoever wants it is told at once what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from occ import http
from occ.errors import SourceError
from receiver.families import Severity
from receiver.outbox import Notice

from .dispatch import attempt
from .message import Message
from .notifier import Notifier

WITHIN = 20.0
"""Seconds for each notifier: less than those who ask for a test wait for it."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A notifier that was sent a test message; `failure` is None where it has taken it."""

    name: str
    kind: str
    failure: str | None


async def test(notifiers: Iterable[Notifier], id_: str, person: str, now: int) -> tuple[Tried, ...]:
    """What came of a message to each, all at once."""
    text = {"summary": "This is a test: nothing has happened.", "wanted_by": person}
    message = Message(id_, Notice.TEST, Severity.INFO, f"test/{id_}", text, now)
    return tuple(await asyncio.gather(*(_tried(notifier, message) for notifier in notifiers)))


async def _tried(notifier: Notifier, message: Message) -> Tried:
    failure = None
    try:
        async with asyncio.timeout(WITHIN):
            await attempt(notifier, message)
    except SourceError as error:
        failure = str(error)
    except TimeoutError as error:
        failure = str(http.classified(error))
    return Tried(notifier.name, notifier.kind, failure)
