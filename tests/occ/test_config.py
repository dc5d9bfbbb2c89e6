"""A configuration becomes frozen values, or every one of its problems, each with its place and never with a value."""

from __future__ import annotations

import copy
import hashlib
import math
import pickle
import re
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from occ import config
from occ.config import ExporterConfig, Loaded, Model, Secret, load, seconds, unique
from occ.errors import ConfigError
from tests.occ.desk import Desk

CORPUS = sorted((Path(__file__).parents[1] / "bad-config").glob("*.yml"))

CANARY = "c4n4ry-c4n4ry"


def loaded(folder: Path, text: str, env: Mapping[str, str] | None = None) -> Loaded[Desk]:
    path = folder / "desk.yml"
    path.write_text(text)
    return load(path, Desk, env or {})


def venue(folder: Path, text: str, env: Mapping[str, str] | None = None) -> Any:
    """A venue of which `text` is all but its name."""
    return loaded(folder, f"venues:\n  - name: binance\n    {text}\n", env).config.venues[0]


def complaints(folder: Path, text: str, env: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text, env)
    return [str(problem).removeprefix(f"{folder / 'desk.yml'}:").strip() for problem in caught.value.problems]


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_every_problem_and_its_place(path: Path) -> None:
    expected = re.findall(r"^# expect: (.*)$", path.read_bytes().decode(errors="replace"), re.MULTILINE)
    assert expected, "the file does not say what is expected of it"
    with pytest.raises(ConfigError) as caught:
        load(path, Desk, {})
    assert [str(problem).removeprefix(f"{path}:").strip() for problem in caught.value.problems] == expected


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_what_is_said_of_a_bad_file_repeats_no_value(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(path, Desk, {})
    assert "s3cr3t" not in shown(caught.value)


def test_the_corpus_is_there() -> None:
    assert len(CORPUS) >= 30


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "no.yml", Desk)
    assert str(caught.value) == f"{tmp_path}/no.yml: can not be read: No such file or directory"


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(str(tmp_path), Desk)
    assert str(caught.value) == f"{tmp_path}: can not be read: Is a directory"


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    assert complaints(tmp_path, "") == ["is empty"]


def test_a_file_that_is_absurdly_large_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "desk.yml"
    path.write_bytes(b"#" * (config.MAX_FILE_BYTES + 1))
    with pytest.raises(ConfigError, match=r"is larger than \d+ bytes$"):
        load(path, Desk)


def test_a_problem_of_the_whole_stands_where_its_part_does(tmp_path: Path) -> None:
    text = "defaults: {interval: 5s}\nvenues:\n  - name: a\n    url: http://a.example\n    timeout: 9s\n"
    assert complaints(tmp_path, text) == ["5: venues[0].timeout: must not be longer than the interval"]


# --- what is accepted ------------------------------------------------------------------------------------------------


def test_a_file_that_says_nothing_of_something_gets_the_defaults(tmp_path: Path) -> None:
    held = loaded(tmp_path, "scrape_interval: 30s").config
    assert (held.scrape_interval, held.defaults.interval, held.defaults.timeout) == (30.0, 5.0, 3.0)
    assert (held.limits.series, held.egress, held.venues) == (200_000, (), ())


def test_values_arrive_as_their_types(tmp_path: Path) -> None:
    text = "url: http://a.example\n    interval: 1m30s\n    depth: 500\n    share: 1e-1\n    symbols: [BTC/USDT, 'BTC/USDT:USDT']"
    held = venue(tmp_path, text)
    assert (held.interval, held.depth, held.share) == (90.0, 500, 0.1)
    assert held.symbols == ("BTC/USDT", "BTC/USDT:USDT")


def test_a_whole_number_will_do_where_a_number_belongs(tmp_path: Path) -> None:
    held = venue(tmp_path, "url: http://a.example\n    fees: {kind: tiered, ratios: [0, 1]}")
    assert held.fees.ratios == (0.0, 1.0)


