"""One factor for every wait and window, and for nothing else."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from demo import timescale
from demo.parts import locate

HOUR = 3_600_000


@pytest.mark.parametrize(
    ("expression", "tenth"),
    [
        ("up == 0", "up == 0"),
        ("rate(x[5m])", "rate(x[30s])"),
        ("rate(x[ 1h30m ])", "rate(x[9m])"),
        ("max_over_time(x[10m:1m])", "max_over_time(x[1m:6s])"),
        ("max_over_time(x[10m:])", "max_over_time(x[1m:])"),
        ("max_over_time(x[1h : 5s])", "max_over_time(x[6m:1s])"),
        ("x offset 5m > 300", "x offset 30s > 300"),
        ("x OFFSET -1w", "x OFFSET -16h48m"),
        ("sum(rate(x[1m] offset 1d)) by (chain)", "sum(rate(x[6s] offset 2h24m)) by (chain)"),
        ('x{window="5m", text="[5m] offset 5m"}', 'x{window="5m", text="[5m] offset 5m"}'),
        (r'x{a="\"[5m]"} + y[5m]', r'x{a="\"[5m]"} + y[30s]'),
        ("x{a='[5m]', b=`[5m]\\`}[5m]", "x{a='[5m]', b=`[5m]\\`}[30s]"),
        ("# over [5m]\nrate(x[5m])", "# over [5m]\nrate(x[30s])"),
        ("job:rpc:rate5m{team='a'} > 5", "job:rpc:rate5m{team='a'} > 5"),
        ("sum by (offset) (x:offset)", "sum by (offset) (x:offset)"),
        ("x[30s]", "x[4s]"),
        ("x[2s]", "x[2s]"),
    ],
)
def test_promql(expression: str, tenth: str) -> None:
    assert timescale.promql(expression, 10) == tenth


@pytest.mark.parametrize("expression", ["x[soon]", "x[300]", "x[5m*2]", "x[]", "x offset step"])
def test_what_it_does_not_understand_it_refuses(expression: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        timescale.promql(expression, 10)


durations = st.integers(min_value=timescale.SHORTEST_WINDOW, max_value=1000 * HOUR)
factors = st.floats(min_value=1, max_value=1000)
# Text that must come out as it went in, though it looks like what is scaled.
inert = st.sampled_from(
    ['{a="[5m]"}', "{b='x offset 5m'}", "{c=`[1h:5m]`}", "# rate(x[5m])\n", " > 300", " 5 ", "rate5m"]
)


@given(durations)
def test_durations_survive_writing_and_reading(milliseconds: int) -> None:
    assert timescale.parse(timescale.render(milliseconds)) == milliseconds


@given(st.lists(st.one_of(inert, durations)), factors)
def test_only_windows_and_offsets_change(pieces: list[str | int], factor: float) -> None:
    def written(scale: float, form: str) -> str:
        def one(piece: str | int) -> str:
            if isinstance(piece, str):
                return piece
            floor = timescale.SHORTEST_WINDOW if "[" in form else 0
            return form.format(timescale.render(max(round(piece / scale), floor)))

        return " ".join(map(one, pieces))

    for form in ("[{}]", "offset {}", "offset -{}"):
        assert timescale.promql(written(1, form), factor) == written(factor, form)


@given(durations, factors)
def test_a_duration_is_divided_to_the_millisecond(milliseconds: int, factor: float) -> None:
    divided = timescale.parse(timescale.divide(timescale.render(milliseconds), factor))
    assert abs(divided - milliseconds / factor) <= 0.5


RULES = """
groups:
  - name: nodes
    interval: 5s
    rules:
      - record: chain:lag:max5m
        expr: max_over_time(rpc_block_lag_blocks[5m])
      - alert: Lagging
        expr: avg_over_time(rpc_block_lag_blocks{window="5m"}[2m]) > 5 unless on() absent(up offset 1m)
        for: 1m
        keep_firing_for: 5m
        labels: {severity: page, window: 5m}
        annotations: {summary: "behind for 5m, see x[5m]"}
  - name: empty
    rules: []
"""


def test_a_rule_file_and_promtool_accepts_it(tmp_path: Path) -> None:
    scaled = timescale.rules(yaml.safe_load(RULES), 10)
    first, alert = scaled["groups"][0]["rules"]
    assert scaled["groups"][0]["interval"] == "1s"
    assert first["expr"] == "max_over_time(rpc_block_lag_blocks[30s])"
    assert alert["expr"] == (
        'avg_over_time(rpc_block_lag_blocks{window="5m"}[12s]) > 5 unless on() absent(up offset 6s)'
    )
    assert (alert["for"], alert["keep_firing_for"]) == ("6s", "30s")
    assert alert["labels"] == {"severity": "page", "window": "5m"}
    assert alert["annotations"] == {"summary": "behind for 5m, see x[5m]"}
    written = tmp_path / "rules.yml"
    written.write_text(yaml.safe_dump(scaled))
    subprocess.run([locate("promtool"), "check", "rules", written], check=True, capture_output=True)


def test_a_recorded_wait_is_divided_and_other_thresholds_are_not(tmp_path: Path) -> None:
    names = ("occ:threshold:stall_age_seconds", "occ:threshold:lag_seconds")
    written = [{"record": name, "expr": "vector(180)\nor on (chain)\nrate(x[5m])"} for name in names]
    scaled = timescale.rules({"groups": [{"name": "thresholds", "rules": written}]}, 10)
    assert [rule["expr"] for rule in scaled["groups"][0]["rules"]] == [
        "(vector(180)\nor on (chain)\nrate(x[30s])) / 10",
        "vector(180)\nor on (chain)\nrate(x[30s])",
    ]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(scaled))
    subprocess.run([locate("promtool"), "check", "rules", tmp_path / "rules.yml"], check=True, capture_output=True)


def test_scale_one_changes_nothing_that_matters() -> None:
    document = yaml.safe_load(RULES)
    assert timescale.rules(document, 1) == document


def test_routes_are_scaled_at_every_depth() -> None:
    route: dict[str, Any] = {
        "receiver": "pager",
        "group_wait": "30s",
        "repeat_interval": "4h",
        "routes": [{"receiver": "occ", "group_wait": "0s", "group_interval": "5s", "continue": True}],
    }
    assert timescale.routing(route, 10) == {
        "receiver": "pager",
        "group_wait": "3s",
        "repeat_interval": "24m",
        "routes": [{"receiver": "occ", "group_wait": "0s", "group_interval": "1s", "continue": True}],
    }
