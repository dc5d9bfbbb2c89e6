"""Every reason can be said in words."""

from __future__ import annotations

import re

import pytest

from receiver.why import SENTENCES, Why


@pytest.mark.parametrize("why", Why)
def test_a_reason_has_a_sentence(why: Why) -> None:
    assert re.fullmatch(r"[a-zA-Z].*[^.\s]", SENTENCES[why])


def test_no_two_reasons_say_the_same_and_none_is_made_up() -> None:
    assert len(set(SENTENCES.values())) == len(SENTENCES) == len(Why)
    assert set(SENTENCES) == set(Why)


@pytest.mark.parametrize("why", Why)
def test_a_reason_is_a_label_value(why: Why) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", why.value)
    assert len(why.value) <= 32, "the column of requests holds 32 characters"
