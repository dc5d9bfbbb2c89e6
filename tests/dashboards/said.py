"""What promtool makes of a query."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from dashboards.kit import promql
from demo.parts import locate

Samples = Mapping[str, str]
"""Series and their values, in promtool's notation: every minute, `1x10` is 1 eleven times."""

Says = Callable[[str, Samples, Mapping[str, float]], str]


def judge(folder: Path) -> Says:
    """What promtool has against these results, by labels, of an expression after ten minutes; empty when it is right."""

    def says(expression: str, given: Samples, expected: Mapping[str, float]) -> str:
        case = {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in given.items()],
            "promql_expr_test": [
                {
                    "expr": promql.filled(expression),
                    "eval_time": "10m",
                    "exp_samples": [{"labels": labels, "value": value} for labels, value in expected.items()],
                }
            ],
        }
        path = folder / "test.yml"
        path.write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": [case]}))
        done = subprocess.run([locate("promtool"), "test", "rules", path], capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stdout + done.stderr

    return says
