from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup, escape

from receiver.clock import SECOND, parsed, rfc3339
from receiver.pages.text import Items, Pairs, ago, between, clip, flat, host_of, sentence, trimmed, web_link
from receiver.text import shown
from tests.receiver.support import NOW

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=60,
)


@given(texts, st.integers(20, 400))
def test_what_is_clipped_is_escaped_and_fits(text: str, limit: int) -> None:
    found = clip(text, limit)
    assert len(found.encode()) <= limit
    assert not {"<", ">", '"', "'"} & set(found)
    whole = escape(shown(text))
    if len(whole.encode()) <= limit:
        assert found == whole
    else:
        assert found.endswith("…")
        assert whole.startswith(found[:-1])


@pytest.mark.parametrize(
    ("invisible", "spelled"),
    [
        ("\u202e", r"\u202e"),  # what follows, from right to left
        ("\u200b", r"\u200b"),
        ("\u206a", r"\u206a"),
        ("\u180e", r"\u180e"),
        ("\u3164", r"\u3164"),  # a letter that is blank
        ("\ufff9", r"\ufff9"),
        ("\U000e0041", r"\U000e0041"),  # a tag: letters that nothing shows
    ],
)
def test_what_can_not_be_seen_is_spelled_out(invisible: str, spelled: str) -> None:
    """Two names that look the same are the same."""
    assert shown(f"bin{invisible}ance") == f"bin{spelled}ance"
    assert clip(f"bin{invisible}ance") == f"bin{spelled}ance"


def test_what_is_read_stays_as_it_is() -> None:
    for text in ("ЖБИ ö ß 取引所 ٣", "first\nsecond", "\u26a0\ufe0f"):
        assert shown(text) == text


def test_what_is_cut_says_so() -> None:
    assert clip("x" * 30, 20) == "x" * 17 + "…"
    assert clip("&" * 30, 20) == "&amp;" * 3 + "…"


@given(values, st.integers(0, 5_000))
def test_what_is_trimmed_holds_together_and_takes_no_more_than_its_room(value: Any, room: int) -> None:
    size = _size(trimmed(value, room))
    assert size <= room + 2_000
    if len(json.dumps(value)) * 12 < room:
        assert _left_out(trimmed(value, room)) == 0


def _size(found: Any) -> int:
    match found:
        case Pairs(pairs, _):
            return sum(len(key.encode()) + _size(item) for key, item in pairs)
        case Items(each, _):
            return sum(map(_size, each))
    assert isinstance(found, Markup) or found in {"none", "yes", "no"}
    return len(found.encode())


def _left_out(found: Any) -> int:
    match found:
        case Pairs(pairs, more):
            return more + sum(_left_out(item) for _, item in pairs)
        case Items(each, more):
            return more + sum(map(_left_out, each))
    return 0


def test_a_tree_is_cut_where_its_room_ends() -> None:
    found = trimmed([{"order": "x" * 50, "left": "1"}] * 100, 2_000)
    assert 5 < len(found.each) < 20
    assert found.more == 100 - len(found.each)


def test_pairs_within_pairs_are_written_flat() -> None:
    step = {"executor": "http", "body": {"venue": "binance", "how": {"soon": True}}, "headers": {}, "orders": [1]}
    assert flat(step) == {
        "executor": "http",
        "body venue": "binance",
        "body how soon": True,
        "headers": {},
        "orders": [1],
    }
    assert flat("as it is") == "as it is"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://runbooks.example/X?a=1#b", "runbooks.example"),
        ("http://localhost:9090/graph", "localhost"),
        ("https://user@evil.example/runbooks.example", "evil.example"),
        ("https://bücher.example", "xn--bcher-kva.example"),
        ("https://x/" + "y" * 490, "x"),
    ],
)
def test_a_link_tells_its_host(url: str, host: str) -> None:
    assert (web_link(url), host_of(url)) == (url, host)


@pytest.mark.parametrize(
    "url", ["https://x/" + "y" * 491, "https://x/" + "&" * 100, "javascript:alert(1)", "//x", "https://a b/"]
)
def test_what_is_no_link(url: str) -> None:
    assert web_link(url) == ""


@given(texts)
def test_only_web_addresses_are_linked(text: str) -> None:
    assert web_link(text) in {"", text}
    if web_link(text):
        assert text.lower().startswith(("http://", "https://"))
        assert host_of(text)


@pytest.mark.parametrize(
    ("at", "said"),
    [(NOW, "0 s ago"), (NOW - 90 * SECOND, "1 min 30 s ago"), (NOW + 600 * SECOND, "in 10 min"),
     ("2026-09-21T14:13:00Z", "20 s ago")],
)  # fmt: skip
def test_how_long_ago(at: int | str, said: str) -> None:
    assert ago(at, NOW) == said


def test_the_time_between() -> None:
    assert between("2026-09-21T14:13:00Z", "2026-09-21T15:13:00.5Z") == "1 h"


@given(st.integers(0, 4_000_000_000 * SECOND))
def test_an_instant_that_was_written_is_read_again(instant: int) -> None:
    assert parsed(rfc3339(instant)) == instant


@pytest.mark.parametrize(
    ("text", "said"), [("it is so", "It is so."), ("Why?", "Why?"), ("", ""), (clip("<b>"), "&lt;b&gt;.")]
)
def test_a_sentence(text: str, said: str) -> None:
    assert sentence(text) == said
    assert isinstance(sentence(text), type(text))
