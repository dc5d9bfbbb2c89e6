"""Many calls of contracts as one: Multicall3's aggregate3, encoded once and decoded by slices."""

from __future__ import annotations

import functools
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


def replies(count: int, told: Any) -> list[bytes | SourceError]:
    """What aggregate3 told of so many calls, each its reply or REVERTED. Raises bad_response for anything else."""
    data, found, element = raw(told), list[bytes | SourceError](), _ELEMENT.unpack_from
    if int.from_bytes(data[32:64]) != count:
        raise bad_reply("aggregate3 answered another number of calls")
    try:
        for offset in _offsets(count).unpack_from(data, 64):
            succeeded, length = element(data, 64 + offset)
            at = 64 + offset + _HEAD
            found.append(data[at : at + length] if succeeded else REVERTED)
            if at + length > len(data):
                raise bad_reply("aggregate3: a short answer")
    except struct.error:
        raise bad_reply("aggregate3: a short answer") from None
    return found


@functools.lru_cache(maxsize=64)
def _offsets(count: int) -> struct.Struct:
    return struct.Struct(">" + "28xI" * count)


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
