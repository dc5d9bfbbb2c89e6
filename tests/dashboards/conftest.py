from __future__ import annotations

from pathlib import Path

import pytest

from tests.dashboards.said import Says, judge


@pytest.fixture
def says(tmp_path: Path) -> Says:
    """What promtool has against the results of a query."""
    return judge(tmp_path)
