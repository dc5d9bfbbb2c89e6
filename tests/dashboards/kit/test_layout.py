"""Places on the grid."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from dashboards.kit.layout import COLUMNS, Row, placed
from dashboards.kit.panels import Panel, text


def panels(widths: list[int], name: str) -> list[Panel]:
    return [text(f"{name} {number}", "Why?", "", width=width) for number, width in enumerate(widths)]


def places(rows: list[Row]) -> list[tuple[str, int, int, int, int]]:
    return [(p.title, p.gridPos.x, p.gridPos.y, p.gridPos.w, p.gridPos.h) for p in placed(rows)]


def test_panels_stand_beside_each_other_until_the_row_is_full() -> None:
    rows = [Row("first", 4, panels([12, 8, 6], "a")), Row("second", 3, panels([24], "b"))]
    assert places(rows) == [
        ("first", 0, 0, 24, 1),
        ("a 0", 0, 1, 12, 4),
        ("a 1", 12, 1, 8, 4),
        ("a 2", 0, 5, 6, 4),
        ("second", 0, 9, 24, 1),
        ("b 0", 0, 10, 24, 3),
    ]


def test_a_row_without_a_title_has_no_line_of_its_own() -> None:
    rows = [Row("first", 4, panels([24], "a")), Row("", 3, panels([24], "b"))]
    assert places(rows) == [("first", 0, 0, 24, 1), ("a 0", 0, 1, 24, 4), ("b 0", 0, 5, 24, 3)]


@given(st.lists(st.tuples(st.integers(1, 12), st.lists(st.integers(1, COLUMNS), min_size=1, max_size=8)), max_size=5))
def test_no_panel_stands_on_another_or_outside(rows: list[tuple[int, list[int]]]) -> None:
    made = places([Row(f"row {n}", height, panels(widths, str(n))) for n, (height, widths) in enumerate(rows)])
    assert all(x >= 0 and x + w <= COLUMNS for _, x, _, w, _ in made)
    for (_, ax, ay, aw, ah), (_, bx, by, bw, bh) in itertools.combinations(made, 2):
        assert ax + aw <= bx or bx + bw <= ax or ay + ah <= by or by + bh <= ay


def test_a_panel_keeps_its_id_when_others_come_and_go() -> None:
    before, after = (list(placed([Row("row", 4, panels(widths, "a"))])) for widths in ([6, 6], [6, 6, 12]))
    assert [panel.id for panel in before] == [panel.id for panel in after][: len(before)]
    assert len({panel.id for panel in after}) == len(after)
