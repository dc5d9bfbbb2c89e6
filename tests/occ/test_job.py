"""Reading targets: everything that is asked for is answered, in its own time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occ.errors import Reason, SourceError
from occ.job import Aged, Pace, Polled, Readings, Target
from occ.page import Column
from tests.occ.far import DOWN, NEVER, PACE, PEERS, After, Far, job, targets
from tests.virtual import on_virtual_time

Outcome = tuple[float, str, Any]


async def outcomes(polled: Polled[float]) -> list[Outcome]:
    """When each target's outcome came, and what it was: a reading, or the reason of a failure."""
    loop, found = asyncio.get_running_loop(), list[Outcome]()
    async with aclosing(polled.results(polled.targets)) as results:  # type: ignore[type-var]
        async for answers in results:
            for target, outcome in answers.items():
                shown = str(outcome.reason) if isinstance(outcome, SourceError) else outcome
                found.append((loop.time(), target.labels["node"], shown))
    return found


class TestTarget:
    def test_its_id_is_its_identity(self) -> None:
        assert Target("a", {"node": "a"}) == Target("a", {"node": "b"}) != Target("b", {"node": "a"})
        assert len({Target("a", {"node": "a"}), Target("a", {"node": "b"}, {"team": "x"})}) == 1


class TestPace:
    def test_a_target_that_fails_again_and_again_is_asked_ever_less_often(self) -> None:
        pace = Pace(interval=5, timeout=3, stale_after=60, patience=30)
        assert [pace.wait_after(failures) for failures in range(7)] == [5, 5, 10, 20, 30, 30, 30]

    def test_an_interval_that_is_longer_than_the_patience_stays(self) -> None:
        pace = Pace(interval=300, timeout=3, stale_after=900, patience=30)
        assert {pace.wait_after(failures) for failures in range(9)} == {300}

    def test_with_a_retry_a_target_is_asked_again_long_before_the_interval_is_over(self) -> None:
        pace = Pace(interval=600, timeout=3, stale_after=1800, retry=5)
        assert [pace.wait_after(failures) for failures in range(1, 10)] == [5, 10, 20, 40, 80, 160, 320, 600, 600]

    @given(st.integers(0, 10**9))
    def test_no_number_of_failures_is_too_much_to_count(self, failures: int) -> None:
        assert 5 <= Pace(5, 3, 60, 30).wait_after(failures) <= 30


class TestReadings:
    A_B = targets("a", "b")

    def test_they_are_a_mapping_of_what_is_fresh(self) -> None:
        a, b = self.A_B
        readings = Readings(self.A_B, {a: 1.0})
        assert dict(readings) == {a: 1.0}
        assert (len(readings), readings[a], b in readings) == (1, 1.0, False)

    def test_a_column_has_a_row_for_every_target_and_none_where_there_is_no_reading(self) -> None:
        column = Readings(self.A_B, {self.A_B[1]: 2.0}).column(PEERS, lambda peers: peers * 10)
        assert column.rows == ({"node": "a"}, {"node": "b"})
        assert column.values == [None, 20.0]

    def test_a_reading_of_0_is_a_reading(self) -> None:
        assert Readings(self.A_B, dict.fromkeys(self.A_B, 0.0)).column(PEERS, lambda peers: peers).values == [0.0, 0.0]

    def test_labels_stand_beside_the_targets_own(self) -> None:
        column = Readings(self.A_B, {}).column(PEERS, lambda peers: peers, tag="safe")
        assert column.rows == ({"node": "a", "tag": "safe"}, {"node": "b", "tag": "safe"})

    def test_a_table_has_a_value_for_each_of_its_labels_per_target(self) -> None:
        beside = ((("tag", "low"),), (("tag", "high"),))
        shelf: dict[object, Any] = {}
        readings = Readings(self.A_B, {self.A_B[1]: 2.0}, shelf)
        column = readings.table(PEERS, beside, lambda peers: (peers, None))
        assert [row["tag"] for row in column.rows] == ["low", "high"] * 2
        assert [column.rows[2][name] for name in self.A_B[1].labels] == list(self.A_B[1].labels.values())
        assert column.values == [None, None, 2.0, None]
        assert Readings(self.A_B, {}, shelf).table(PEERS, beside, lambda _: ()).rows is column.rows

    def test_rows_are_the_same_object_from_cycle_to_cycle_for_the_same_labels(self) -> None:
        shelf: dict[object, Any] = {}
        first: Readings[float] = Readings(self.A_B, {}, shelf)
        again = Readings(self.A_B, {self.A_B[0]: 1.0}, shelf)

        def made(readings: Readings[float], **labels: str) -> Column:
            return readings.column(PEERS, lambda peers: peers, **labels)

        assert made(first).rows is made(again).rows
        assert made(first, tag="safe").rows is made(again, tag="safe").rows
        assert made(first).rows is not made(again, tag="safe").rows

    def test_an_aged_reading_says_when_it_came(self) -> None:
        assert Aged(5, 1_000.0) == Aged(5, 1_000.0, up=True)


