"""One line per record, and no secret in any."""

from __future__ import annotations

import base64
import io
import json
import logging
import sys
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from occ import logs
from occ.logs import MASK, Format, Masker

SECRET = "S3cret/key+with=odd&signs?"

Lines = Callable[[], list[str]]
Setup = Callable[..., Lines]


@pytest.fixture
def setup(monkeypatch: pytest.MonkeyPatch) -> Setup:
    """`setup(style, *secrets)` routes the logs as a process does; what it returns gives the lines written since."""

    def routing(style: Format = "text", *secrets: str, level: str = "debug") -> Lines:
        written = io.StringIO()
        monkeypatch.setattr(sys, "stderr", written)
        logs.setup(level, style, secrets)
        return lambda: written.getvalue().splitlines()

    return routing


log = logging.getLogger("occ.test")


def fail(message: str) -> None:
    raise ValueError(message)


# --- masking ---------------------------------------------------------------------------------------------------------


class TestMasker:
    @pytest.mark.parametrize("shape", ["{}", "key={}", "{}{}", "https://a.example/v2/{}/rpc", "'{}'"])
    def test_a_secret_is_masked_wherever_it_stands(self, shape: str) -> None:
        assert Masker([SECRET])(shape.replace("{}", SECRET)) == shape.replace("{}", MASK)

    @pytest.mark.parametrize("encode", [lambda text: quote(text, safe=""), quote, quote_plus])
    def test_also_url_encoded(self, encode: Callable[[str], str]) -> None:
        assert Masker([SECRET + " é"])(f"GET /{encode(SECRET + ' é')}/x") == f"GET /{MASK}/x"

    @pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
    @pytest.mark.parametrize("before", ["", "u", "us", "user:", "a longer text before "])
    @pytest.mark.parametrize("after", ["", "!", "!!", " and after"])
    @pytest.mark.parametrize("secret", [SECRET, "hunter22", "exactly9b", "ÿþýüûúùø?>?>"])
    def test_also_in_base64_alone_or_inside_a_longer_text(
        self, encode: Callable[[bytes], bytes], before: str, after: str, secret: str
    ) -> None:
        encoded = encode(f"{before}{secret}{after}".encode()).decode()
        masked = Masker([secret])(f"Authorization: Basic {encoded}")
        assert MASK in masked
        kept = masked.removeprefix("Authorization: Basic ").split(MASK)
        assert len(kept[0]) <= len(base64.b64encode(before.encode())) + 2
        assert len(kept[1]) <= len(base64.b64encode(after.encode())) + 3

    @pytest.mark.parametrize("secret", ["back\\slash", "new\nline", 'it\'s "quoted"', "\x00\x1b[2J"])
    def test_also_as_python_shows_it(self, secret: str) -> None:
        assert secret not in Masker([secret])(f"{secret} {[secret]!r}")
        assert repr(secret)[1:-1] not in Masker([secret])(f"{[secret]!r}")

    def test_what_is_too_short_to_be_one_would_garble_everything(self) -> None:
        assert Masker(["", "a", "abc"])("a cab for abc") == "a cab for abc"
        assert Masker(["abcd"])("abcde") == f"{MASK}e"

    def test_the_longer_of_two_goes_first_so_that_no_rest_of_it_stays(self) -> None:
        assert Masker(["hunter2", "hunter2-and-more"])("hunter2-and-more hunter2") == f"{MASK} {MASK}"

    def test_a_secret_is_no_pattern(self) -> None:
        assert Masker(["a.*b|(c"])("a.*b|(c aXXb") == f"{MASK} aXXb"

    def test_without_secrets_nothing_changes(self) -> None:
        assert Masker()("anything") == "anything"

    @given(st.text(st.characters(codec="utf-8"), min_size=4, max_size=40), st.text(max_size=10), st.text(max_size=10))
    def test_no_secret_survives_in_any_text(self, secret: str, before: str, after: str) -> None:
        assume(secret not in MASK)
        masked = Masker([secret])(f"{before}{secret}{after}")
        assert masked.count(MASK) >= 1

    @given(st.binary(max_size=9), st.text(st.characters(codec="utf-8"), min_size=8, max_size=40), st.binary(max_size=9))
    def test_no_secret_survives_in_any_base64(self, before: bytes, secret: str, after: bytes) -> None:
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            assert MASK in Masker([secret])(encode(before + secret.encode() + after).decode())


