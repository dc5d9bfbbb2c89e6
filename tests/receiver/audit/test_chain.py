from __future__ import annotations

import hashlib
import string
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from receiver.audit.chain import START, Record, Unreadable, digest, parse

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = st.text(string.printable)
NESTED = st.recursive(
    TEXT, lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(KEYS, deeper, max_size=3), max_leaves=5
)
DATA = st.dictionaries(KEYS, NESTED, max_size=3)
RECORDS = st.builds(
    Record,
    seq=st.integers(1, 2**53 - 1),
    at=st.integers(0, 2**53 - 1),
    kind=TEXT,
    subject=TEXT,
    by=TEXT,
    data=DATA,
    prev=st.text("0123456789abcdef", min_size=64, max_size=64),
)

RECORD = Record(2, 1_790_000_000_000_000, "request.approved", "request/ab", "desk-1", {"reason": "é\n"}, START)
BYTES = (
    '{"at":1790000000000000,"by":"desk-1","data":{"reason":"é\\n"},"kind":"request.approved",'
    f'"prev":"{"0" * 64}","seq":2,"subject":"request/ab","v":"occ-audit-v1"}}'
).encode()


def test_the_bytes_of_a_record() -> None:
    assert RECORD.bytes == BYTES


def test_the_hash_is_of_the_domain_and_the_bytes() -> None:
    assert digest(BYTES) == hashlib.sha256(b"occ-audit-v1\0" + BYTES).hexdigest()


@given(RECORDS)
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    assert parse(record.bytes) == record
    assert b"\n" not in record.bytes


@given(DATA)
def test_reading_takes_for_canonical_what_rfc_8785_makes(data: Any) -> None:
    raw = RECORD.bytes.replace('{"reason":"é\\n"}'.encode(), rfc8785.dumps(data))
    assert parse(raw).data == data


@pytest.mark.parametrize("data", [{"a": 1}, {"a": None}, {"a": 1.5}, {"a": ["1", 2]}, {"a": {"b": True}}, {"é": "x"}])
def test_only_strings_are_recorded(data: Any) -> None:
    with pytest.raises(ValueError, match=r"where a string is expected|not in ASCII"):
        _ = Record(1, 1, "a.b", "c/d", "e", data, START).bytes


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="non-UTF-8"):
        _ = Record(1, 1, "a.b", "c/d", "e", {"said": "\ud800"}, START).bytes


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        (b'{"at"', b'{ "at"', "it is not in canonical form"),
        ("é".encode(), b"\\u00e9", "it is not in canonical form"),
        (b'"kind":"request.approved",', b'"kind":"x","kind":"request.approved",', "it is not in canonical form"),
        (b'"by":"desk-1",', b"", "it has not the fields of a record"),
        (b'"by":"desk-1",', b'"by":"desk-1","more":"",', "it has not the fields of a record"),
        (b'"seq":2', b'"seq":2.0', "it has not the fields of a record"),
        (b'"seq":2', b'"seq":true', "it has not the fields of a record"),
        (b'"seq":2', b'"seq":"2"', "it has not the fields of a record"),
        (b'"seq":2', b'"seq":-2', "it has a number that is not exact everywhere"),
        (b'"at":1790000000000000', b'"at":9007199254740992', "it has a number that is not exact everywhere"),
        (b"audit-v1", b"audit-v2", "its version is not occ-audit-v1"),
        ('"é\\n"'.encode(), b"7", "it is no JSON that a record may be: int where a string is expected"),
        ('"é\\n"'.encode(), b'"\xff"', "it is no JSON that a record may be"),
    ],
)
def test_bytes_that_are_no_record(before: bytes, after: bytes, complaint: str) -> None:
    assert before in BYTES
    with pytest.raises(Unreadable) as found:
        parse(BYTES.replace(before, after))
    assert str(found.value).startswith(complaint)


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b'"x"', b"[" * 10_000, b"{", b"\0", b"\xff\xfe"])
def test_junk_is_no_record(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        parse(raw)


def test_data_may_be_nested_so_deep_and_no_deeper() -> None:
    def nested(depth: int) -> bytes:
        return RECORD.bytes.replace('"é\\n"'.encode(), b"[" * depth + b"]" * depth)

    assert parse(nested(16)).subject == RECORD.subject
    for depth in (17, 500, 1000, 5000):
        with pytest.raises(Unreadable):
            parse(nested(depth))
