"""Half a minute of dying and returning nodes; `make soak` does five, with more of them."""

from __future__ import annotations

from benchmarks.soak import soak, stale_and_shown

PAGE = """\
# TYPE occ_target_last_success_timestamp_seconds gauge
occ_target_last_success_timestamp_seconds{node="a"} 100
occ_target_last_success_timestamp_seconds{node="b"} 100
# TYPE rpc_block_number gauge
rpc_block_number{node="a"} 7
"""


async def test_nothing_stale_is_shown_no_task_is_left_and_memory_is_flat_while_nodes_die_and_return() -> None:
    report = await soak(30.0, count=40)
    assert report.verdict(), report.complaints
    assert report.deaths == 3
    assert report.scrapes >= 3


def test_a_value_that_is_shown_too_long_would_be_noticed() -> None:
    assert list(stale_and_shown(PAGE, 101.0)) == []
    assert list(stale_and_shown(PAGE, 110.0)) == ["a is shown 10.0 s after its last read"]
