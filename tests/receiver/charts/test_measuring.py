"""What a real Prometheus remembers of an alert's own expression."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from receiver.charts import measuring
from receiver.charts.measuring import Measured, measure
from receiver.prometheus import Prometheus, Range
from tests.receiver.charts.past import remembering
from tests.receiver.wire import listening, silent

RULES = """
groups:
  - name: of the tests
    rules:
      - {alert: NodeLagging, expr: 'max by (chain, node) (lag) > on (chain) group_left () bound', labels: {severity: page}}
      - {alert: NodeDown, expr: 'min by (node) (up_of) == 0 unless on () absent(lag)', labels: {severity: page, entity: '{{ $labels.node }}'}}
      - {alert: Burning, expr: 'lag > 1 and lag > 2 and lag > 3 and lag > 4', labels: {severity: ticket}}
      - {alert: Many, expr: 'many > 1'}
      - {alert: Wrong, expr: 'sum without (node) (lag) / on () lag > 1'}
"""
UNTIL = math.floor(time.time() / 15) * 15
TIMES = Range(UNTIL - 3 * 3_600, UNTIL, 45)
HOSTILE = 'a"b\\c\\\\"} or vector(1) #'
"""A label's value; in the exposition format `\\\\` is a backslash."""
LAGGING = {"alertname": "NodeLagging", "severity": "page", "chain": "ethereum", "node": "a"}


def spread_out(ago: float) -> float | None:
    """Nothing for an hour; before and after it a line that climbs."""
    return None if 60 < ago < 120 else 240 - ago


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[Prometheus]:
    series = {
        'lag{chain="ethereum",node="a"}': spread_out,
        'lag{chain="ethereum",node="b"}': lambda ago: 1000.0,
        'lag{chain="bitcoin",node="c"}': lambda ago: 2000.0 if ago > 30 else None,
        'bound{chain="ethereum"}': lambda ago: 90.0 if ago > 90 else 60.0,
        'bound{chain="bitcoin"}': lambda ago: 5.0,
        'up_of{node="a\\"b"}': lambda ago: 1.0,
    } | {f'many{{node="a",shard="{number}"}}': lambda ago: 1.0 for number in range(measuring.MAX_LINES + 7)}
    async with remembering(tmp_path, RULES, series, until=UNTIL) as url, aiohttp.ClientSession() as session:
        yield Prometheus(session, url)


async def test_values_and_bound_of_the_alerts_own_series(asked: Prometheus) -> None:
    found = await measure(asked, LAGGING, TIMES)
    assert found.words == ""
    (panel,) = found.panels
    assert (panel.value, panel.op, panel.bound) == ("max by (chain, node) (lag)", ">", "bound")
    (line,), (bound,) = panel.lines, panel.bounds
    assert [line.points[0], line.points[-1]] == [(TIMES.start, 60.0), (TIMES.end, 240.0)], "of its node alone"
    assert [bound.points[0][1], bound.points[-1][1]] == [90.0, 60.0], "of its chain alone"
    gaps = [later - earlier for (earlier, _), (later, _) in zip(line.points, line.points[1:], strict=False)]
    assert max(gaps) > 50 * 60, "Prometheus looks back for five minutes, and no longer"


async def test_conditions_beyond_the_panels_are_told(asked: Prometheus) -> None:
    found = await measure(
        asked, {"alertname": "Burning", "severity": "ticket", "chain": "ethereum", "node": "b"}, TIMES
    )
    assert [panel.title for panel in found.panels] == ["lag > 1", "lag > 2", "lag > 3"]
    assert found.left_out == ("lag > 4",)
    assert [bound.points[-1] for panel in found.panels for bound in panel.bounds] == [
        (UNTIL, 1.0),
        (UNTIL, 2.0),
        (UNTIL, 3.0),
    ]


async def test_series_beyond_the_lines_are_counted(asked: Prometheus) -> None:
    (panel,) = (await measure(asked, {"alertname": "Many", "node": "a"}, TIMES)).panels
    assert len(panel.lines) == measuring.MAX_LINES
    assert panel.words == "7 more series are not drawn"
    assert panel.lines[0].label == 'shard="0"', "what tells it from the others"


async def test_nothing_of_an_alert_is_part_of_what_is_asked(asked: Prometheus) -> None:
    for said in (HOSTILE, 'a"b', "}"):
        found = await measure(asked, {"alertname": "NodeDown", "severity": "page", "entity": said, "node": said}, TIMES)
        assert [len(panel.lines) for panel in found.panels] == [1 if said == 'a"b' else 0]


async def test_a_value_that_is_no_more_ends_where_it_ended(asked: Prometheus) -> None:
    (panel,) = (await measure(asked, {**LAGGING, "chain": "bitcoin", "node": "c"}, TIMES)).panels
    (line,) = panel.lines
    assert UNTIL - 31 * 60 < line.points[-1][0] < UNTIL - 24 * 60


async def test_what_prometheus_refuses_is_said_of_its_panel(asked: Prometheus) -> None:
    (panel,) = (await measure(asked, {"alertname": "Wrong", "chain": "ethereum"}, TIMES)).panels
    assert panel.words.startswith("Prometheus does not say: ")
    assert panel.lines == ()


async def test_an_alert_of_no_rule_is_said(asked: Prometheus) -> None:
    for labels in ({"alertname": "Other"}, {}, LAGGING | {"severity": "info"}):
        found = await measure(asked, labels, TIMES)
        assert found == Measured(words="Prometheus has no rule that such an alert comes from, or has it no more.")


async def test_a_prometheus_that_is_not_there_is_said() -> None:
    async with aiohttp.ClientSession() as session:
        found = await measure(Prometheus(session, "http://127.0.0.1:1"), LAGGING, TIMES)
    assert found == Measured(words="Prometheus does not say what the alert's expression is: can not connect.")


async def test_a_prometheus_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wire is faked: no Prometheus is so slow on purpose."""
    monkeypatch.setattr(measuring, "WITHIN", 0.3)
    async with listening(silent) as wire, aiohttp.ClientSession() as session:
        found = await measure(Prometheus(session, wire.url), LAGGING, TIMES)
    assert "no answer in time" in found.words
