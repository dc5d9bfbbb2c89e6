"""Verifies a chain of records and its checkpoints, offline, with the public key alone.

It tells apart what was done to them: records missing (gap), other than they were (change), in another place (order), a
history beside the one that was signed (fork), the end cut off (truncation), and checkpoints that can not be used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .chain import START, Head
from .checkpoints import Checkpoint, CheckpointError, Stored, stored, taken
from .walk import Fault, Trouble, Walk


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a verification. `covered` is the newest record that a checkpoint has signed; 0 where none has.

    `notes` are worth knowing and no trouble.
    """

    database: str
    head: Head
    covered: int
    troubles: tuple[Trouble, ...]
    notes: tuple[str, ...]


def verify(lines: Iterable[bytes], folder: Path | None, *keys: Ed25519PublicKey) -> Verdict:
    """Judges an export, each line of which is a record ended by a line feed, by the checkpoints of a folder.

    Raises CheckpointError where the folder can not be read.
    """
    walk, line = Walk(), b"\n"
    for line in lines:
        walk.take(line.removesuffix(b"\n"))
    cut = () if line.endswith(b"\n") else (Trouble(Fault.TRUNCATION, walk.head.seq, "the export ends within a line"),)
    troubles = (*walk.troubles(), *cut)
    if folder is None:
        note = "without checkpoints it would not show if the whole chain was made anew, or its end cut off"
        return Verdict(walk.database, walk.head, 0, troubles, (*walk.notes, note))
    complaints: list[Trouble] = []
    database = "" if any(trouble.seq == 1 for trouble in troubles) else walk.database
    signed = list(_believed(folder, keys, database, complaints))
    judged, notes, covered = _judged(walk, signed, troubles)
    return Verdict(walk.database, walk.head, covered, (*troubles, *judged, *complaints), notes)


def _believed(
    folder: Path, keys: tuple[Ed25519PublicKey, ...], database: str, complaints: list[Trouble]
) -> Iterator[Checkpoint]:
    """The checkpoints that hold by themselves, in the order in which they were written."""
    before: Stored | None = None
    for each in map(taken, stored(folder)):
        try:
            yield _following(each, each.read(*keys), before, database)
        except CheckpointError as error:
            complaints.append(Trouble(Fault.CHECKPOINT, 0, str(error)))
        before = each
    if before is None:
        complaints.append(Trouble(Fault.CHECKPOINT, 0, f"there is no checkpoint in {folder}"))


def _following(each: Stored, checkpoint: Checkpoint, before: Stored | None, database: str) -> Checkpoint:
    """The checkpoint, if it is in its place. Older ones may have been put away. Raises CheckpointError."""
    if before is not None and each.number != before.number + 1:
        raise CheckpointError(f"{each.path.name}: the one before it is missing")
    previous = before.digest if before else START if each.number == 1 else checkpoint.previous
    if checkpoint.previous != previous:
        raise CheckpointError(f"{each.path.name}: the one before it is not the one that it follows")
    if database and checkpoint.database != database:
        raise CheckpointError(f"{each.path.name}: it is of another database ({checkpoint.database})")
    return checkpoint


def _judged(
    walk: Walk, signed: list[Checkpoint], troubles: tuple[Trouble, ...]
) -> tuple[tuple[Trouble, ...], tuple[str, ...], int]:
    """Troubles, notes, and the newest record that is signed."""
    matching = [each for each in signed if walk.hashes.get(each.seq) == each.hash]
    answers = [
        number for number, seq in walk.answers if any(each.number > number and each.seq >= seq for each in matching)
    ]
    answered = max(answers, default=0)
    others = [each for each in signed if walk.hashes.get(each.seq) != each.hash]
    standing = [each for each in others if each.number > answered]
    notes = walk.notes + [
        f"checkpoint {each.number} (record {each.seq}) is of a history that was given up: a record says so, and it is signed"
        for each in others
        if each.number <= answered
    ]
    covered = max((each.seq for each in matching), default=0)
    if covered < walk.head.seq:
        notes.append(f"no checkpoint covers records {covered + 1} to {walk.head.seq} as yet")
    return tuple(_departures(walk, matching, standing, troubles)), tuple(notes), covered


def _departures(
    walk: Walk, matching: list[Checkpoint], others: list[Checkpoint], troubles: tuple[Trouble, ...]
) -> Iterator[Trouble]:
    """Where the chain leaves the history that was signed, unless the chain itself has shown that."""
    head, hashes = walk.head, walk.hashes
    beyond = [each for each in others if each.seq > head.seq]
    if beyond:
        seen = max(each.seq for each in beyond)
        message = f"records {head.seq + 1} to {seen} were signed, and are missing at the end"
        yield Trouble(Fault.TRUNCATION, head.seq + 1, message)
    told = {trouble.seq for trouble in troubles}
    there = [each for each in others if each.seq in hashes]
    within = [each for each in there if not told & {each.seq, min(each.seq, head.seq - 1)}]
    if not within:
        return
    first = min(within, key=lambda each: each.seq)
    last = max((each.seq for each in matching if each.seq < first.seq), default=0)
    if last + 1 == first.seq:
        yield Trouble(
            Fault.CHANGE, first.seq, f"record {first.seq} is not the one that checkpoint {first.number} has signed"
        )
    else:
        message = f"a record from {last + 1} to {first.seq} is not what checkpoint {first.number} has signed"
        yield Trouble(Fault.FORK, last + 1, message)
