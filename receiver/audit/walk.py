"""Follows a chain of records from the first on, and tells apart what was done to it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .chain import CREATED, NOTHING, START, TROUBLE, Head, Record, Unreadable, digest, parse

MOST = 100
"""So many troubles are told; with more there is nothing left to tell apart."""

_DIGITS = 15


class Fault(StrEnum):
    """What is the matter."""

    GAP = "gap"
    CHANGE = "change"
    ORDER = "order"
    FORK = "fork"
    TRUNCATION = "truncation"
    CHECKPOINT = "checkpoint"
    ROW = "row"
    SCHEMA = "schema"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong, and the number of the first record that it is about (0: about none)."""

    fault: Fault
    seq: int
    message: str

    def __str__(self) -> str:
        return f"{self.fault.value}: {self.message}"


class Walk:
    """Follows a chain from its first record on, and tells where one does not follow from the one before.

    A record that was changed shows in the next one, which has the hash that it had. So what to make of a break is known only
    one record later: if that one follows, the record before the break was changed; if not, the one behind it.
    """

    def __init__(self, *, remember: bool = True) -> None:
        """Without `remember` it keeps no hash, and takes a number that stands there twice for a fork."""
        self.head = NOTHING
        self.database = ""
        self.hashes: dict[int, str] = {}
        self.answers: list[tuple[int, int]] = []
        self.notes: list[str] = []
        self._remember = remember
        self._troubles: list[Trouble] = []
        self._tips, self._before = {START}, {START}
        self._doubted = self._garbage = False
        self._loose = 0
        self._gaps: list[range] = []

    def take(self, raw: bytes) -> Record | None:
        """The record that these bytes are, if they are one."""
        try:
            record = parse(raw)
        except Unreadable as error:
            if len(self._troubles) < MOST:
                self._unreadable(raw, error)
            return None
        if len(self._troubles) < MOST:
            self._garbage, garbage = False, self._garbage
            self._place(record, digest(raw), garbage=garbage)
        return record

    def troubles(self) -> tuple[Trouble, ...]:
        """What was wrong with the records taken so far, in their order."""
        loose = (self._either(self._loose),) if self._loose else ()
        gaps = tuple(Trouble(Fault.GAP, gap.start, f"{_records(gap)} missing") for gap in self._gaps)
        empty = (Trouble(Fault.TRUNCATION, 1, "there is no record"),) if self.head == NOTHING else ()
        return tuple(sorted((*self._troubles, *loose, *gaps, *empty), key=lambda trouble: trouble.seq))[:MOST]

    def _place(self, record: Record, found: str, *, garbage: bool) -> None:
        following, linked = self.head.seq + 1, record.prev in self._tips
        if record.seq == following:
            self._follow(record, found, linked=linked)
        elif linked:
            self._settle()
            self._add(Fault.CHANGE, following, f"record {following} was changed: it is numbered {record.seq}")
            self._advance(following, found, doubted=True)
        elif record.seq > following:
            self._settle()
            self._gaps.append(range(following, record.seq))
            self._advance(record.seq, found)
        elif garbage and record.seq == self.head.seq and record.prev in self._before:
            self._tips = {found}  # the garbage was put in before it
            self._doubted = False
            self._know(record, found)
        else:
            self._back(record, found)
            return
        self._read(record)

    def _follow(self, record: Record, found: str, *, linked: bool) -> None:
        broken = not linked and not self._doubted and not self._loose
        if self._loose:
            changed, self._loose = (self._loose - 1 if linked else self._loose), 0
            self._add(Fault.CHANGE, changed, f"record {changed} was changed: its hash is not what the others say it is")
        if broken and record.seq == 1:
            self._add(Fault.CHANGE, 1, "record 1 was changed: the first one has no other before it")
        elif broken:
            self._loose = record.seq
        self._advance(record.seq, found, doubted=broken and record.seq == 1)

    def _back(self, record: Record, found: str) -> None:
        """A record with a number that had its turn."""
        gap = next((gap for gap in self._gaps if record.seq in gap), None)
        if gap is not None:
            self._gaps.remove(gap)
            self._gaps += filter(len, (range(gap.start, record.seq), range(record.seq + 1, gap.stop)))
            message = f"record {record.seq} stands behind record {self.head.seq}"
            self._add(Fault.ORDER, record.seq, message)
            self._know(record, found)
        elif self.hashes.get(record.seq) == found:
            self._add(Fault.ORDER, record.seq, f"record {record.seq} stands there twice")
        else:
            self._add(Fault.FORK, record.seq, f"there are two records numbered {record.seq}")
            if record.seq == self.head.seq:
                self._tips.add(found)

    def _unreadable(self, raw: bytes, error: Unreadable) -> None:
        if self._garbage:
            return
        self._settle()
        following = self.head.seq + 1
        self._add(Fault.CHANGE, following, f"what stands in the place of record {following} is no record: {error}")
        self._advance(following, digest(raw), doubted=True)
        self._garbage = True

    def _settle(self) -> None:
        if self._loose:
            self._troubles.append(self._either(self._loose))
            self._loose = 0

    def _either(self, loose: int) -> Trouble:
        return Trouble(
            Fault.CHANGE, loose - 1, f"record {loose - 1} or {loose} was changed: one does not follow the other"
        )

    def _advance(self, seq: int, found: str, *, doubted: bool = False) -> None:
        self.head = Head(seq, found)
        self._before, self._tips, self._doubted = self._tips, {found}, doubted
        if self._remember:
            self.hashes[seq] = found

    def _know(self, record: Record, found: str) -> None:
        if record.seq == self.head.seq:
            self.head = Head(record.seq, found)
        if self._remember:
            self.hashes[record.seq] = found

    def _read(self, record: Record) -> None:
        if record.seq == 1:
            kind, _, self.database = record.subject.partition("/")
            if record.kind != CREATED or kind != "database":
                self._add(Fault.CHANGE, 1, "record 1 was changed: it does not say which database was created")
        if record.kind == TROUBLE:
            self.notes.append(f"record {record.seq} says that the receiver found trouble when it started")
            answered = record.data.get("checkpoint")
            if isinstance(answered, str) and answered.isdecimal() and len(answered) <= _DIGITS:
                self.answers.append((int(answered), record.seq))

    def _add(self, fault: Fault, seq: int, message: str) -> None:
        self._troubles.append(Trouble(fault, seq, message))


def _records(gap: range) -> str:
    return f"record {gap.start} is" if len(gap) == 1 else f"records {gap.start} to {gap[-1]} are"