class TestSideBySide:
    """Every target in a read of its own."""

    @on_virtual_time
    async def test_outcomes_come_as_they_become_known(self) -> None:
        far = Far({"slow": After(3, 1), "fast": After(1, 2), "down": After(2, DOWN)})
        assert await outcomes(job(far)) == [(1, "fast", 2), (2, "down", "connect"), (3, "slow", 1)]

    @on_virtual_time
    async def test_all_are_asked_at_once(self) -> None:
        far = Far(dict.fromkeys("abc", After(1, 5)))
        assert {at for at, _, _ in await outcomes(job(far))} == {1.0}

    @on_virtual_time
    async def test_each_has_a_deadline_of_its_own(self) -> None:
        far = Far({"silent": NEVER, "fine": After(3.9, 1)})
        assert await outcomes(job(far)) == [(3.9, "fine", 1), (4, "silent", "timeout")]

    @on_virtual_time
    async def test_only_so_many_are_asked_at_once_and_a_deadline_begins_when_it_is_ones_turn(self) -> None:
        far = Far({"a": After(3, 1), "b": After(3, 2), "c": After(3, 3), "d": NEVER})
        assert await outcomes(job(far, at_once=2)) == [(3, "a", 1), (3, "b", 2), (6, "c", 3), (7, "d", "timeout")]

    @on_virtual_time
    async def test_a_time_out_within_a_read_is_a_time_out(self) -> None:
        assert await outcomes(job(Far({"a": TimeoutError()}))) == [(0, "a", "timeout")]

    @on_virtual_time
    async def test_a_mistake_in_a_read_is_internal_and_its_own_alone(self, caplog: pytest.LogCaptureFixture) -> None:
        far = Far({"bug": ZeroDivisionError("division"), "fine": After(1, 1)})
        assert await outcomes(job(far)) == [(0, "bug", "internal"), (1, "fine", 1)]
        assert "reading eth/bug failed in our own code" in caplog.text
        assert "ZeroDivisionError: division" in caplog.text

    @on_virtual_time
    async def test_a_read_that_is_cancelled_from_within_fails_and_ends_nothing_else(self) -> None:
        far = Far({"cut": asyncio.CancelledError(), "fine": After(1, 1)})
        assert await outcomes(job(far)) == [(0, "cut", "internal"), (1, "fine", 1)]

    @on_virtual_time
    async def test_a_read_that_says_nothing_of_its_target_is_internal(self) -> None:
        async def read(due: tuple[Target, ...]) -> Mapping[Target, float]:
            return {target: 1.0 for target in due if target.labels["node"] != "forgotten"}

        far = Far({"forgotten": 0, "fine": 0})
        polled = Polled("evm", targets(*far.answers), PACE, (PEERS,), read, _no_columns)
        assert await outcomes(polled) == [(0, "forgotten", "internal"), (0, "fine", 1)]

    @on_virtual_time
    async def test_a_read_that_returns_no_mapping_is_internal_and_its_own_alone(self) -> None:
        async def read(due: tuple[Target, ...]) -> Any:
            return None if due[0].labels["node"] == "bug" else {due[0]: 1.0}

        polled = Polled("evm", targets("bug", "fine"), PACE, (PEERS,), read, _no_columns)
        assert await outcomes(polled) == [(0, "bug", "internal"), (0, "fine", 1)]

    @on_virtual_time
    async def test_what_a_read_says_of_others_is_not_taken(self) -> None:
        everybody = targets("a", "b")

        async def read(due: tuple[Target, ...]) -> Mapping[Target, float]:
            return dict.fromkeys(everybody, float(everybody.index(due[0])))

        assert await outcomes(Polled("evm", everybody, PACE, (PEERS,), read, _no_columns)) == [(0, "a", 0), (0, "b", 1)]

    @on_virtual_time
    async def test_when_its_reader_goes_away_every_read_ends_with_it(self) -> None:
        far = Far(dict.fromkeys("abc", NEVER) | {"d": 1})
        polled = job(far)
        async with aclosing(polled.results(polled.targets)) as results:  # type: ignore[type-var]
            assert [target.labels["node"] for target in await anext(results)] == ["d"]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    @on_virtual_time
    async def test_only_those_that_are_due_are_asked(self) -> None:
        far = Far({"a": 1, "b": 2})
        polled = job(far)
        async with aclosing(polled.results(polled.targets[1:])) as results:  # type: ignore[type-var]
            async for _ in results:
                pass
        assert far.asked == [(0, "b")]


class TestTogether:
    """All targets in one read."""

    @on_virtual_time
    async def test_one_read_answers_for_all(self) -> None:
        far = Far({"a": After(1, 1), "b": After(1, DOWN)})
        assert await outcomes(job(far, together=True)) == [(2, "a", 1), (2, "b", "connect")]

    @on_virtual_time
    async def test_the_deadline_is_of_the_whole_read(self) -> None:
        far = Far({"a": After(3, 1), "b": After(3, 1)})
        assert await outcomes(job(far, together=True)) == [(4, "a", "timeout"), (4, "b", "timeout")]

    @on_virtual_time
    async def test_when_it_fails_it_fails_for_all(self) -> None:
        async def read(_due: tuple[Target, ...]) -> Mapping[Target, float]:
            raise SourceError(Reason.AUTH, "HTTP 401")

        polled = Polled("evm", targets("a", "b"), PACE, (PEERS,), read, _no_columns, together=True)
        assert await outcomes(polled) == [(0, "a", "auth"), (0, "b", "auth")]


def _no_columns(_readings: Readings[float]) -> Iterable[Column]:
    return ()
