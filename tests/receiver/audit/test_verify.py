"""What verification says of chains that somebody has worked on; the second verifier must agree with every verdict."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from receiver.audit.chain import TROUBLE, Head, Record, digest, parse
from receiver.audit.checkpoints import CheckpointError, Checkpoints
from receiver.audit.verify import Verdict
from receiver.audit.verify import verify as first
from receiver.audit.walk import Fault
from tests.receiver.audit import second
from tests.receiver.audit.support import DATABASE, SIGNING, chain, pem
from tests.receiver.support import NOW

ROOT = Path(__file__).parents[3]
LENGTH = 12
CHAIN = chain(LENGTH)
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
SEQS = st.integers(1, LENGTH)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints at 4, 8 and 12."""
    folder = tmp_path_factory.mktemp("checkpoints")
    sign(folder, CHAIN, 4, 8, 12)
    return folder


def sign(
    folder: Path, records: Sequence[bytes], *seqs: int, database: str = DATABASE, key: Ed25519PrivateKey = SIGNING
) -> None:
    for seq in seqs:
        Checkpoints(folder, key, lambda: NOW).write(database, Head(seq, digest(records[seq - 1])))


def export(records: Sequence[bytes]) -> bytes:
    return b"".join(record + b"\n" for record in records)


def verify(content: Sequence[bytes] | bytes, folder: Path, *keys: Ed25519PrivateKey) -> Verdict:
    content = content if isinstance(content, bytes) else export(content)
    trusted = keys or (SIGNING,)
    verdict = first(BytesIO(content), folder, *(key.public_key() for key in trusted))
    assert second.holds(content, folder, *map(pem, trusted)) is (not verdict.troubles)
    return verdict


def told(content: Sequence[bytes] | bytes, folder: Path, *keys: Ed25519PrivateKey) -> list[str]:
    return [str(trouble) for trouble in verify(content, folder, *keys).troubles]


def names(verdict: Verdict) -> list[tuple[Fault, int]]:
    return [(trouble.fault, trouble.seq) for trouble in verdict.troubles]


# --- untouched -------------------------------------------------------------------------------------------------------


def test_what_is_as_it_was_written(signed: Path) -> None:
    verdict = verify(CHAIN, signed)
    assert verdict == Verdict(DATABASE, Head(12, digest(CHAIN[-1])), covered=12, troubles=(), notes=())


def test_what_no_checkpoint_covers_is_noted(signed: Path) -> None:
    verdict = verify(chain(15, start=CHAIN), signed)
    assert (verdict.troubles, verdict.notes) == ((), ("no checkpoint covers records 13 to 15 as yet",))


def test_without_checkpoints_little_is_known_and_that_is_said() -> None:
    verdict = first(BytesIO(export(CHAIN)), None)
    assert (verdict.troubles, verdict.covered) == ((), 0)
    assert verdict.notes == (
        "without checkpoints it would not show if the whole chain was made anew, or its end cut off",
    )


def test_a_record_may_hold_what_other_texts_end_a_line_with(folder: Path) -> None:
    records = chain(3, word="a\u2028b\u0085c\x1cd\re\nf")
    sign(folder, records, 3)
    assert first([record + b"\n" for record in records], folder, SIGNING.public_key()).troubles == ()
    assert second.holds(export(records), folder, pem())


def test_who_verifies_needs_no_database() -> None:
    code = "import sys; sys.modules['sqlalchemy'] = None; import receiver.audit.verify, cli.audit"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


# --- somebody changed it ---------------------------------------------------------------------------------------------


@given(st.data())
def test_any_changed_byte_is_found_and_its_record_named(signed: Path, data: st.DataObject) -> None:
    content = bytearray(export(CHAIN))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[at]))
    seq = min(export(CHAIN)[:at].count(b"\n") + 1, LENGTH)
    verdict = verify(bytes(content), signed)
    # In the last one it may as well be all since the checkpoint before: only its own checkpoint shows it.
    near = {(Fault.CHANGE, seq), (Fault.CHANGE, seq - 1)} | ({(Fault.FORK, 9)} if seq == LENGTH else set())
    assert near & set(names(verdict))
    assert len(verdict.troubles) <= 2


