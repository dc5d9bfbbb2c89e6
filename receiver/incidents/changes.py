"""Runs what is done about incidents through the one writer: numbers move once it is committed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from receiver.changes import Changes, Rules
from receiver.judging import judged
from receiver.policy import Person
from receiver.requests import Change
from receiver.rulings import Refusal
from receiver.why import Why

from .life import Unturnable
from .meters import IncidentMeters
from .store import Entry

T = TypeVar("T")


class IncidentChanges:
    """The way to every row of incidents."""

    def __init__(self, changes: Changes, rules: Rules, meters: IncidentMeters) -> None:
        self._changes, self._rules = changes, rules
        self.meters = meters

    async def make(self, work: Callable[[Entry], T]) -> T:
        """The work's result once it is durable. Raises NotDurable, or what the work raised; then nothing of it is there."""
        entries: list[Entry] = []
        result = await self._changes.make(lambda change: work(self._entry(change, entries)))
        self._count(entries)
        return result

    async def judge(self, person: Person, about: dict[str, str], work: Callable[[Entry], T]) -> T:
        """As `make`, of what a person does. Raises Refusal, which is recorded."""
        entries: list[Entry] = []

        def tried(change: Change) -> T:
            try:
                return work(self._entry(change, entries))
            except Unturnable as error:
                raise Refusal(Why.WRONG_STATE, str(error)) from None

        result = await judged(self._changes, person, about, tried)
        self._count(entries)
        return result

    def _entry(self, change: Change, entries: list[Entry]) -> Entry:
        entries.append(entry := Entry(change, self._rules.current.policy))
        return entry

    def _count(self, entries: list[Entry]) -> None:
        for entry in entries:
            self.meters.measured(entry.measured)
            self.meters.escalated(entry.escalated)