def test_the_values_are_frozen(tmp_path: Path) -> None:
    held = loaded(tmp_path, "scrape_interval: 30s").config
    with pytest.raises(ValidationError, match="frozen"):
        setattr(held, "scrape_interval", 5.0)  # noqa: B010 - mypy knows better


def test_the_digest_is_that_of_the_bytes_and_changes_with_them(tmp_path: Path) -> None:
    first, again = loaded(tmp_path, "scrape_interval: 30s"), loaded(tmp_path, "scrape_interval: 30s")
    other = loaded(tmp_path, "scrape_interval: 30s # or so")
    assert first.digest == again.digest != other.digest
    assert re.fullmatch("[0-9a-f]{12}", first.digest)


def test_the_environment_is_that_of_the_process_unless_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCC_TEST_TIME", "30s")
    (tmp_path / "desk.yml").write_text("scrape_interval: ${OCC_TEST_TIME}")
    assert load(tmp_path / "desk.yml", Desk).config.scrape_interval == 30.0


class TestDurations:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("500ms", 0.5),
            ("5s", 5),
            ("1.5s", 1.5),
            ("2m", 120),
            ("1h", 3600),
            ("1h30m", 5400),
            ("1d", 86400),
            ("1w", 604800),
            ("1m1ms", 60.001),
        ],
    )
    def test_a_duration_has_a_unit(self, text: str, expected: float) -> None:
        assert seconds(text) == expected

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "5",
            "s",
            "5 s",
            "5S",
            "5sec",
            "-5s",
            "+5s",
            "1,5s",
            ".5s",
            "5.s",
            "1h 30m",
            "\u0665s",
            "5s\n",
            "1e3s",
            "inf s",
        ],
    )
    def test_anything_else_is_none(self, text: str) -> None:
        with pytest.raises(ValueError):  # noqa: PT011 - it is seconds' contract
            seconds(text)

    def test_an_endless_one_is_refused(self, tmp_path: Path) -> None:
        assert complaints(tmp_path, f"scrape_interval: {'9' * 400}s") == [
            "1: scrape_interval: expected a finite number"
        ]

    @given(st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(["ms", "s", "m", "h", "d", "w"])), min_size=1))
    def test_the_parts_add_up(self, parts: list[tuple[int, str]]) -> None:
        whole = seconds("".join(f"{number}{unit}" for number, unit in parts))
        assert math.isclose(whole, math.fsum(seconds(f"{number}{unit}") for number, unit in parts))


class TestNames:
    @pytest.mark.parametrize("name", ["a", "A9", "own-geth", "a.b_c-d", "0", "x" * 63])
    def test_a_name_is_a_word_that_can_be_a_label_value_and_part_of_an_id(self, tmp_path: Path, name: str) -> None:
        assert loaded(tmp_path, f"egress: [{{name: '{name}', url: 'http://a.example'}}]").config.egress[0].name == name

    @pytest.mark.parametrize("name", ["", "a/b", "a b", ".a", "-a", "_a", "é", "a\\n", "x" * 64, "a:b", "$a"])
    def test_anything_else_is_not(self, tmp_path: Path, name: str) -> None:
        expected = "1: egress[0].name: expected a name of letters, digits, `.`, `_` or `-`, 63 at most"
        assert complaints(tmp_path, f'egress: [{{name: "{name}", url: "http://a.example"}}]') == [expected]


