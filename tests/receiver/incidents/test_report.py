"""Nothing in a report is markup of others. What a whole one tells is in tests/receiver/api/test_incidents.py."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from receiver.incidents.report import block, code

MARKDOWN = MarkdownIt("gfm-like", {"linkify": False, "html": True})

texts = st.text(st.sampled_from(list("`~ \n\\[]()<>!*_#|-=&;:/.@abw\u202e\x00\r\t")), max_size=60)


def only_code(text: str) -> bool:
    """Whether a renderer makes nothing of it but paragraphs and code."""
    tokens = [token for outer in MARKDOWN.parse(text) for token in (outer, *(outer.children or ()))]
    return {token.type for token in tokens} <= {
        "paragraph_open",
        "paragraph_close",
        "inline",
        "text",
        "softbreak",
        "code_inline",
        "fence",
        "bullet_list_open",
        "bullet_list_close",
        "list_item_open",
        "list_item_close",
    }


@given(texts)
def test_no_text_gets_out_of_inline_code(text: str) -> None:
    assert only_code(f"- before {code(text)} after")
    [inline] = [token for token in MARKDOWN.parse(f"x {code(text)} y") if token.type == "inline"]
    kinds = [child.type for child in inline.children or ()]
    assert kinds in (["text", "code_inline", "text"], ["text"])


@given(texts)
def test_no_text_gets_out_of_a_block(text: str) -> None:
    tokens = MARKDOWN.parse(f"before\n\n{block(text)}\n\nafter")
    assert [token.type for token in tokens if token.type not in ("paragraph_open", "paragraph_close")] == [
        "inline",
        "fence",
        "inline",
    ]
