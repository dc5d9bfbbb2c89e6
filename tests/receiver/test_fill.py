"""Parameters in their places: whatever a value holds, it stays what it is and where it is."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from occ.config import Model
from receiver import fill
from receiver.fill import Unfillable

VALUES = {"venue": "binance", "account": "desk-a"}
HOSTILE = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    [
        '"} or vector(1) #',
        "binance\\",
        '\\"',
        "a\nb",
        "../admin",
        "..",
        ".",
        "%2e%2e%2f",
        "$venue",
        "$$",
        "{{x}}",
        "\0",
        "-rf",
    ]
)


def told(kind: fill.Kind, value: object, values: dict[str, str] | None = None) -> str:
    with pytest.raises(Unfillable) as caught:
        kind.fill(value, VALUES if values is None else values)
    return str(caught.value)


# --- strings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "filled"),
    [
        ("$venue", "binance"),
        ("$venue/$account", "binance/desk-a"),
        ("of $venue.", "of binance."),
        ("$venue$account", "binancedesk-a"),
        ("$$venue", "$venue"),
        ("5 $$", "5 $"),
        ("$$$venue", "$binance"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_a_parameter_stands_whole_or_inside(written: str, filled: str) -> None:
    assert fill.TEXT.fill(written, VALUES) == filled


@pytest.mark.parametrize("written", ["$", "5 $", "$ venue", "$Venue", "$1", "${venue}", "$$$"])
def test_a_lone_dollar_is_an_error(written: str) -> None:
    assert told(fill.TEXT, written) == "`$` needs the name of a parameter; `$$` is a plain `$`"


def test_what_is_no_parameter_is_an_error() -> None:
    assert told(fill.TEXT, "$venu") == "`$venu` is no parameter here; there are: account, venue"
    assert told(fill.TEXT, "$venues") == "`$venues` is no parameter here; there are: account, venue"
    assert told(fill.TEXT, "$venue", {}) == "`$venue` is no parameter here; there are none"


@given(HOSTILE)
def test_what_was_put_in_is_not_looked_at_again(value: str) -> None:
    assert fill.TEXT.fill("<$venue>", {"venue": value, "account": "x"}) == f"<{value}>"


# --- JSON ------------------------------------------------------------------------------------------------------------


def test_in_json_the_values_are_filled_however_deep_and_nothing_else_changes() -> None:
    body = {"venue": "$venue", "n": 1, "on": True, "of": None, "all": ("$account", {"x": "a $venue"})}
    assert fill.JSON.fill(body, VALUES) == {
        "venue": "binance", "n": 1, "on": True, "of": None, "all": ("desk-a", {"x": "a binance"}),
    }  # fmt: skip


def test_a_key_of_json_holds_no_parameter() -> None:
    with pytest.raises(Unfillable, match="a key holds no parameter") as caught:
        fill.JSON.fill({"a": ({"$venue": 1},)}, VALUES)
    assert caught.value.at == ("a", 0, "$venue")


@given(HOSTILE)
def test_a_value_in_json_reads_back_as_itself(value: str) -> None:
    sent = json.dumps(fill.JSON.fill({"venue": "$venue", "side": "sell"}, {"venue": value}))
    assert json.loads(sent) == {"venue": value, "side": "sell"}


# --- a path ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "value", "filled"),
    [
        ("/halt", "x", "/halt"),
        ("/halt/$venue", "binance", "/halt/binance"),
        ("/v1/$venue/halt", "a b", "/v1/a%20b/halt"),
        ("/v1/x-$venue", "a?b#c&d=e", "/v1/x-a%3Fb%23c%26d%3De"),
        ("/$venue", "%2e%2e%2f", "/%252e%252e%252f"),
        ("/$venue", "größe", "/gr%C3%B6%C3%9Fe"),
        ("/", "x", "/"),
    ],
)
def test_a_value_in_a_path_is_percent_encoded(written: str, value: str, filled: str) -> None:
    assert fill.PATH.fill(written, {"venue": value}) == filled


@pytest.mark.parametrize("value", ["", "a/b", "BTC/USDT", "a\\b", "a\nb", "\0", "\x7f", "../x", "\u2028"])
def test_a_value_that_would_leave_its_segment_is_refused(value: str) -> None:
    assert told(fill.PATH, "/halt/$venue", {"venue": value}) == (
        "a value that is empty or holds `/`, `\\` or a control character can not stand in a path"
    )


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("/a/$x", {"x": ".."}),
        ("/a/$x/b", {"x": "."}),
        ("/a/$x$y", {"x": ".", "y": "."}),
        ("/a/.$x", {"x": "."}),
        ("/a/../b", {}),
    ],
)
def test_no_path_leads_upwards(written: str, values: dict[str, str]) -> None:
    assert told(fill.PATH, written, values) == "`.` and `..` are no part of a path here"


@pytest.mark.parametrize(
    "written", ["halt", "", "//host/x", "/a//b", "/a?b", "/a#b", "/a%2fb", "/a b", "http://x/", "/a\\b", "/ä", "/a\n"]
)
def test_what_is_no_plain_path_is_refused(written: str) -> None:
    assert told(fill.PATH, written).startswith("expected a path such as /halt")


@given(HOSTILE, HOSTILE)
def test_a_path_keeps_its_shape_or_is_refused(one: str, other: str) -> None:
    try:
        filled = fill.PATH.fill("/v1/$one/x-$other/halt", {"one": one, "other": other})
    except Unfillable:
        return
    parts = urlsplit(f"http://host{filled}")
    assert (parts.netloc, parts.query, parts.fragment) == ("host", "", "")
    assert [unquote(part) for part in parts.path.split("/")] == ["", "v1", one, f"x-{other}", "halt"]
    assert not {".", ".."} & set(unquote(filled).split("/"))


# --- PromQL ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "filled"),
    [
        ('up{venue="$venue"}', 'up{venue="binance"}'),
        ('up{a="x", venue = "$venue/$account"} == 0', 'up{a="x", venue = "binance/desk-a"} == 0'),
        ('sum by (x) (up{a="$venue"}) > on (x) up{b=~"a.*$$"}', 'sum by (x) (up{a="binance"}) > on (x) up{b=~"a.*$"}'),
        ("up{a='b', venue=\"$venue\"}", "up{a='b', venue=\"binance\"}"),
        ('up{ # all\n venue="$venue"}', 'up{ # all\n venue="binance"}'),
        ("up == 0", "up == 0"),
    ],
)
def test_a_parameter_stands_in_the_string_of_a_matcher(written: str, filled: str) -> None:
    assert fill.PROMQL.fill(written, VALUES) == filled


@pytest.mark.parametrize(
    "written",
    [
        "up > $venue",
        "$venue",
        'up{$venue="x"}',
        'up{venue=~"$venue"}',
        'up{venue!="$venue"}',
        'up{venue!~"$venue"}',
        "up{venue='$venue'}",
        "up{venue=`$venue`}",
        'up{"venue"="$venue"}',
        'label_replace(up, "a", "$venue", "b", "")',
        'count_values("$venue", up)',
        'up == "$venue"',
        'x="$venue"',
        'up{venue="$venue',
        "up{venue=$venue}",
        'up # {venue="$venue"}',
        "up{a='{b=', c=~\"$venue\"}",
        'up{venue="a" "$venue"}',
    ],
)
def test_elsewhere_in_a_query_it_is_refused(written: str) -> None:
    assert told(fill.PROMQL, written) == (
        'a parameter stands in the double-quoted string of an `=` matcher, as in {venue="$venue"}, and nowhere else'
    )


def test_an_unknown_parameter_in_a_matcher_is_named() -> None:
    assert told(fill.PROMQL, 'up{a="$x"}') == "`$x` is no parameter here; there are: account, venue"


def matchers(query: str) -> list[tuple[str, str, str]]:
    """As another parser reads them."""
    parsed = promql_parser.parse(query)
    assert isinstance(parsed, promql_parser.VectorSelector)
    return [(found.name, str(found.op), found.value) for found in parsed.matchers.matchers]


@given(HOSTILE)
def test_another_parser_reads_the_very_value_and_no_other_matcher(value: str) -> None:
    query = fill.PROMQL.fill('engine_quoting{venue="$venue",account="x"}', {"venue": value})
    assert [(name, found) for name, _, found in matchers(query)] == [("venue", value), ("account", "x")]


@given(HOSTILE)
def test_a_quoted_text_is_one_string_that_means_it(value: str) -> None:
    quoted = fill.quoted(value)
    assert re.fullmatch(r'"(?:[^"\\\n]|\\.)*"', quoted)
    assert matchers(f"up{{a={quoted}}}")[0][2] == value


# --- a command's arguments -------------------------------------------------------------------------------------------


def test_an_argument_is_a_parameter_or_is_not() -> None:
    assert fill.ARGV.fill(("--venue", "$venue", "5 $$"), VALUES) == ("--venue", "binance", "5 $")
    with pytest.raises(Unfillable, match="a parameter is a whole argument") as caught:
        fill.ARGV.fill(("--all", "--venue=$venue"), VALUES)
    assert caught.value.at == (1,)


@given(HOSTILE)
def test_an_argument_stays_one_argument(value: str) -> None:
    try:
        filled = fill.ARGV.fill(("$venue", "last"), {"venue": value})
    except Unfillable:
        assert "\0" in value
        return
    assert filled == (value, "last")


# --- the options of a step -------------------------------------------------------------------------------------------


class Options(Model):
    target: str
    path: Annotated[str, fill.PATH]
    spare: Annotated[str | None, fill.TEXT] = None
    body: Annotated[dict[str, Any] | None, fill.JSON] = None


def test_each_field_is_filled_as_it_says() -> None:
    raw = {"target": "engine", "path": "/$venue", "spare": "$account", "body": {"a": "$venue"}}
    filled = fill.options(Options, raw, {"venue": "a b", "account": "c d"})
    assert filled == {"target": "engine", "path": "/a%20b", "spare": "c d", "body": {"a": "a b"}}


@pytest.mark.parametrize(
    ("raw", "at"),
    [
        ({"target": "$venue"}, ("target",)),
        ({"unknown": {"deep": ("$venue",)}}, ("unknown", "deep", 0)),
        ({"unknown": {"$venue": 1}}, ("unknown", "$venue")),
    ],
)
def test_where_a_field_says_nothing_no_parameter_stands(raw: dict[str, Any], at: tuple[str | int, ...]) -> None:
    with pytest.raises(Unfillable, match=re.escape("no parameter may stand here; `$$` is a plain `$`")) as caught:
        fill.options(Options, raw, VALUES)
    assert caught.value.at == at


def test_the_place_of_what_can_not_be_filled_is_told() -> None:
    with pytest.raises(Unfillable, match=re.escape("`$x` is no parameter here")) as caught:
        fill.options(Options, {"body": {"a": ("b", {"c": "$x"})}}, VALUES)
    assert caught.value.at == ("body", "a", 1, "c")
    with pytest.raises(Unfillable) as caught:
        fill.options(Options, {"path": "/$x"}, VALUES)
    assert caught.value.at == ("path",)


@pytest.mark.parametrize("kind", [fill.TEXT, fill.PATH, fill.PROMQL, fill.ARGV, fill.JSON, fill.FIXED])
@pytest.mark.parametrize("value", [5, 0.5, None, True])
def test_what_is_no_text_stays_for_the_executor_to_judge(kind: fill.Kind, value: object) -> None:
    assert kind.fill(value, VALUES) is value
