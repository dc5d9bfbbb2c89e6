"""Words in and out, as the contract ABI lays them: by slices, for thousands of replies per block."""

from __future__ import annotations

from occ.errors import Reason, SourceError

WORD = 32
_TEXT_WORDS = 2
LONGEST_TEXT = 64


def word(data: bytes, index: int) -> int:
    """The unsigned number at a word's place."""
    return int.from_bytes(data[WORD * index : WORD * index + WORD])


def signed(data: bytes, index: int) -> int:
    """The signed number at a word's place."""
    return int.from_bytes(data[WORD * index : WORD * index + WORD], signed=True)


def address(data: bytes, index: int) -> str:
    """The address at a word's place, in lower case."""
    return "0x" + data[WORD * index + 12 : WORD * index + WORD].hex()


def sized(what: str, data: bytes, words: int) -> bytes:
    """The reply, when it has at least so many words. Raises bad_response for what is no reply, or too short a one."""
    if not data:
        raise SourceError(Reason.BAD_RESPONSE, f"{what}: an empty answer: no contract of this kind is at the address")
    if len(data) < WORD * words:
        raise SourceError(
            Reason.BAD_RESPONSE, f"{what}: an answer of {len(data)} bytes where {WORD * words} belong: another kind?"
        )
    return data


def exact(what: str, data: bytes, words: int) -> bytes:
    """The data of a log, when it has so many words and no more: of forks whose events index other fields there are others.

    Raises bad_response.
    """
    if len(data) != WORD * words:
        raise SourceError(Reason.BAD_RESPONSE, f"{what}: {len(data)} bytes where {WORD * words} belong: another form?")
    return data


def bounded(what: str, value: int, limit: int) -> int:
    """A number below `limit`. Raises bad_response for more: what a contract of the kind can not have told."""
    if abs(value) >= limit:
        raise SourceError(Reason.BAD_RESPONSE, f"{what}: absurdly large")
    return value


def text(what: str, data: bytes) -> str:
    """A short text: a string, or a bytes32 as some old tokens tell it. Raises bad_response for anything else."""
    sized(what, data, 1)
    if len(data) == WORD:
        raw = data.rstrip(b"\0")
    else:
        length = word(data, 1) if word(data, 0) == WORD else LONGEST_TEXT + 1
        raw = data[_TEXT_WORDS * WORD : _TEXT_WORDS * WORD + length] if length <= LONGEST_TEXT else b"\xff"
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise SourceError(Reason.BAD_RESPONSE, f"{what}: no short text") from None


def number(value: int) -> bytes:
    """An argument: an unsigned number, or a signed one."""
    return (value % 2**256).to_bytes(WORD)


def account(value: str) -> bytes:
    """An argument: an address."""
    return bytes(12) + bytes.fromhex(value.removeprefix("0x"))