@given(st.data())
def test_any_changed_value_is_a_change_of_that_record_and_of_nothing_else(signed: Path, data: st.DataObject) -> None:
    seq = data.draw(st.integers(1, LENGTH - 1))
    field = data.draw(st.sampled_from(["at", "kind", "subject", "by", "data", "prev"]))
    was = parse(CHAIN[seq - 1])
    values = {"at": was.at + 1, "data": {}, "prev": "1" * 64}
    fields = {name: getattr(was, name) for name in was.__slots__} | {field: values.get(field, "other")}
    verdict = verify([*CHAIN[: seq - 1], Record(**fields).bytes, *CHAIN[seq:]], signed)
    assert (Fault.CHANGE, seq) in names(verdict)
    assert {trouble.seq for trouble in verdict.troubles} <= {seq}


@given(SEQS, st.integers(1, 10**15).filter(lambda number: number > LENGTH))
def test_another_number_is_a_change(signed: Path, seq: int, number: int) -> None:
    record = CHAIN[seq - 1].replace(b'"seq":%d' % seq, b'"seq":%d' % number)
    assert (Fault.CHANGE, seq) in names(verify([*CHAIN[: seq - 1], record, *CHAIN[seq:]], signed))


@given(SEQS.filter(lambda seq: seq < LENGTH), st.integers(1, 5))
def test_records_taken_out_are_a_gap(signed: Path, seq: int, count: int) -> None:
    end = min(seq + count, LENGTH)
    verdict = verify([*CHAIN[: seq - 1], *CHAIN[end - 1 :]], signed)
    assert names(verdict) == [(Fault.GAP, seq)]
    words = f"record {seq} is" if end == seq + 1 else f"records {seq} to {end - 1} are"
    assert verdict.troubles[0].message == f"{words} missing"


@given(SEQS)
def test_an_end_cut_off_is_a_truncation(signed: Path, seq: int) -> None:
    verdict = verify(CHAIN[: seq - 1], signed)
    assert (Fault.TRUNCATION, seq) in names(verdict)
    assert {fault for fault, _ in names(verdict)} <= {Fault.TRUNCATION, Fault.CHECKPOINT}


@given(SEQS, SEQS)
def test_two_records_swapped_are_out_of_order(signed: Path, one: int, other: int) -> None:
    records = list(CHAIN)
    records[one - 1], records[other - 1] = records[other - 1], records[one - 1]
    verdict = verify(records, signed)
    assert {fault for fault, _ in names(verdict)} == ({Fault.ORDER} if one != other else set())


@given(SEQS, SEQS)
def test_a_record_that_stands_there_twice_is_out_of_order(signed: Path, seq: int, at: int) -> None:
    verdict = verify([*CHAIN[:at], CHAIN[seq - 1], *CHAIN[at:]], signed)
    assert {fault for fault, _ in names(verdict)} == {Fault.ORDER}
    assert seq in {number for _, number in names(verdict)}


@given(SEQS)
def test_a_record_put_in_that_fits_before_is_a_fork(signed: Path, seq: int) -> None:
    forged = chain(seq, start=CHAIN[: seq - 1], word="forged", database="f" * 32)[-1]
    verdict = verify([*CHAIN[: seq - 1], forged, *CHAIN[seq - 1 :]], signed)
    assert (Fault.FORK, seq) in names(verdict)


@given(SEQS)
def test_a_line_put_in_that_is_no_record_is_a_change(signed: Path, seq: int) -> None:
    assert names(verify([*CHAIN[: seq - 1], b"{}", *CHAIN[seq - 1 :]], signed)) == [(Fault.CHANGE, seq)]


