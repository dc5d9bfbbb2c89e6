"""Every query of every board, asked of a real Prometheus that has scraped the real centre."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Sequence
from pathlib import Path

import pytest

from demo.until import until
from tests.dashboards import answers, checks
from tests.dashboards.centre import running


def with_query(board: checks.Board, title: str, expr: str) -> checks.Board:
    changed = copy.deepcopy(board)
    next(panel for panel in changed["panels"] if panel["title"] == title)["targets"][0]["expr"] = expr
    return changed


async def lasting(prometheus: str, boards: Sequence[checks.Board]) -> list[str]:
    """The faults that do not pass: a series is gone for a second where its scrape was late."""
    found: list[str] = []

    async def passed() -> bool:
        found[:] = [fault async for fault in answers.faults(prometheus, boards)]
        return not found

    with contextlib.suppress(TimeoutError):
        await until(passed, 60)
    return found


@pytest.mark.timeout(300)
async def test_every_query_is_answered_and_one_that_is_not_is_found(tmp_path: Path) -> None:
    boards = checks.boards()
    (nodes,) = (board for board in boards if board["uid"] == "occ-nodes")
    ill = [
        with_query(nodes, "Lag in time", 'max (rpc_block_lag_seconds{chain="nowhere"})'),
        with_query(nodes, "Lag in time", 'label_replace(up, "job", "$1", "job", "(")'),
    ]
    async with running(tmp_path) as centre:
        assert await lasting(centre.url("prometheus"), boards) == []
        found = [fault async for fault in answers.faults(centre.url("prometheus"), ill)]
    nothing, refused = (fault for fault in found if "Lag in time A" in fault)
    assert nothing == 'occ-nodes: Lag in time A: no series answers max (rpc_block_lag_seconds{chain="nowhere"})'
    assert refused.startswith("occ-nodes: Lag in time A: ")
    assert "regular expression" in refused
