"""Many calls of contracts as one: Multicall3's aggregate3, encoded once and decoded by slices."""

from __future__ import annotations

import itertools
import operator
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from occ.errors import Reason, SourceError

AGGREGATE3 = bytes.fromhex("82ad56cb")
BLOCK_TIMESTAMP = bytes.fromhex("0f28c97d")
"""getCurrentBlockTimestamp() of Multicall3: which block it was that answered, where that can be told."""

REVERTED = SourceError(Reason.REVERTED, "the call was reverted")

_ELEMENT = struct.Struct(">31xB32x28xI")  # success, where its data begins (always here), how long that is
_HEAD = 96
_LIST = 64


@dataclass(frozen=True, slots=True)
class EthCall:
    """A call of a contract: its address, and calldata."""

    to: str
    data: bytes

    @property
    def params(self) -> dict[str, str]:
        """As `eth_call` takes it."""
        return {"to": self.to, "data": "0x" + self.data.hex()}


def _element(call: EthCall) -> bytes:
    """The call as an element of aggregate3's list: its address, that it may fail, its calldata."""
    padding = bytes(-len(call.data) % 32)
    head = bytes(12) + bytes.fromhex(call.to.removeprefix("0x")) + (1).to_bytes(32) + (96).to_bytes(32)
    return head + len(call.data).to_bytes(32) + call.data + padding


def aggregated(calls: Sequence[EthCall]) -> str:
    """The calldata of aggregate3 for these calls, each of which may fail."""
    elements = list(map(_element, calls))
    at, offsets = 32 * len(elements), list[bytes]()
    for element in elements:
        offsets.append(at.to_bytes(32))
        at += len(element)
    head = AGGREGATE3 + (32).to_bytes(32) + len(elements).to_bytes(32)
    return "0x" + b"".join((head, *offsets, *elements)).hex()


class Decoder:
    """Takes apart what aggregate3 tells of the same calls block after block: what is told as before is not gone through again."""

    def __init__(self, count: int) -> None:
        self._offsets = struct.Struct(">" + "28xI" * count)
        self._head: str | None = None
        self._places: list[slice] = []
        self._elements: list[str | None] = []
        self._replies: list[bytes | SourceError] = []

    def replies(self, told: Any) -> Sequence[bytes | SourceError]:
        """Of each call its reply, or REVERTED. Raises bad_response for what is no answer to so many calls."""
        if not isinstance(told, str):
            raise bad_reply("eth_call: no bytes")
        head = told[: 2 + 2 * (_LIST + self._offsets.size)]
        if head != self._head:
            self._lay_out(head)
        elements, found = list(map(told.__getitem__, self._places)), self._replies.copy()
        for at in itertools.compress(itertools.count(), map(operator.ne, elements, self._elements)):
            found[at] = _reply(elements[at])
        self._elements, self._replies = [*elements], found
        return found

    def _lay_out(self, head: str) -> None:
        """Where in the text the elements are, by the head of their list; none of them is known then."""
        data = raw(head)
        if int.from_bytes(data[32:_LIST]) * 32 != self._offsets.size:
            raise bad_reply("aggregate3 answered another number of calls")
        try:
            starts = [2 + 2 * (_LIST + offset) for offset in self._offsets.unpack_from(data, _LIST)]
        except struct.error:
            raise bad_reply("aggregate3: a short answer") from None
        self._head, self._places = head, list(map(slice, starts, [*starts[1:], None]))
        self._elements, self._replies = [None] * len(starts), [REVERTED] * len(starts)


def _reply(element: str) -> bytes | SourceError:
    """The reply in an element of aggregate3's answer."""
    try:
        data = bytes.fromhex(element)
        succeeded, length = _ELEMENT.unpack_from(data)
    except (ValueError, struct.error):
        raise bad_reply("aggregate3: a short answer") from None
    if _HEAD + length > len(data):
        raise bad_reply("aggregate3: a short answer")
    return data[_HEAD : _HEAD + length] if succeeded else REVERTED


def raw(told: Any) -> bytes:
    """The bytes of an `eth_call`. Raises bad_response for what is none."""
    try:
        if told[:2] != "0x":
            raise bad_reply("eth_call: no bytes")
        return bytes.fromhex(told[2:])
    except (TypeError, ValueError, KeyError):
        raise bad_reply("eth_call: no bytes") from None


def bad_reply(message: str) -> SourceError:
    """An answer that is none."""
    return SourceError(Reason.BAD_RESPONSE, message)


def several(calls: Sequence[EthCall], most: int) -> list[tuple[EthCall, ...]]:
    """The calls in chunks of at most so many, about as large as each other."""
    count = -(-len(calls) // most)
    size = -(-len(calls) // count) if count else 0
    return [tuple(calls[at : at + size]) for at in range(0, len(calls), size)] if calls else []