@given(SEQS)
def test_a_chain_made_anew_is_a_fork_that_only_checkpoints_show(signed: Path, seq: int) -> None:
    records = chain(LENGTH, start=CHAIN[: seq - 1], word="forged")
    assert first(BytesIO(export(records)), None).troubles == ()
    verdict = verify(records, signed)
    last, nearest = (seq - 1) // 4 * 4, -(-seq // 4) * 4
    if last + 1 == nearest:
        assert (Fault.CHANGE, nearest) in names(verdict)
    else:
        assert names(verdict) == [(Fault.FORK, last + 1)]
        assert f"from {last + 1} to {nearest} is not what" in verdict.troubles[0].message


@given(SEQS.filter(lambda seq: seq > 1), st.integers(1, 5))
def test_a_record_put_in_with_the_rest_made_anew_is_a_fork(signed: Path, seq: int, more: int) -> None:
    records = chain(LENGTH + more, start=CHAIN[: seq - 1], word="forged")
    assert Fault.FORK in {fault for fault, _ in names(verify(records, signed))} or seq in (4, 8, 12)


def test_of_two_forks_that_hold_together_one_was_signed(folder: Path) -> None:
    left, right = chain(20, start=CHAIN, word="left"), chain(20, start=CHAIN, word="right")
    sign(folder, left, 12, 20)
    assert told(left, folder) == []
    assert told(right, folder) == ["fork: a record from 13 to 20 is not what checkpoint 2 has signed"]
    assert told([*left[:15], *right[15:]], folder) == [
        "change: record 15 was changed: its hash is not what the others say it is",
        "fork: a record from 13 to 20 is not what checkpoint 2 has signed",
    ]


def test_nothing_at_all_is_a_truncation(signed: Path) -> None:
    assert told(b"", signed)[:2] == [
        "truncation: there is no record",
        "truncation: records 1 to 12 were signed, and are missing at the end",
    ]


def test_an_export_that_ends_within_a_line_is_a_truncation(signed: Path) -> None:
    assert told(export(CHAIN)[:-1], signed) == ["truncation: the export ends within a line"]


def test_one_of_another_kind_can_not_be_the_first(folder: Path) -> None:
    records = [CHAIN[0].replace(b"database.created", b"database.xyz")]
    sign(folder, records, 1)
    assert told(records, folder) == ["change: record 1 was changed: it does not say which database was created"]


def test_only_so_much_is_told(signed: Path) -> None:
    assert len(verify([b"{}" if n % 2 else record for n, record in enumerate(chain(500))], signed).troubles) == 100


# --- checkpoints -----------------------------------------------------------------------------------------------------


@given(st.integers(1, 3), st.data())
def test_any_byte_changed_in_a_checkpoint_is_found(number: int, data: st.DataObject) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        sign(folder, CHAIN, 4, 8, 12)
        path = folder / f"checkpoint-{number:010}.json"
        content = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[at]))
        path.write_bytes(content)
        verdict = verify(CHAIN, folder)
        assert {trouble.fault for trouble in verdict.troubles} == {Fault.CHECKPOINT}
        assert verdict.troubles[0].message.startswith(path.name)


def test_a_checkpoint_that_is_missing_between_others_is_found(folder: Path) -> None:
    sign(folder, CHAIN, 4, 8, 12)
    (folder / "checkpoint-0000000002.json").unlink()
    assert told(CHAIN, folder) == ["checkpoint: checkpoint-0000000003.json: the one before it is missing"]


def test_older_checkpoints_may_have_been_put_away(folder: Path) -> None:
    sign(folder, CHAIN, 4, 8, 12)
    (folder / "checkpoint-0000000001.json").unlink()
    assert told(CHAIN, folder) == []


def test_a_checkpoint_under_another_name_is_found(folder: Path) -> None:
    sign(folder, CHAIN, 4)
    (folder / "checkpoint-0000000001.json").rename(folder / "checkpoint-0000000002.json")
    assert told(CHAIN, folder) == ["checkpoint: checkpoint-0000000002.json: it is number 1"]


