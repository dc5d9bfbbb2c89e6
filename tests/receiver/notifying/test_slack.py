"""Words of others stay words in Slack, and in what takes Slack's messages."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.notifying.message import Links
from receiver.notifying.slack import LONGEST, MOST, escaped, text
from receiver.outbox import Notice
from tests.receiver.notifying.conftest import LINKS, message


def test_a_message_says_what_is_wrong_what_to_do_and_where_to_look() -> None:
    found = message(
        summary="Chain ethereum has stalled",
        description="No block for 93 s",
        first_action="Look at the provider's status page",
        people="opal, otto",
        alert="/a/0123456789abcdef",
        domain="nodes",
        entity="ethereum",
    )
    assert text(found, LINKS).splitlines() == [
        "*PAGE: Incident opened*",
        "Chain ethereum has stalled",
        "No block for 93 s",
        "First: Look at the provider's status page",
        "For: opal, otto",
        "domain: nodes",
        "entity: ethereum",
        "<https://occ.example/i/00112233aabbccdd|Open> <https://occ.example/a/0123456789abcdef|Alert>",
    ]


def test_without_an_address_of_ours_there_are_no_links() -> None:
    assert text(message(), Links(None)).splitlines() == ["*PAGE: Incident opened*", "ethereum has stalled"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("<!channel> <!here|x> <@U123> <#C1>", "&lt;!channel&gt; &lt;!here|x&gt; &lt;@\u2060U123&gt; &lt;#C1&gt;"),
        ("@here @channel @all", "@\u2060here @\u2060channel @\u2060all"),
        ("<https://evil.example|our page>", "&lt;https:\u2060//evil.example|our page&gt;"),
        ("[our page](https://evil.example)", "[our page]\u2060(https:\u2060//evil.example)"),
        ("*bold* _slanted_ ~gone~ `code`", "\u2217bold\u2217 \u02cdslanted\u02cd \u223cgone\u223c \u02cbcode\u02cb"),
        ("fish &amp; chips", "fish &amp;amp; chips"),
        ("eth_mainnet_1", "eth_mainnet_1"),
        ("two\nlines\r\nand\u2028more", "two lines and more"),
        ("\u202eevil\u200b\x00", "\\u202eevil\\u200b\\u0000"),
        ("> not a quote", "&gt; not a quote"),
        ("", ""),
    ],
)  # fmt: skip
def test_words_of_others_stay_words(words: str, expected: str) -> None:
    assert escaped(words) == expected


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]) | st.sampled_from("<>&*_~`@:/[]()!#|\n")))
def test_nothing_that_anybody_writes_becomes_markup(words: str) -> None:
    found = escaped(words)
    assert not re.search(r"[<>*~`\n]|&(?!amp;|lt;|gt;)", found)
    assert not re.search(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", found)
    assert "@" not in found.replace("@\u2060", "")
    assert "://" not in found
    assert "](" not in found


@given(st.text(max_size=2000))
def test_no_part_is_longer_than_slack_takes(words: str) -> None:
    assert len(escaped(words)) <= 5 * LONGEST + 2 * LONGEST


def test_much_is_cut_and_it_says_so() -> None:
    many = {f"key{number}": "&" * 10_000 for number in range(100)}
    found = text(message(summary="&" * 10_000, description="<" * 10_000, **many), LINKS)
    assert len(found) < 40_000
    assert f"and {100 - MOST} more" in found
    assert "…" in found


def test_a_path_that_is_none_of_ours_makes_no_link() -> None:
    for path in ("//evil.example", "https://evil.example", "/a/../../x y", "/a|b", "/a>", "a/b", "/a?b=c", "/%2e"):
        assert "evil" not in text(message(link=path, alert=path), LINKS)
        assert "<" not in text(message(link=path, alert=path), LINKS)


def test_links_keep_the_path_that_we_are_served_below() -> None:
    found = Links("https://ops.example/occ/").of(message(Notice.FREEZE))
    assert found == (("Open", "https://ops.example/occ/i/00112233aabbccdd"),)
