"""One YAML file as plain data. Every expected message is whole: these are what a person reads when a start fails."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occ.document import MAX_DEPTH, Document, dotted
from occ.errors import ConfigError

ENV = {"HOST": "eth.example", "KEY": "k3y-0123456789", "EMPTY": "", "SHORT": "v2", "TORN": "\udcff"}


def read(text: str | bytes) -> tuple[Any, list[str]]:
    """What the file holds, and its problems."""
    document = Document(Path("f.yml"), ENV)
    data = document.data(text if isinstance(text, bytes) else text.encode())
    return data, [str(problem) for problem in document.problems]


def value(text: str) -> Any:
    """The value of `a: …`, which is without problems."""
    data, problems = read(f"a: {text}")
    assert problems == []
    return data["a"]


def refusal(text: str | bytes) -> str:
    """The one complaint about a file that can not be read at all."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    return str(caught.value)


def problems(text: str) -> list[str]:
    return read(text)[1]


class TestScalars:
    """Those of YAML 1.2's core schema, less the numbers that are not decimal."""

    @pytest.mark.parametrize("text", ["off", "on", "yes", "no", "y", "N", "Off", "YES"])
    def test_only_true_and_false_are_booleans(self, text: str) -> None:
        assert value(text) == text

    @pytest.mark.parametrize(("text", "expected"), [("true", True), ("False", False), ("TRUE", True)])
    def test_true_and_false_are(self, text: str, expected: bool) -> None:  # noqa: FBT001 - a value, not a switch
        assert value(text) is expected

    @pytest.mark.parametrize(
        "text", ["0x12", "0xB4e16d0168e52d35CaCD2c6185b44281Ec28C9Dc", "0o17", "0b1", "1_000", "12:30", "1:30:00"]
    )
    def test_addresses_times_and_grouped_digits_are_words(self, text: str) -> None:
        assert value(text) == text

    @pytest.mark.parametrize(
        ("text", "expected"), [("0", 0), ("-7", -7), ("+7", 7), ("007", 7), ("9" * 40, int("9" * 40))]
    )
    def test_decimal_digits_are_a_whole_number_of_any_width(self, text: str, expected: int) -> None:
        assert value(text) == expected
        assert type(value(text)) is int

    @pytest.mark.parametrize(
        ("text", "expected"),
        [("1.5", 1.5), (".5", 0.5), ("1.", 1.0), ("-1e3", -1e3), (".inf", math.inf), ("-.INF", -math.inf)],
    )
    def test_numbers_with_a_point_or_an_exponent_are_floats(self, text: str, expected: float) -> None:
        assert value(text) == expected
        assert type(value(text)) is float

    def test_nan_is_a_float(self) -> None:
        assert math.isnan(value(".nan"))

    @pytest.mark.parametrize("text", ["~", "null", "Null", ""])
    def test_nothing_is_none(self, text: str) -> None:
        assert value(text) is None

    @pytest.mark.parametrize(
        "text", ["2026-11-20", "1.2.3", "v1", "nan", "inf", "1e", "+", "-", "1.5s", "NO", "=", "<<"]
    )
    def test_everything_else_is_a_string(self, text: str) -> None:
        assert value(text if text != "-" else "'-'") == text

    @pytest.mark.parametrize("text", ["'5'", '"true"', "'~'", '""', "'0x12'"])
    def test_what_stands_in_quotes_is_a_string(self, text: str) -> None:
        assert value(text) == text[1:-1]

    def test_a_number_of_absurdly_many_digits_is_a_problem_and_costs_nothing(self) -> None:
        assert problems("a: 1\nb: " + "9" * 1_000_000) == ["f.yml:2: b: a number with too many digits"]

    def test_a_list_is_a_tuple_so_that_the_values_are_frozen(self) -> None:
        assert value("[1, [2, x]]") == (1, (2, "x"))


