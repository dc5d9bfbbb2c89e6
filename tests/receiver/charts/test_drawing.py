"""The picture, read as the XML that it is."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.charts.drawing import NARROW, POLICY, STYLE, WIDE, Size, runs, svg
from receiver.charts.values import Chart, Line, Mark, Panel, Points

SVG = "{http://www.w3.org/2000/svg}"
END = 1_790_000_100.0
STEP = 45.0
START = END - 240 * STEP


def points(*values: float | None) -> Points:
    """At the newest steps, one after the other; None: no value there."""
    first = END - (len(values) - 1) * STEP
    return tuple((first + index * STEP, value) for index, value in enumerate(values) if value is not None)


def chart(*panels: Panel, **more: object) -> Chart:
    return replace(Chart(START, END, STEP, panels), **more)  # type: ignore[arg-type]


def drawn(of: Chart, size: Size = WIDE) -> Element:
    return fromstring(svg(of, size))


def words(root: Element) -> list[str]:
    return [text.text or "" for text in root.iter(f"{SVG}text")]


def lines(root: Element, kind: str = "line") -> list[list[tuple[float, float]]]:
    found = [each for each in root.iter(f"{SVG}polyline") if each.get("class") == kind]
    return [
        [(float(x), float(y)) for x, y in re.findall(r"([-\d.]+),([-\d.]+)", each.get("points") or "")]
        for each in found
    ]


ONE = Panel("lag", ">", "3", (Line(points(1, 2, 4, 5)),), (Line(points(3, 3, 3, 3)),))


def test_a_value_and_its_bound_are_lines() -> None:
    root = drawn(chart(ONE))
    (line,), (bound,) = lines(root), lines(root, "bound")
    assert [y for _, y in line] == sorted((y for _, y in line), reverse=True), "what grows goes up"
    assert line[1][1] > bound[1][1] > line[2][1], "and crosses its bound"
    assert line[-1][0] == WIDE.width - 10, "now is on the right"
    assert "lag > 3" in words(root)


def test_a_gap_is_a_gap_and_a_value_alone_a_dot() -> None:
    root = drawn(chart(Panel("lag", lines=(Line(points(1, 2, None, 3, None, 4, 5)),))))
    assert [len(line) for line in lines(root)] == [2, 2]
    assert len(list(root.iter(f"{SVG}circle"))) == 1


def test_what_has_no_value_now_is_told_apart_from_what_has() -> None:
    assert not [text for text in words(drawn(chart(ONE))) if "no value" in text]
    gone = replace(ONE, lines=(Line(points(1, 2, None, None)),))
    assert "no value since 2026-09-21 14:13:30 UTC" in words(drawn(chart(gone)))
    assert "no value in this time" in words(drawn(chart(replace(ONE, lines=()))))
    assert "Prometheus does not say: no answer in time" in words(
        drawn(chart(replace(ONE, lines=(), words="Prometheus does not say: no answer in time")))
    )


def test_what_is_no_number_is_not_drawn() -> None:
    root = drawn(chart(Panel("lag", lines=(Line(points(1, math.nan, math.inf, 2)),))))
    assert "nan" not in svg(chart(ONE))
    assert lines(root) == []
    assert len(list(root.iter(f"{SVG}circle"))) == 2


def test_when_it_fired_and_what_was_done_are_marked() -> None:
    marks = (Mark(END - 600, "halt started, for opal"), Mark(END - 590, "halt: succeeded"))
    root = drawn(chart(ONE, fired=((END - 900, END - 300),), marks=marks))
    (fired,) = (each for each in root.iter(f"{SVG}rect") if each.get("class") == "fires")
    assert float(fired.get("width") or 0) > 40
    assert {"1", "2", "fired", "14:05:00 halt started, for opal", "14:05:10 halt: succeeded"} <= set(words(root))


def test_marks_beyond_the_legend_are_counted() -> None:
    marks = tuple(Mark(END - 60 * number, f"turn {number}") for number in range(9))
    assert f"and {9 - WIDE.legend} more, which the table has" in words(drawn(chart(ONE, marks=marks)))


def test_several_series_are_told_apart_by_more_than_colour() -> None:
    several = replace(ONE, lines=(Line(points(1, 2), 'instance="a"'), Line(points(2, 3), 'instance="b"')))
    root = drawn(chart(several))
    assert {'instance="a"', 'instance="b"'} <= set(words(root))
    dashes = [each.get("stroke-dasharray") for each in root.iter(f"{SVG}polyline") if each.get("class") == "line"]
    assert len(set(dashes)) == 2


def test_it_says_itself_in_words() -> None:
    root = drawn(chart(ONE, fired=((END - 900, END),), marks=(Mark(END - 600, "halt started"),)))
    assert root.get("role") == "img"
    (about,) = root.iter(f"{SVG}desc")
    assert about.text == (
        "From 2026-09-21 11:15:00 UTC to 2026-09-21 14:15:00 UTC. lag > 3: 5 at 2026-09-21 14:15:00 UTC; the bound 3. "
        "It fired from 2026-09-21 14:00:00 UTC to 2026-09-21 14:15:00 UTC. Mark 1, 2026-09-21 14:05:00 UTC: halt started."
    )


def test_why_there_is_nothing_is_said_on_lines_that_fit() -> None:
    said = "Prometheus has no rule that such an alert comes from, or has it no more. " * 3
    found = words(drawn(chart(words=said), NARROW))
    assert " ".join(found) == said.strip()
    assert len(found) > 1


def test_its_policy_allows_its_own_style_and_nothing_else() -> None:
    (style,) = drawn(chart(ONE)).iter(f"{SVG}style")
    assert style.text == STYLE
    assert POLICY.startswith("default-src 'none'; style-src 'sha256-")
    assert "style=" not in svg(chart(ONE))


HOSTILE = [
    "</text><script>alert(1)</script>",
    "]]><svg onload=alert(1)>",
    "&lt;b&gt; &#x3c;",
    "\u202egnp.exe",
    "\x00\x08\uffff\ufffe",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_whatever_a_label_holds_is_text(text: str, size: Size) -> None:
    one = Panel(text, ">", text, (Line(points(1, 2), text), Line(points(1, 3), text)), words=text)
    root = drawn(chart(one, marks=(Mark(END - 60, text),)), size)
    known = {"svg", "title", "desc", "style", "text", "line", "rect", "polyline", "circle"}
    assert {each.tag.removeprefix(SVG) for each in root.iter()} <= known
    assert not [name for each in root.iter() for name in each.attrib if name.startswith("on") or "href" in name]
    assert "\u202e" not in svg(chart(one))


numbers = st.floats(allow_nan=True, allow_infinity=True) | st.none()


@settings(max_examples=60)
@given(st.lists(st.lists(numbers, max_size=40), max_size=3), st.text(max_size=400), st.sampled_from([WIDE, NARROW]))
def test_whatever_was_measured_stays_within_the_picture(found: list[list[float]], text: str, size: Size) -> None:
    panels = [Panel(text, "<", "1", (Line(points(*each)),)) for each in found]
    root = drawn(chart(*panels, marks=(Mark(END - 60, text),)), size)
    for x, y in places(root):
        assert 0 <= x <= size.width
        assert 0 <= y <= size.height
    assert all(len(said) <= size.characters + 2 for said in words(root))


def places(root: Element) -> Iterator[tuple[float, float]]:
    for line in lines(root):
        yield from line
    for dot in root.iter(f"{SVG}circle"):
        yield float(dot.get("cx") or -1), float(dot.get("cy") or -1)


@given(st.lists(st.booleans(), max_size=50))
def test_runs_are_cut_at_each_gap(there: list[bool]) -> None:  # the steps at which there is a value
    found = tuple((index * STEP, 1.0) for index, value in enumerate(there) if value)
    cut = runs(found, STEP)
    assert [point for run in cut for point in run] == list(found)
    assert len(cut) == len("".join("1" if value else " " for value in there).split())
