"""What is known of the targets on the page: from the first page on, derived from several of them, and how much of it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import pytest

from occ.errors import Reason
from occ.job import Aged, Pace, Readings, Target
from occ.page import Column
from occ.poller import PUBLISH_INTERVAL, Board
from tests.occ.far import DOWN, NEVER, TOTAL_PEERS, After, Far, job, poller, running, targets, up
from tests.occ.samples import parsed, rows, sample
from tests.virtual import EPOCH, on_virtual_time

KERNEL_GAUGES = ("occ_target_configured", "occ_target_up", "occ_target_stale")


def _no_columns(_readings: Readings[float]) -> Iterable[Column]:
    return ()


class TestFirstPage:
    """What is there before anything was read."""

    @on_virtual_time
    async def test_every_target_is_configured_not_up_and_stale(self) -> None:
        body = poller(job(Far({"a": 1, "b": 2}))).render()
        for name in ("a", "b"):
            labels = {"exporter": "nodes", "target": f"eth/{name}", "check": "evm", "node": name}
            assert [sample(body, family, **labels) for family in KERNEL_GAUGES] == [1, 0, 1]

    @on_virtual_time
    async def test_instants_that_have_not_been_are_absent(self) -> None:
        body = poller(job(Far({"a": 1}))).render()
        assert sample(body, "occ_target_last_success_timestamp_seconds") is None
        assert sample(body, "occ_target_last_attempt_timestamp_seconds") is None
        assert sample(body, "rpc_peers") is None

    @on_virtual_time
    async def test_errors_of_every_reason_are_at_0(self) -> None:
        body = poller(job(Far({"a": 1}))).render()
        assert rows(body, "occ_target_errors_total") == dict.fromkeys(map(str, Reason), 0.0)

    @on_virtual_time
    async def test_every_counter_series_that_can_be_foreseen_is_at_0(self) -> None:
        body = poller(job(Far({"a": 1, "b": 2}))).render()
        assert rows(body, "rpc_reads_total") == {"a": 0, "b": 0}
        assert rows(body, "rpc_moves_total") == {"a,up": 0, "a,down": 0, "b,up": 0, "b,down": 0}

    @on_virtual_time
    async def test_a_series_that_can_not_be_foreseen_is_not_made_up(self) -> None:
        assert rows(poller(job(Far({"a": 1}))).render(), "rpc_seen_total") == {}

    @on_virtual_time
    async def test_it_says_whose_each_target_is(self) -> None:
        body = poller(job(Far({"a": 1}))).render()
        assert (
            sample(body, "occ_target_info", exporter="nodes", target="eth/a", node="a", team="infra", tier="1") == 1.0
        )

    @on_virtual_time
    async def test_a_target_of_two_checks_has_one_owner_and_an_outcome_for_each(self) -> None:
        far = Far({"a": 1})
        body = poller(job(far), job(far, check="other", columns=_no_columns)).render()
        assert sample(body, "occ_target_info", target="eth/a") == 1.0
        assert rows(body, "occ_target_configured") == {"evm": 1, "other": 1}

    @on_virtual_time
    async def test_sizes_and_durations_of_each_check_are_there(self) -> None:
        body = poller(job(Far({"a": 1}))).render()
        assert sample(body, "occ_series", exporter="nodes", check="evm") == 0.0
        assert sample(body, "occ_series_limit_exceeded_total", exporter="nodes", check="evm") == 0.0
        assert sample(body, "occ_poll_duration_seconds_count", exporter="nodes", check="evm") == 0.0

    @on_virtual_time
    async def test_nothing_foreseeable_is_added_by_the_first_read(self) -> None:
        polling = poller(job(Far({"a": 1})))
        before = {name for name, _ in parsed(polling.render())}
        await polling.once()
        assert {name for name, _ in parsed(polling.render())} - before == {
            "rpc_peers",
            "occ_target_last_success_timestamp_seconds",
            "occ_target_last_attempt_timestamp_seconds",
        }


class TestDerived:
    """What needs several targets."""

    @staticmethod
    def total(board: Board) -> Iterable[Column]:
        fresh = board["evm"].values()
        if fresh:
            yield Column(TOTAL_PEERS, ({},), (sum(aged.reading for aged in fresh),))

    @on_virtual_time
    async def test_it_is_made_of_all_fresh_readings(self) -> None:
        polling = poller(job(Far({"a": 1, "b": 2})), derive=self.total)
        await polling.once()
        assert sample(polling.render(), "chain_peers") == 3.0

    @on_virtual_time
    async def test_it_vanishes_with_its_inputs(self) -> None:
        answers = itertools.chain([1], itertools.repeat(DOWN))
        polling = poller(job(Far({"a": lambda: next(answers)})), derive=self.total)
        async with running(polling):
            await asyncio.sleep(30)
            assert sample(polling.render(), "chain_peers") == 1.0
            await asyncio.sleep(1)
            assert b"chain_peers" not in polling.render()

    @on_virtual_time
    async def test_it_sees_when_a_reading_came_and_whether_its_target_still_answers(self) -> None:
        boards: list[Board] = []
        answers = itertools.chain([7], itertools.repeat(DOWN))

        def derive(board: Board) -> Iterable[Column]:
            boards.append(board)
            return ()

        far = Far({"a": lambda: next(answers)})
        async with running(poller(job(far), derive=derive)):
            await asyncio.sleep(15)
        (a,) = targets("a")
        assert boards[0] == {"evm": {}}
        assert {"evm": {a: Aged(7, EPOCH + 0.5, up=True)}} in boards
        assert boards[-1] == {"evm": {a: Aged(7, EPOCH + 0.5, up=False)}}

    @on_virtual_time
    async def test_jobs_of_one_check_are_seen_as_one(self) -> None:
        polling = poller(job(Far({"a": 1})), job(Far({"b": 2}), columns=_no_columns), derive=self.total)
        await polling.once()
        assert sample(polling.render(), "chain_peers") == 3.0

    @on_virtual_time
    async def test_it_is_made_at_most_once_per_publish_interval_whoever_speaks_and_has_their_last_word(self) -> None:
        boards: list[Board] = []

        def derive(board: Board) -> Iterable[Column]:
            boards.append(board)
            return ()

        async def stream(due: tuple[Target, ...]) -> AsyncIterator[Mapping[Target, Any]]:
            for number in range(1000):
                await asyncio.sleep(0.01)
                yield dict.fromkeys(due, number)
            await asyncio.sleep(1e6)

        jobs = [
            job(Far({str(number): 1}), check=f"c{number}", columns=_no_columns, stream=stream) for number in range(20)
        ]
        async with running(poller(*jobs, derive=derive)):
            await asyncio.sleep(0.5 + 10 + 2 * PUBLISH_INTERVAL)
        assert 30 < len(boards) < 45
        assert [aged.reading for shown in boards[-1].values() for aged in shown.values()] == [999] * 20

    @on_virtual_time
    async def test_a_reading_that_has_grown_too_old_is_out_of_it_though_its_own_job_says_nothing(self) -> None:
        boards: list[Board] = []

        def derive(board: Board) -> Iterable[Column]:
            boards.append(board)
            return ()

        answers = itertools.chain([1], itertools.repeat(NEVER))
        hangs = job(Far({"a": lambda: next(answers)}), Pace(10, 1000, 30), check="hangs")
        async with running(poller(hangs, job(Far({"b": 1}), columns=_no_columns), derive=derive)):
            await asyncio.sleep(31)
        assert [len(board["hangs"]) for board in boards[-2:]] == [1, 0]

    @on_virtual_time
    async def test_once_leaves_nothing_of_it_for_later(self) -> None:
        polling = poller(job(Far({"a": 1})), job(Far({"b": After(0.1, 2)}), columns=_no_columns), derive=self.total)
        await polling.once()
        assert sample(polling.render(), "chain_peers") == 3.0
        assert [timer for timer in asyncio.get_running_loop()._scheduled if not timer.cancelled()] == []  # type: ignore[attr-defined]


class TestSeriesLimit:
    @on_virtual_time
    async def test_what_is_left_out_is_counted_and_logged_once(self, caplog: pytest.LogCaptureFixture) -> None:
        polling = poller(job(Far({"a": 1, "b": 2, "c": 3})), limit=2)
        async with running(polling):
            await asyncio.sleep(25)
        body = polling.render()
        assert b"rpc_peers" not in body
        assert (sample(body, "occ_series_limit_exceeded_total") or 0.0) >= 3.0
        assert caplog.messages == ["limits.series is reached: 3 series of evm are left out"]

    @on_virtual_time
    async def test_what_is_known_of_the_targets_is_never_left_out(self) -> None:
        polling = poller(job(Far({"a": 1, "b": 2, "c": 3})), limit=2)
        async with running(polling):
            await asyncio.sleep(25)
        assert [up(polling, name) for name in "abc"] == [1.0, 1.0, 1.0]
        assert len(rows(polling.render(), "occ_target_errors_total")) == 3 * len(Reason)

    @on_virtual_time
    async def test_how_many_series_a_check_shows_is_on_the_page(self) -> None:
        polling = poller(job(Far({"a": 1, "b": DOWN, "c": 3})))
        await polling.once()
        assert sample(polling.render(), "occ_series", check="evm") == 2.0


class TestWhatItCosts:
    """What a job tells is shown at the price of this job alone."""

    @on_virtual_time
    async def test_a_publish_makes_the_columns_of_no_other_job(self) -> None:
        made: list[str] = []

        def noting(check: str) -> Any:
            def columns(_readings: Readings[float]) -> Iterable[Column]:
                made.append(check)
                return ()

            return columns

        often = Pace(1, 1, 1000)
        jobs = [job(Far({check: 1}), check=check, columns=noting(check)) for check in ("a", "b", "c")]
        async with running(poller(job(Far({"d": 1}), often, check="d", columns=noting("d")), *jobs)):
            await asyncio.sleep(10)
        assert (made.count("a"), made.count("b"), made.count("c")) == (2, 2, 2)
        assert made.count("d") == 11