class TestVariables:
    """`${NAME}` inside strings."""

    def test_a_variable_is_replaced_wherever_it_stands_in_a_string(self) -> None:
        assert value("https://${HOST}/v2/${KEY}/rpc") == "https://eth.example/v2/k3y-0123456789/rpc"
        assert value("'${HOST}'") == "eth.example"

    def test_what_a_variable_holds_is_a_string_and_is_not_read_again(self) -> None:
        document = Document(Path("f.yml"), {"A": "5", "B": "${A}", "C": "{x: 1}"})
        assert document.data(b"a: ${A}\nb: ${B}\nc: ${C}") == {"a": "5", "b": "${A}", "c": "{x: 1}"}

    def test_a_doubled_dollar_is_a_plain_one(self) -> None:
        assert value("'$${HOST} costs $5 and $HOST'") == "${HOST} costs $5 and $HOST"

    @pytest.mark.parametrize("name", ["MISSING", "EMPTY"])
    def test_one_that_is_not_set_or_empty_is_a_problem_with_its_place(self, name: str) -> None:
        text = f"a: 1\nb:\n  - x\n  - http://${{{name}}}/"
        assert problems(text) == [f"f.yml:4: b[1]: environment variable {name} is not set"]

    @pytest.mark.parametrize("text", ["${", "${}", "${1}", "${KEY", "${K-EY}", "${ KEY }"])
    def test_a_half_written_one_is_a_problem(self, text: str) -> None:
        expected = "f.yml:1: a: `${` needs a variable's name and `}`; `$${` is a plain `${`"
        assert problems(f"a: '{text}'") == [expected]

    def test_two_missing_ones_in_a_string_are_two_problems(self) -> None:
        assert len(problems("a: ${X} ${Y}")) == 2

    def test_keys_are_left_alone(self) -> None:
        assert read("'${HOST}': 1") == ({"${HOST}": 1}, [])

    def test_what_came_from_the_environment_is_remembered_as_a_secret_unless_it_is_too_short_for_one(self) -> None:
        document = Document(Path("f.yml"), ENV)
        document.data(b"a: ${KEY} ${SHORT}")
        assert document.substituted == {"k3y-0123456789"}

    @pytest.mark.parametrize("text", ["${TORN}", '"\\ud800"', '"x\\uDFFF"'])
    def test_half_a_character_is_a_problem_since_it_could_not_be_sent_nor_shown(self, text: str) -> None:
        assert problems(f"a: {text}") == ["f.yml:1: a: holds a character that is no text"]


class TestMappings:
    def test_a_key_that_stands_twice_is_a_problem_and_names_the_first(self) -> None:
        assert read("a: 1\nb: {c: 1,\n c: 2}\na: 3") == (
            {"a": 1, "b": {"c": 1}},
            ["f.yml:3: b.c: stands twice, first on line 2", "f.yml:4: a: stands twice, first on line 1"],
        )

    def test_keys_are_words_whatever_they_look_like(self) -> None:
        assert read("1: a\ntrue: b\n~: c\n0x12: d") == ({"1": "a", "true": "b", "~": "c", "0x12": "d"}, [])

    @pytest.mark.parametrize("key", ["[a]", "{a: b}"])
    def test_a_key_that_is_no_word_is_a_problem(self, key: str) -> None:
        assert problems(f"x:\n  ? {key}\n  : 1") == ["f.yml:2: x: a key must be a word"]

    def test_merge_keys_are_not_of_yaml_1_2(self) -> None:
        assert read("a: &x {b: 1}\nc: {<<: *x}") == ({"a": {"b": 1}, "c": {"<<": {"b": 1}}}, [])

    def test_an_alias_is_what_its_anchor_is(self) -> None:
        assert read("a: &x [1, {b: 2}]\nc: *x") == ({"a": (1, {"b": 2}), "c": (1, {"b": 2})}, [])

    @pytest.mark.parametrize(
        "text",
        [
            "!!int abc",
            "!!float x",
            "!!bool maybe",
            "!!str 5",
            "!x:int 5",
            "!!set {b}",
            "!x [1]",
            "!!python/name:os.system x",
        ],
    )
    def test_tags_are_refused_and_run_nothing(self, text: str) -> None:
        assert problems(f"z: 1\na: {text}") == ["f.yml:2: a: tags are not used here"]