# --- lines -----------------------------------------------------------------------------------------------------------


def test_a_line_says_when_how_grave_who_and_what(setup: Setup) -> None:
    lines = setup()
    log.warning("%s is down", "eth/a")
    (line,) = lines()
    assert line[:4].isdigit()
    assert line[10] == "T"
    assert line[19] == "."
    assert line[23:] == "Z WARNING occ.test: eth/a is down"


def test_json_is_one_line_that_parses(setup: Setup) -> None:
    lines = setup("json")
    log.info('a "quoted" word and a\nline, é, \u2028')
    (line,) = lines()
    found = json.loads(line)
    assert found.pop("time").endswith("Z")
    assert found == {"level": "info", "logger": "occ.test", "message": 'a "quoted" word and a\\nline, é, \\u2028'}


def test_in_json_a_trace_is_part_of_the_line(setup: Setup) -> None:
    lines = setup("json")
    try:
        fail("half \ud800 of it")
    except ValueError:
        log.exception("failed")
    (line,) = lines()
    assert json.loads(line)["trace"].startswith("Traceback (most recent call last):\n")
    assert json.loads(line)["trace"].endswith("ValueError: half \\ud800 of it")


STYLES = pytest.mark.parametrize("style", ["text", "json"])

ODD = "a\nb\rc\x00d\x1b[2Je\u2028f\x85g\ud800h"


@STYLES
def test_control_characters_are_spelled_out_so_that_nobody_forges_a_line(setup: Setup, style: Format) -> None:
    lines = setup(style)
    log.info("from outside: %s", ODD)
    (line,) = lines()
    text = line if style == "text" else json.loads(line)["message"]
    assert text.endswith("from outside: a\\nb\\rc\\x00d\\x1b[2Je\\u2028f\\x85g\\ud800h")


def test_in_a_trace_too_but_for_its_lines(setup: Setup) -> None:
    lines = setup()
    try:
        fail("\x1b[2J\r\ud800")
    except ValueError:
        log.exception("failed")
    assert lines()[-1] == "ValueError: \\x1b[2J\\r\\ud800"


@STYLES
@pytest.mark.parametrize(
    "secret", ["S3cret-key", "two\nlines of it", "tab\tand back\\slash", "-----BEGIN-----\nMIIabc\n-----END-----"]
)
def test_a_secret_is_masked_in_messages_arguments_and_traces(setup: Setup, style: Format, secret: str) -> None:
    lines = setup(style, secret)
    log.error("as a message: " + secret)  # noqa: G003 - as a library might
    log.error("as an argument: %s %r", secret, [secret])
    log.error("by name: %(key)s", {"key": secret})
    try:
        try:
            fail(secret)
        except ValueError as error:
            raise RuntimeError(f"because of {secret!r}") from error
    except RuntimeError:
        log.exception("as a trace")
    everything = "\n".join(lines())
    for form in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], repr(repr(secret))[2:-2]):
        assert form not in everything
    assert everything.count(MASK) >= 6


@STYLES
@pytest.mark.parametrize("args", [(SECRET,), (SECRET, SECRET), ({"no": SECRET},)])
def test_arguments_that_do_not_fit_are_shown_masked_instead_of_by_logging_itself(
    setup: Setup, style: Format, args: tuple[object, ...]
) -> None:
    lines = setup(style, SECRET)
    log.info("%d things", *args)
    (line,) = lines()
    assert "%d things" in line
    assert SECRET not in line


def test_records_below_the_level_are_not_written(setup: Setup) -> None:
    lines = setup(level="warning")
    log.info("no")
    log.warning("yes")
    assert [line[-3:] for line in lines()] == ["yes"]


def test_asyncios_own_chatter_is_not_written_at_any_level(setup: Setup) -> None:
    lines = setup(level="debug")
    logging.getLogger("asyncio").debug("Using selector: EpollSelector")
    logging.getLogger("asyncio").error("Task exception was never retrieved")
    assert len(lines()) == 1


def test_setting_up_again_replaces_what_was_before(setup: Setup) -> None:
    setup("text", "old-secret")
    lines = setup("text", "new-secret")
    log.info("old-secret new-secret")
    assert [line.partition(": ")[2] for line in lines()] == [f"old-secret {MASK}"]