class TestUrls:
    @pytest.mark.parametrize("url", ["http://a.example", "https://user:pw@a.example:8545/v2/key?x=y", "http://[::1]:80/", "http://10.0.0.5:8545", "HTTP://A.example"])  # fmt: skip
    def test_a_url_is_kept_as_it_is_written(self, tmp_path: Path, url: str) -> None:
        assert venue(tmp_path, f"url: '{url}'").url.reveal() == url

    def test_a_web_socket_has_a_scheme_of_its_own(self, tmp_path: Path) -> None:
        held = venue(tmp_path, "url: http://a.example\n    stream: wss://a.example/ws")
        assert held.stream.reveal() == "wss://a.example/ws"

    def test_a_url_and_its_parts_that_can_be_keys_are_never_printed(self, tmp_path: Path) -> None:
        text = "https://reader:pa55word@a.example/v2/k3y-in-the-path?token=k3y-in-the-query&k3y-alone#end"
        secrets = loaded(tmp_path, f"egress: [{{name: a, url: '{text}'}}]").secrets
        assert secrets == {text, "reader", "pa55word", "k3y-in-the-path", "k3y-in-the-query", "k3y-alone"}

    def test_short_parts_are_words_and_stay_readable(self, tmp_path: Path) -> None:
        assert loaded(tmp_path, "egress: [{name: a, url: 'http://a.example/v2/rpc'}]").secrets == {
            "http://a.example/v2/rpc"
        }

    def test_a_key_from_the_environment_is_a_secret_also_inside_a_url(self, tmp_path: Path) -> None:
        held = loaded(tmp_path, "egress: [{name: a, url: 'http://a.example/x${KEY}'}]", {"KEY": "k3y-k3y"})
        assert held.secrets == {"http://a.example/xk3y-k3y", "xk3y-k3y", "k3y-k3y"}


class TestSecrets:
    def key(self, folder: Path, text: str, env: Mapping[str, str] | None = None) -> Loaded[Desk]:
        account = f"{{name: desk, key: {text}}}"
        return loaded(folder, f"venues:\n  - {{name: a, url: http://a.example, accounts: [{account}]}}", env)

    def reveal(self, held: Loaded[Desk]) -> str:
        key = held.config.venues[0].accounts[0].key
        assert key is not None
        return key.reveal()

    def test_a_secret_comes_from_the_environment(self, tmp_path: Path) -> None:
        held = self.key(tmp_path, "{env: DESK_KEY}", {"DESK_KEY": "k3y-k3y"})
        assert self.reveal(held) == "k3y-k3y"
        assert "k3y-k3y" in held.secrets

    def test_a_secret_comes_from_a_file_beside_the_configuration_without_the_line_end(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("k3y-k3y\n")
        held = self.key(tmp_path, "{file: key}")
        assert self.reveal(held) == "k3y-k3y"
        assert "k3y-k3y" in held.secrets

    def test_a_secret_of_many_lines_keeps_them(self, tmp_path: Path) -> None:
        (tmp_path / "key.pem").write_text("-----BEGIN-----\nabc\n-----END-----\n")
        assert (
            self.reveal(self.key(tmp_path, f"{{file: {tmp_path / 'key.pem'}}}"))
            == "-----BEGIN-----\nabc\n-----END-----"
        )

    @pytest.mark.parametrize(
        ("raw", "message"),
        [
            (b"\xff\xfe", "the file named here is not text"),
            (b" \n", "the file named here is empty"),
            ("é".encode() * 40_000, "the file named here is too large for a secret"),
        ],
    )
    def test_a_file_that_holds_no_secret_is_refused(self, tmp_path: Path, raw: bytes, message: str) -> None:
        (tmp_path / "key").write_bytes(raw)
        with pytest.raises(ConfigError) as caught:
            self.key(tmp_path, "{file: key}")
        assert caught.value.problems[0].message == message

    def test_an_environment_that_is_not_utf_8_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="the environment variable named here does not hold text"):
            self.key(tmp_path, "{env: DESK_KEY}", {"DESK_KEY": "\udcff"})

    def test_a_secret_shows_itself_only_when_asked(self, tmp_path: Path) -> None:
        held = self.key(tmp_path, "{env: DESK_KEY}", {"DESK_KEY": CANARY})
        account = held.config.venues[0].accounts[0]
        assert CANARY not in f"{account} {account!r} {account.key} {account.key!r} {held.config!r} {held.config}"
        assert CANARY not in repr(held.config.model_dump())

    def test_secrets_are_equal_when_their_values_are(self) -> None:
        assert Secret("a") == Secret("a") != Secret("b")
        assert Secret("a") != "a"
        assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
        assert copy.deepcopy(Secret("a")) == pickle.loads(pickle.dumps(Secret("a"))) == Secret("a")


