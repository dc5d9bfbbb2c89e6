"""What aggregate3 tells of the same calls, taken apart block after block. No node is needed: the answers are encoded here."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from adapters.evm.calls import REVERTED, Decoder
from occ.errors import Reason, SourceError

Told = tuple[bool, bytes]

COUNT = 3
told = st.lists(st.tuples(st.booleans(), st.binary(max_size=70)), min_size=COUNT, max_size=COUNT)


def answer(replies: Sequence[Told]) -> str:
    """As the contract encodes it, by a library that is not ours."""
    return "0x" + encode(["(bool,bytes)[]"], [replies]).hex()


def expected(replies: Sequence[Told]) -> list[bytes | SourceError]:
    return [data if succeeded else REVERTED for succeeded, data in replies]


@given(st.lists(told, min_size=1, max_size=5))
def test_what_is_told_is_what_is_replied_at_every_block(blocks: list[list[Told]]) -> None:
    decoder = Decoder(COUNT)
    for replies in blocks:
        assert decoder.replies(answer(replies)) == expected(replies)


def test_who_replies_as_before_has_the_same_reply() -> None:
    decoder = Decoder(2)
    first, _ = decoder.replies(answer([(True, b"\1" * 32), (True, b"\2" * 32)]))
    again, other = decoder.replies(answer([(True, b"\1" * 32), (True, b"\3" * 32)]))
    assert again is first
    assert other == b"\3" * 32


@given(told, told, st.data())
def test_an_answer_that_is_cut_off_is_a_bad_response_whatever_was_told_before(
    before: list[Told], now: list[Told], data: st.DataObject
) -> None:
    decoder, whole = Decoder(COUNT), answer(now)
    decoder.replies(answer(before))
    padding = 2 * (-len(now[-1][1]) % 32)  # nothing is lost with that
    with pytest.raises(SourceError) as raised:
        decoder.replies(whole[: data.draw(st.integers(0, len(whole) - padding - 1))])
    assert raised.value.reason is Reason.BAD_RESPONSE
    assert decoder.replies(whole) == expected(now)


@pytest.mark.parametrize("odd", [None, 7, "", "0x", "0xzz", "no", answer([(True, b"")]), {"0x": 1}])
def test_what_is_no_answer_to_so_many_calls_is_a_bad_response(odd: object) -> None:
    with pytest.raises(SourceError) as raised:
        Decoder(COUNT).replies(odd)
    assert raised.value.reason is Reason.BAD_RESPONSE


def test_an_element_that_is_not_hexadecimal_is_a_bad_response_and_is_not_remembered() -> None:
    replies = [(True, bytes([n] * 32)) for n in range(COUNT)]
    decoder, whole = Decoder(COUNT), answer(replies)
    for _ in range(2):
        with pytest.raises(SourceError):
            decoder.replies(whole[:-10] + "x" + whole[-9:])
    assert decoder.replies(whole) == expected(replies)