def test_a_checkpoint_put_in_the_place_of_another_is_found(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    sign(folder, CHAIN, 4, 8, 12)
    sign(elsewhere, CHAIN, 4, 6)
    (folder / "checkpoint-0000000002.json").write_bytes((elsewhere / "checkpoint-0000000002.json").read_bytes())
    assert told(CHAIN, folder) == [
        "checkpoint: checkpoint-0000000003.json: the one before it is not the one that it follows"
    ]


def test_checkpoints_of_another_database_are_no_proof(folder: Path) -> None:
    other = chain(4, database="e" * 32)
    sign(folder, other, 4, database="e" * 32)
    assert told(CHAIN, folder) == [f"checkpoint: checkpoint-0000000001.json: it is of another database ({'e' * 32})"]


def test_a_signing_key_that_was_replaced_is_found_unless_both_are_trusted(folder: Path) -> None:
    sign(folder, CHAIN, 4)
    sign(folder, CHAIN, 12, key=OTHER)
    [complaint] = told(CHAIN, folder)
    assert complaint.startswith("checkpoint: checkpoint-0000000002.json: it is signed by another key (")
    assert told(CHAIN, folder, SIGNING, OTHER) == []


def test_a_chain_made_anew_and_signed_by_another_key_is_no_better(folder: Path) -> None:
    records = chain(LENGTH, word="forged")
    sign(folder, records, 12, key=OTHER)
    assert [complaint[:10] for complaint in told(records, folder)] == ["checkpoint"]


def test_no_checkpoint_in_the_folder_is_trouble(folder: Path) -> None:
    assert told(CHAIN, folder) == [f"checkpoint: there is no checkpoint in {folder}"]


def test_a_folder_that_is_not_there_is_said() -> None:
    with pytest.raises(CheckpointError, match="can not read the folder of checkpoints /nowhere: No such file"):
        first(CHAIN, Path("/nowhere"), SIGNING.public_key())


# --- a history that was given up -------------------------------------------------------------------------------------


def restored(records: Sequence[bytes], checkpoint: str) -> list[bytes]:
    data = {"troubles": ["truncation: …"], "checkpoint": checkpoint}
    head = parse(records[-1])
    told = Record(head.seq + 1, NOW, TROUBLE, f"database/{DATABASE}", "receiver", data, digest(records[-1]))
    return [*records, told.bytes]


def test_what_was_given_up_is_noted_once_that_is_signed(folder: Path) -> None:
    sign(folder, CHAIN, 4, 8, 12)
    records = chain(10, start=restored(CHAIN[:6], "3"))
    assert told(records, folder) == [
        "truncation: records 11 to 12 were signed, and are missing at the end",
        "fork: a record from 5 to 8 is not what checkpoint 2 has signed",
    ]
    sign(folder, records, 10)
    verdict = verify(records, folder)
    assert verdict.troubles == ()
    assert verdict.notes == (
        "record 7 says that the receiver found trouble when it started",
        "checkpoint 2 (record 8) is of a history that was given up: a record says so, and it is signed",
        "checkpoint 3 (record 12) is of a history that was given up: a record says so, and it is signed",
    )


def test_a_signature_before_the_record_does_not_stand_for_what_was_given_up(folder: Path) -> None:
    sign(folder, CHAIN, 4, 12)
    sign(folder, CHAIN, 6)
    assert told(restored(CHAIN[:6], "2"), folder) == [
        "truncation: records 8 to 12 were signed, and are missing at the end"
    ]


def test_nobody_gives_up_what_was_signed_later(folder: Path) -> None:
    records = restored(CHAIN[:6], "1")
    sign(folder, CHAIN, 4)
    sign(folder, chain(9, start=records), 9)
    assert told(records, folder) == ["truncation: records 8 to 9 were signed, and are missing at the end"]


@pytest.mark.parametrize("number", ["", "-1", "1e9", "٣", "9" * 5000, "x"])
def test_a_number_that_is_none_gives_nothing_up(folder: Path, number: str) -> None:
    sign(folder, CHAIN, 12)
    records = restored(CHAIN[:6], number)
    sign(folder, records, 7)
    assert told(records, folder) == ["truncation: records 8 to 12 were signed, and are missing at the end"]