class TestUnknownKeys:
    def test_the_one_that_was_meant_is_suggested(self, tmp_path: Path) -> None:
        assert complaints(tmp_path, "scrape_intervall: 5s") == [
            "1: scrape_intervall: unknown key; did you mean `scrape_interval`?"
        ]

    def test_nothing_is_suggested_where_nothing_is_near(self, tmp_path: Path) -> None:
        assert complaints(tmp_path, "colour: red") == ["1: colour: unknown key"]

    def test_the_suggestion_is_of_the_same_place(self, tmp_path: Path) -> None:
        text = "venues:\n  - name: a\n    url: http://a.example\n    acounts: []"
        assert complaints(tmp_path, text) == ["4: venues[0].acounts: unknown key; did you mean `accounts`?"]


# --- what is never shown ---------------------------------------------------------------------------------------------

SKELETON: dict[str, Any] = {
    "scrape_interval": "15s",
    "defaults": {"interval": "5s", "timeout": "3s"},
    "limits": {"series": 1000},
    "assets": {"ETH": ["WETH"]},
    "egress": [{"name": "a", "url": "http://a.example/"}],
    "unheard_of": 1,
    "venues": [
        {
            "name": "v",
            "url": "http://a.example/",
            "stream": "ws://a.example/",
            "mode": "live",
            "live": True,
            "depth": 10,
            "share": 0.5,
            "labels": {"team": "t", "tier": "1"},
            "symbols": ["X"],
            "fees": {"kind": "flat", "ratio": 0.1},
            "accounts": [{"name": "desk", "key": {"env": "KEY"}}],
            "unheard_of": {"deep": [1]},
        }
    ],
}

SHAPES = (
    "{0}", "'{0}'", "[{0}]", "[[{0}]]", "{{env: {0}}}", "{{file: {0}}}", "{{env: [{0}]}}", "{{kind: {0}}}", "{{name: {0}}}",
    "*{0}", "!{0} x", "!{0}!x y", "!!int {0}", "!!float {0}", "'{0}", "[{0}", "{{a: {0}", "{0}: {0}: {0}", "@{0}", "%{0}", "|{0}", ">{0}",
    "'${{NO_SUCH}}{0}'", "'${{{0}'", "http://u:{0}@a.example:x/", "ftp://{0}", '"\\ud800{0}"', '"\\q{0}"',
)  # fmt: skip


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(deeper for key, item in inner for deeper in places(item, (*path, key)))]


def flow(node: Any, target: tuple[Any, ...], instead: str, path: tuple[Any, ...] = ()) -> str:
    """The document as YAML, with something else in one place."""
    if path == target:
        return instead
    if isinstance(node, dict):
        return (
            "{" + ", ".join(f"{key}: {flow(item, target, instead, (*path, key))}" for key, item in node.items()) + "}"
        )
    if isinstance(node, list):
        return "[" + ", ".join(flow(item, target, instead, (*path, index)) for index, item in enumerate(node)) + "]"
    return f'"{node}"' if isinstance(node, str) else str(node).lower()


def shown(error: ConfigError) -> str:
    """All that a person, a log or a trace could see of an error."""
    return f"{error}{error!r}{error.problems!r}{''.join(traceback.format_exception(error))}"


@pytest.mark.parametrize("place", places(SKELETON)[1:], ids=lambda place: ".".join(map(str, place)))
def test_no_message_ever_shows_a_value_wherever_it_stands_and_however_it_is_written(
    place: tuple[Any, ...], tmp_path: Path
) -> None:
    for shape in SHAPES:
        text = flow(SKELETON, place, shape.format(CANARY))
        (tmp_path / "desk.yml").write_text(text)
        with pytest.raises(ConfigError) as caught:
            load(tmp_path / "desk.yml", Desk, {"KEY": CANARY})
        assert CANARY not in shown(caught.value), text