class TestUnreadable:
    @pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "\ufeff"])
    def test_an_empty_file_says_so(self, text: str) -> None:
        assert refusal(text) == "f.yml: is empty"

    @pytest.mark.parametrize("text", ["- a", "a", "5", "[a, b]"])
    def test_the_top_must_be_a_mapping(self, text: str) -> None:
        assert refusal(f"# comment\n{text}") == "f.yml:2: expected a mapping at the top"

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a: 1\nb: [1, 2", "f.yml:2: not YAML: expected ',' or ']', but got '<stream end>'"),
            ("a: 'x", "f.yml:1: not YAML: found unexpected end of stream"),
            ("a: b: c", "f.yml:1: not YAML: mapping values are not allowed here"),
            ("a: 1\n\tb: 2", "f.yml:2: not YAML: found character '\\t' that cannot start any token"),
            ("a: @x", "f.yml:1: not YAML: found character '@' that cannot start any token"),
            (
                "a: 1\n---\nb: 2",
                "f.yml:2: not YAML: expected a single document in the stream, but found another document",
            ),
            ("a: 1\nb: \x07", "f.yml:2: not YAML: a character that does not belong in it, U+0007"),
            ("a: 1\nb: *nothing", "f.yml:2: not YAML: found undefined alias"),
        ],
    )
    def test_what_is_not_yaml_is_told_with_its_line(self, text: str, expected: str) -> None:
        assert refusal(text) == expected

    def test_what_is_not_utf_8_is_told_with_its_line(self) -> None:
        assert refusal(b"a: 1\nb: \xff") == "f.yml:2: is not UTF-8 text"

    @pytest.mark.parametrize("text", ["*s3cr3t-value", "!s3cr3t-value!x y"])
    def test_the_parsers_own_words_repeat_nothing_of_the_file(self, text: str) -> None:
        assert "s3cr3t" not in refusal(f"password: {text}")

    @pytest.mark.parametrize("text", ["a: &x [*x]", "a: &x {b: *x}", "a: &x [*x, *x, *x]"])
    def test_an_anchor_that_holds_itself_is_refused(self, text: str) -> None:
        assert refusal(text) == "f.yml:1: too deeply nested, or too large"

    def test_a_few_lines_that_unfold_to_billions_are_refused(self) -> None:
        lines = ["a: &a [1,1,1,1,1,1,1,1,1]"] + [
            f"{n}: &{n} [{','.join([f'*{p}'] * 9)}]" for p, n in zip("abcdefgh", "bcdefghi", strict=True)
        ]
        assert refusal("\n".join(lines)).endswith("too deeply nested, or too large")

    @pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 2_000])
    def test_nesting_has_a_bound(self, depth: int) -> None:
        assert refusal("a: " + "[" * depth + "]" * depth).endswith("too deeply nested, or too large")


def test_all_problems_come_at_once_each_with_its_own_line() -> None:
    text = "a: ${X}\nb: !t 1\nc:\n  - ${Y}\n  - {d: 1, d: 2}\n"
    assert problems(text) == [
        "f.yml:1: a: environment variable X is not set",
        "f.yml:2: b: tags are not used here",
        "f.yml:4: c[0]: environment variable Y is not set",
        "f.yml:5: c[1].d: stands twice, first on line 5",
    ]


def test_a_problem_of_something_that_is_not_there_stands_on_the_line_of_what_holds_it() -> None:
    document = Document(Path("f.yml"), {})
    document.data(b"a:\n  - {b: 1}\n  - {b: 2}\n")
    document.problem(("a", 1, "missing", "deeper"), "is required")
    assert [str(problem) for problem in document.problems] == ["f.yml:3: a[1].missing.deeper: is required"]


def test_where_a_value_is_not_known_nothing_more_is_said_of_it() -> None:
    document = Document(Path("f.yml"), {})
    document.data(b"a: ${X}")
    document.problem(("a",), "expected a duration")
    assert [str(problem) for problem in document.problems] == ["f.yml:1: a: environment variable X is not set"]


def test_a_path_reads_as_a_person_would_write_it() -> None:
    assert dotted(("chains", 0, "nodes", 12, "name")) == "chains[0].nodes[12].name"
    assert dotted(()) == ""


def test_a_key_that_holds_control_characters_does_not_break_the_line() -> None:
    assert dotted(("a\nb: forged", "\x1b[2J")) == "a\\nb: forged.\\x1b[2J"


def is_read_or_refused(raw: bytes) -> bool:
    try:
        return isinstance(Document(Path("f.yml"), ENV).data(raw), dict)
    except ConfigError as error:
        return str(error).startswith("f.yml")


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_whatever_a_file_holds_it_is_read_or_refused(raw: bytes) -> None:
    assert is_read_or_refused(raw)


@given(st.text("abc${}:[]&*!#'\"- \n\t0.1|>%@`,?~\\x", max_size=60))
def test_whatever_looks_like_yaml_is_read_or_refused_too(text: str) -> None:
    assert is_read_or_refused(text.encode())