def test_no_message_shows_what_came_from_the_environment(tmp_path: Path) -> None:
    for place in places(SKELETON)[1:]:
        (tmp_path / "desk.yml").write_text(flow(SKELETON, place, "'${KEY}'"))
        with pytest.raises(ConfigError) as caught:
            load(tmp_path / "desk.yml", Desk, {"KEY": CANARY})
        assert CANARY not in shown(caught.value), place


class Anything(Model):
    a: Any = None


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_whatever_is_in_the_place_of_a_configuration_it_is_taken_or_refused(value: Any) -> None:
    for model in (Desk, ExporterConfig, Anything):
        try:
            assert isinstance(model.model_validate(value, context=config.Context(Path(), {})), model)
        except ValidationError as error:
            assert error.error_count() > 0  # noqa: PT017 - either is right


class Words(Model):
    words: Annotated[tuple[str, ...], unique()]


def test_an_item_that_is_there_already_is_told_beside_what_else_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "words.yml"
    path.write_text("words: [a, b, a, 7, b]\n")
    with pytest.raises(ConfigError) as caught:
        load(path, Words, {})
    assert [(problem.path, problem.message) for problem in caught.value.problems] == [
        ("words[2]", '"a" is there already, as item 0'),
        ("words[3]", "expected a string, got a whole number"),
        ("words[4]", '"b" is there already, as item 1'),
    ]


# --- a file that names another ---------------------------------------------------------------------------------------


class Inner(Model):
    substitutes: ClassVar[bool] = False

    key: config.SecretValue | None = None
    name: str


class Outer(Model):
    name: config.Name
    inner: Annotated[Loaded[Inner], config.file_of(Inner)] | None = None


def nested(folder: Path, inner: str, env: Mapping[str, str] | None = None) -> Loaded[Outer]:
    (folder / "inner.yml").write_text(inner)
    (folder / "outer.yml").write_text("name: desk\ninner: inner.yml\n")
    return load(folder / "outer.yml", Outer, env or {})


def test_a_file_that_is_named_is_loaded_with_the_one_that_names_it(tmp_path: Path) -> None:
    found = nested(tmp_path, "name: a\nkey: {env: KEY}", {"KEY": CANARY})
    assert found.config.inner is not None
    assert found.config.inner.config.name == "a"
    assert CANARY in found.secrets
    assert CANARY not in repr(found)
    assert nested(tmp_path, "name: b\nkey: {env: KEY}", {"KEY": CANARY}).digest != found.digest


def test_a_file_that_names_none_has_the_digest_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "outer.yml").write_text("name: desk\n")
    assert load(tmp_path / "outer.yml", Outer, {}).digest == hashlib.sha256(b"name: desk\n").hexdigest()[:12]


def test_what_is_wrong_there_is_told_with_the_place_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        nested(tmp_path, "nme: a\n")
    assert [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems] == [
        "outer.yml:2: inner: the file named here can not be used",
        "inner.yml:1: name: is required",
        "inner.yml:1: nme: unknown key; did you mean `name`?",
    ]


def test_where_nothing_is_put_in_from_the_environment_it_is_refused_and_not_left_standing(tmp_path: Path) -> None:
    for text in ("${A}", "x ${A} y", "$${A}", "${"):
        with pytest.raises(ConfigError, match=r"environment variables are not put in here, so `\${` is refused"):
            nested(tmp_path, f'name: "{text}"\n', {"A": "b"})
    assert nested(tmp_path, 'name: "$a $$ $"\n').config.inner.config.name == "$a $$ $"  # type: ignore[union-attr]


def test_what_is_found_wrong_later_has_the_line_of_the_nearest_part(tmp_path: Path) -> None:
    held = loaded(tmp_path, "limits: {series: 1000}\nvenues:\n  - name: a\n    url: http://a.example\n")
    for loc, place in ((("venues", 0, "url"), 4), (("venues", 0, "fees", "kind"), 3), (("egress",), 1), ((), 1)):
        problem = held.problem(loc, "is odd")
        assert (problem.file, problem.line, problem.message) == (f"{tmp_path}/desk.yml", place, "is odd")
    assert held.problem(("venues", 0, "url"), "x").path == "venues[0].url"
