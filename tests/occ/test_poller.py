"""The one owner of time, outcome and errors. Everything here happens on virtual time."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import random
from collections.abc import AsyncIterator, Iterable, Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occ.errors import RateLimitError, Reason, SourceError
from occ.job import Job, Pace, Readings, Target
from occ.metrics import Family
from occ.page import Column, Event
from occ.poller import JITTER, PUBLISH_INTERVAL, Board
from tests.occ.far import (
    DOWN,
    FAMILIES,
    NEVER,
    PACE,
    PEERS,
    READS,
    After,
    Far,
    count_reads,
    errors,
    job,
    peers,
    poller,
    running,
    targets,
    up,
)
from tests.occ.samples import parsed, rows, sample
from tests.virtual import EPOCH, clock, on_virtual_time


class TestPace:
    @on_virtual_time
    async def test_a_target_is_read_once_per_interval_from_start_to_start(self) -> None:
        far = Far({"a": After(3, 1)})
        async with running(poller(job(far))):
            await asyncio.sleep(45)
        assert far.times("a") == [0.5, 10.5, 20.5, 30.5, 40.5]

    @on_virtual_time
    async def test_reads_are_spread_by_chance_but_never_by_more_than_the_jitter(self) -> None:
        far = Far({"a": 1})
        async with running(poller(job(far), chance=random.Random(7))):
            await asyncio.sleep(1000)
        assert 0 <= far.times("a")[0] <= 1.0
        gaps = [after - before for before, after in pairwise(far.times("a"))]
        assert all(10 * (1 - JITTER) - 1e-6 <= gap <= 10 * (1 + JITTER) + 1e-6 for gap in gaps)
        assert len({round(gap, 3) for gap in gaps}) > 90

    @on_virtual_time
    async def test_jobs_do_not_all_begin_at_the_same_instant(self) -> None:
        fars = [Far({str(n): 1}) for n in range(20)]
        async with running(poller(*(job(far) for far in fars), chance=random.Random(7))):
            await asyncio.sleep(2)
        assert len({far.asked[0][0] for far in fars}) == 20

    @on_virtual_time
    async def test_each_job_has_an_interval_of_its_own(self) -> None:
        often, seldom = Far({"a": 1}), Far({"b": 1})
        async with running(poller(job(often, Pace(1, 1, 4)), job(seldom, Pace(60, 4, 180)))):
            await asyncio.sleep(120)
        assert (len(often.asked), len(seldom.asked)) == (120, 2)

    @on_virtual_time
    async def test_a_cycle_that_takes_longer_than_the_interval_is_followed_by_the_next_at_once(self) -> None:
        far = Far({"a": After(15, 1)})
        async with running(poller(job(far, Pace(10, 20, 60)))):
            await asyncio.sleep(46)
        assert far.times("a") == [0.5, 15.5, 30.5, 45.5]

    @on_virtual_time
    async def test_the_page_says_when_a_read_began_and_when_it_last_came_through(self) -> None:
        answers = itertools.chain([After(2, 1)], itertools.repeat(After(3, DOWN)))
        polling = poller(job(Far({"a": lambda: next(answers)})))
        async with running(polling):
            await asyncio.sleep(14)
            body = polling.render()
        assert sample(body, "occ_target_last_success_timestamp_seconds") == EPOCH + 2.5
        assert sample(body, "occ_target_last_attempt_timestamp_seconds") == EPOCH + 10.5

    @on_virtual_time
    async def test_how_long_reads_take_is_counted_whatever_their_outcome(self) -> None:
        polling = poller(job(Far({"a": After(2, 1), "b": After(3, DOWN), "c": NEVER})))
        await polling.once()
        assert sample(polling.render(), "occ_poll_duration_seconds_count") == 3.0
        assert sample(polling.render(), "occ_poll_duration_seconds_sum") == 9.0


class TestOneDeadAmongMany:
    @on_virtual_time
    async def test_the_living_are_on_the_page_while_the_dead_is_still_awaited(self) -> None:
        names = [str(n) for n in range(200)]
        polling = poller(job(Far(dict.fromkeys(names, After(0.1, 5)) | {"dead": NEVER}), at_once=300))
        async with running(polling):
            await asyncio.sleep(0.5 + 0.1 + PUBLISH_INTERVAL + 0.01)
            assert rows(polling.render(), "rpc_peers") == dict.fromkeys(names, 5.0)
            assert up(polling, "7") == 1.0

    @on_virtual_time
    async def test_the_living_keep_their_interval(self) -> None:
        far = Far({"alive": 1, "dead": NEVER})
        async with running(poller(job(far))):
            await asyncio.sleep(45)
        assert far.times("alive") == [0.5, 10.5, 20.5, 30.5, 40.5]

    @on_virtual_time
    async def test_those_that_answered_last_time_are_asked_first(self) -> None:
        far = Far({"dead-1": NEVER, "dead-2": NEVER, "alive": 1})
        async with running(poller(job(far, at_once=2))):
            await asyncio.sleep(15)
        assert far.times("alive") == [4.5, 10.5]

    @on_virtual_time
    async def test_a_whole_dead_job_does_not_delay_another(self) -> None:
        far = Far({"a": 1})
        polling = poller(job(Far(dict.fromkeys("xyz", NEVER)), check="dead"), job(far))
        async with running(polling):
            await asyncio.sleep(21)
            assert far.times("a") == [0.5, 10.5, 20.5]
            assert up(polling, "a") == 1.0

    @on_virtual_time
    async def test_silence_is_a_time_out_after_the_deadline(self) -> None:
        polling = poller(job(Far({"a": NEVER})))
        async with running(polling):
            await asyncio.sleep(0.5 + 3.9)
            assert errors(polling, "a") == {}
            await asyncio.sleep(0.2)
            assert errors(polling, "a") == {"timeout": 1}


class TestBackOff:
    @on_virtual_time
    async def test_a_target_that_stays_down_is_asked_ever_less_often_up_to_the_patience(self) -> None:
        far = Far({"a": DOWN})
        async with running(poller(job(far))):
            await asyncio.sleep(300)
        assert far.times("a") == [0.5, 10.5, 30.5, 70.5, 130.5, 190.5, 250.5]

    @on_virtual_time
    async def test_jitter_does_not_make_it_miss_its_turn(self) -> None:
        far = Far({"a": DOWN})
        async with running(poller(job(far), chance=random.Random(3))):
            await asyncio.sleep(400)
        gaps = [after - before for before, after in pairwise(far.times("a"))]
        assert [round(gap / 10) for gap in gaps] == [1, 2, 4, 6, 6, 6, 6, 6]

    @on_virtual_time
    async def test_one_that_answers_again_is_back_at_the_interval_at_once(self) -> None:
        answers = itertools.chain([DOWN] * 4, itertools.repeat(1))
        far = Far({"a": lambda: next(answers)})
        polling = poller(job(far))
        async with running(polling):
            await asyncio.sleep(155)
            assert (up(polling, "a"), peers(polling, "a")) == (1.0, 1.0)
        assert far.times("a") == [0.5, 10.5, 30.5, 70.5, 130.5, 140.5, 150.5]

    @on_virtual_time
    async def test_one_failure_is_not_yet_a_reason_to_wait(self) -> None:
        answers = itertools.cycle([DOWN, 1])
        far = Far({"a": lambda: next(answers)})
        async with running(poller(job(far))):
            await asyncio.sleep(45)
        assert far.times("a") == [0.5, 10.5, 20.5, 30.5, 40.5]

    @on_virtual_time
    async def test_who_asks_for_patience_gets_it(self) -> None:
        far = Far({"a": RateLimitError("slow down", 100), "b": 1})
        async with running(poller(job(far))):
            await asyncio.sleep(205)
        assert far.times("a") == [0.5, 100.5, 200.5]
        assert len(far.times("b")) == 21

    @on_virtual_time
    async def test_but_not_for_ever(self) -> None:
        far = Far({"a": RateLimitError("slow down", 1e9)})
        async with running(poller(job(far))):
            await asyncio.sleep(1300)
        assert far.times("a") == [0.5, 600.5, 1200.5]

    @on_virtual_time
    async def test_each_failed_read_is_counted_by_its_reason(self) -> None:
        answers = itertools.chain([DOWN, SourceError(Reason.AUTH, "HTTP 401"), DOWN, 1])
        polling = poller(job(Far({"a": lambda: next(answers)}), Pace(10, 4, 30, patience=10)))
        async with running(polling):
            await asyncio.sleep(35)
            assert errors(polling, "a") == {"connect": 2, "auth": 1}

    @on_virtual_time
    async def test_going_down_and_coming_up_are_logged_once_each(self, caplog: pytest.LogCaptureFixture) -> None:
        answers = itertools.chain([DOWN] * 3, itertools.repeat(1))
        with caplog.at_level(logging.INFO):
            async with running(poller(job(Far({"a": lambda: next(answers)}), Pace(10, 4, 30, patience=10)))):
                await asyncio.sleep(100)
        assert caplog.messages == [
            "eth/a (evm): down: connect: can not connect",
            "eth/a (evm): up again after 3 failed reads",
        ]


class TestRetry:
    """A target that is read rarely, and asked again soon when that has failed."""

    RARELY = Pace(interval=600, timeout=3, stale_after=1800, retry=10)

    @on_virtual_time
    async def test_what_answers_is_read_once_per_interval(self) -> None:
        far = Far({"a": 1, "b": DOWN})
        async with running(poller(job(far, self.RARELY))):
            await asyncio.sleep(1900)
        assert far.times("a") == [0.5, 600.5, 1200.5, 1800.5]

    @on_virtual_time
    async def test_what_fails_is_asked_again_soon_and_then_ever_less_often(self) -> None:
        far = Far({"a": 1, "b": DOWN})
        async with running(poller(job(far, self.RARELY))):
            await asyncio.sleep(640)
        assert far.times("b") == [0.5, 10.5, 30.5, 70.5, 150.5, 310.5, 630.5]

    @on_virtual_time
    async def test_what_has_come_back_is_read_rarely_again(self) -> None:
        answers = itertools.chain([DOWN, DOWN], itertools.repeat(1))
        far = Far({"a": lambda: next(answers)})
        async with running(poller(job(far, self.RARELY))):
            await asyncio.sleep(1300)
        assert far.times("a") == [0.5, 10.5, 30.5, 630.5, 1230.5]


class TestLifetime:
    @on_virtual_time
    async def test_gauges_vanish_when_their_last_success_is_too_old_and_not_before(self) -> None:
        answers = itertools.chain([1], itertools.repeat(DOWN))
        polling = poller(job(Far({"a": lambda: next(answers)})))
        async with running(polling):
            await asyncio.sleep(0.5 + 29.9)
            assert (peers(polling, "a"), up(polling, "a")) == (1.0, 0.0)
            assert sample(polling.render(), "occ_target_stale") == 0.0
            await asyncio.sleep(0.2)
            body = polling.render()
            assert b"rpc_peers" not in body
            assert sample(body, "occ_target_stale") == 1.0
            assert sample(body, "occ_series") == 0.0

    @on_virtual_time
    async def test_they_vanish_also_when_nothing_is_heard_at_all(self) -> None:
        answers = itertools.chain([1], itertools.repeat(NEVER))
        polling = poller(job(Far({"a": lambda: next(answers)}), Pace(10, 1000, 30)))
        async with running(polling):
            await asyncio.sleep(30)
            assert peers(polling, "a") == 1.0
            await asyncio.sleep(1)
            assert peers(polling, "a") is None

    @on_virtual_time
    async def test_what_is_known_of_the_target_itself_stays(self) -> None:
        answers = itertools.chain([1], itertools.repeat(DOWN))
        polling = poller(job(Far({"a": lambda: next(answers)})))
        async with running(polling):
            await asyncio.sleep(3600)
            body = polling.render()
        assert sample(body, "occ_target_configured") == 1.0
        assert sample(body, "occ_target_up") == 0.0
        assert sample(body, "occ_target_last_success_timestamp_seconds") == EPOCH + 0.5
        assert sample(body, "occ_target_info") == 1.0

    @on_virtual_time
    async def test_counters_neither_vanish_nor_go_down(self) -> None:
        answers = itertools.chain([1, 1], itertools.repeat(DOWN))
        polling = poller(job(Far({"a": lambda: next(answers)}), events=count_reads("a")))
        async with running(polling):
            await asyncio.sleep(3600)
            assert rows(polling.render(), "rpc_reads_total") == {"a": 2}

    @on_virtual_time
    async def test_a_target_that_goes_takes_its_own_row_along_and_no_other(self) -> None:
        answers = itertools.chain([1], itertools.repeat(DOWN))
        polling = poller(job(Far({"a": lambda: next(answers), "b": 2})))
        async with running(polling):
            await asyncio.sleep(60)
            assert rows(polling.render(), "rpc_peers") == {"b": 2}
            assert [sample(polling.render(), "occ_target_stale", node=name) for name in "ab"] == [1.0, 0.0]

    @on_virtual_time
    async def test_a_success_brings_everything_back(self) -> None:
        answers = itertools.chain([1], [DOWN] * 5, itertools.repeat(3))
        polling = poller(job(Far({"a": lambda: next(answers)}), Pace(10, 4, 30, patience=10)))
        async with running(polling):
            await asyncio.sleep(55)
            assert peers(polling, "a") is None
            await asyncio.sleep(10)
            assert (peers(polling, "a"), up(polling, "a")) == (3.0, 1.0)

    @on_virtual_time
    async def test_a_wall_clock_that_jumps_makes_nothing_stale_nor_young(self) -> None:
        offset = itertools.chain([0.0] * 2, itertools.cycle([-1e6, 1e6]))
        polling = poller(job(Far({"a": 1})), clock=lambda: clock() + next(offset))
        async with running(polling):
            await asyncio.sleep(200)
            assert (peers(polling, "a"), up(polling, "a")) == (1.0, 1.0)

    @settings(max_examples=30)
    @given(st.lists(st.sampled_from([1, DOWN, NEVER, ZeroDivisionError()]), min_size=1, max_size=12))
    @on_virtual_time
    async def test_at_every_instant_a_value_is_shown_if_and_only_if_it_is_fresh(self, script: list[Any]) -> None:
        answers = itertools.chain(script, itertools.repeat(DOWN))
        polling = poller(job(Far({"a": lambda: next(answers)}), events=count_reads("a")))
        counted = 0.0
        async with running(polling):
            for _ in range(80):
                await asyncio.sleep(1.37)
                seen = {name: value for (name, _), value in parsed(polling.render()).items()}
                success = seen.get("occ_target_last_success_timestamp_seconds", -math.inf)
                age = clock() - success - PACE.stale_after
                if abs(age) > 1e-3:  # floats of this size can not tell less
                    assert ("rpc_peers" in seen) == (age < 0)
                    assert seen["occ_target_stale"] == (age > 0)
                assert counted <= (counted := seen["rpc_reads_total"])


class TestOurOwnMistakes:
    """Loud, and nobody else's affair."""

    @on_virtual_time
    async def test_a_mistake_in_a_read(self, caplog: pytest.LogCaptureFixture) -> None:
        polling = poller(job(Far({"bug": KeyError("result"), "fine": 1})))
        await polling.once()
        assert (up(polling, "bug"), up(polling, "fine"), peers(polling, "fine")) == (0.0, 1.0, 1.0)
        assert errors(polling, "bug") == {"internal": 1}
        assert errors(polling, "fine") == {}
        assert "KeyError" in caplog.text

    @on_virtual_time
    async def test_a_mistake_in_events(self, caplog: pytest.LogCaptureFixture) -> None:
        def events(_before: float | None, reading: float) -> Iterable[Event]:
            yield Event(READS, {"node": "fine"}, 1 / reading)

        polling = poller(job(Far({"bug": 0, "fine": 1, "later": After(2, 1)}), events=events))
        await polling.once()
        assert [up(polling, name) for name in ("bug", "fine", "later")] == [0.0, 1.0, 1.0]
        assert errors(polling, "bug") == {"internal": 1}
        assert errors(polling, "later") == {}
        assert peers(polling, "bug") is None
        assert "the events of eth/bug (evm) could not be counted" in caplog.text

    @on_virtual_time
    async def test_events_are_counted_all_or_none(self) -> None:
        def events(_before: float | None, reading: float) -> Iterable[Event]:
            yield Event(READS, {"node": "a"})
            yield Event(READS, {"node": "a"}, 1 / reading)

        polling = poller(job(Far({"a": 0}), events=events))
        await polling.once()
        assert rows(polling.render(), "rpc_reads_total") == {"a": 0}

    @on_virtual_time
    async def test_events_see_what_was_before(self) -> None:
        seen: list[tuple[float | None, float]] = []

        def events(before: float | None, reading: float) -> Iterable[Event]:
            seen.append((before, reading))
            return ()

        answers = itertools.chain([1, DOWN, 2, 3])
        polling = poller(job(Far({"a": lambda: next(answers)}), events=events))
        async with running(polling):
            await asyncio.sleep(35)
        assert seen == [(None, 1), (1, 2), (2, 3)]

    @on_virtual_time
    async def test_a_mistake_in_columns(self, caplog: pytest.LogCaptureFixture) -> None:
        def columns(readings: Readings[float]) -> Iterable[Column]:
            yield readings.column(PEERS, lambda peers: 1 / peers)

        polling = poller(job(Far({"bug": 0, "beside": 1}), check="bad", columns=columns), job(Far({"fine": 1})))
        async with running(polling):
            await asyncio.sleep(25)
        assert [up(polling, name) for name in ("bug", "beside", "fine")] == [0.0, 0.0, 1.0]
        assert errors(polling, "bug").keys() == errors(polling, "beside").keys() == {"internal"}
        assert [peers(polling, name) for name in ("bug", "beside", "fine")] == [None, None, 1.0]
        assert sample(polling.render(), "occ_target_stale", node="bug") == 1.0
        assert errors(polling, "fine") == {}
        assert caplog.text.count("the columns of bad could not be made") == 1

    @on_virtual_time
    async def test_columns_that_can_be_made_again_are_shown_again(self) -> None:
        answers = itertools.chain([0], itertools.repeat(2))

        def columns(readings: Readings[float]) -> Iterable[Column]:
            yield readings.column(PEERS, lambda peers: 1 / peers)

        polling = poller(job(Far({"a": lambda: next(answers)}), columns=columns))
        async with running(polling):
            await asyncio.sleep(5)
            assert (up(polling, "a"), peers(polling, "a")) == (0.0, None)
            await asyncio.sleep(10)
            assert (up(polling, "a"), peers(polling, "a")) == (1.0, 0.5)

    @pytest.mark.parametrize("absurd", ["many", [1], {}])
    @on_virtual_time
    async def test_a_column_of_what_is_no_number_does_not_spoil_the_page(self, absurd: Any) -> None:
        polling = poller(job(Far({"bug": absurd}), check="bad"), job(Far({"fine": 1})))
        await polling.once()
        assert (up(polling, "bug"), up(polling, "fine"), peers(polling, "fine")) == (0.0, 1.0, 1.0)

    @on_virtual_time
    async def test_a_number_beyond_all_bounds_does_not_spoil_anything(self) -> None:
        polling = poller(job(Far({"absurd": 10**400, "fine": 1})))
        await polling.once()
        assert (peers(polling, "absurd"), peers(polling, "fine")) == (float("inf"), 1.0)

    @on_virtual_time
    async def test_a_mistake_in_what_is_derived(self, caplog: pytest.LogCaptureFixture) -> None:
        def derive(board: Board) -> Iterable[Column]:
            assert board == {}, "not thought of"
            return ()

        polling = poller(job(Far({"a": 1})), derive=derive)
        async with running(polling):
            await asyncio.sleep(25)
        assert up(polling, "a") == 0.0
        assert errors(polling, "a") == {"internal": 1}
        assert peers(polling, "a") == 1.0, "the readings themselves are right"
        assert caplog.text.count("what is derived from several targets could not be made") == 1

    @on_virtual_time
    async def test_a_mistake_in_a_job_itself_fails_those_that_were_not_answered_yet(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        polling = poller(_Broken(), job(Far({"fine": 1})))
        async with running(polling):
            await asyncio.sleep(25)
        assert [up(polling, name) for name in ("answered", "silent", "fine")] == [1.0, 0.0, 1.0]
        assert errors(polling, "silent") == {"internal": 2}
        assert "job broken failed" in caplog.text

    @on_virtual_time
    async def test_a_read_that_is_cancelled_from_within_does_not_end_its_job(self) -> None:
        answers = itertools.chain([asyncio.CancelledError()], itertools.repeat(1))
        polling = poller(job(Far({"a": lambda: next(answers)})))
        async with running(polling):
            await asyncio.sleep(15)
            assert (up(polling, "a"), errors(polling, "a")) == (1.0, {"internal": 1})


class _Broken:
    """A job of another make than `every`, and a bad one."""

    check = "broken"
    targets = targets("answered", "silent")
    pace = PACE
    families: tuple[Family, ...] = FAMILIES
    stream = None
    wake = None

    async def results(self, due: tuple[Target, ...]) -> AsyncIterator[Mapping[Target, Any]]:
        yield {due[0]: 1.0}
        raise ValueError("not thought of")

    def columns(self, _readings: Readings[Any]) -> Iterable[Column]:
        return ()

    def events(self, _before: Any, _reading: Any) -> Iterable[Event]:
        return ()


class TestBeginningAndEnd:
    @on_virtual_time
    async def test_it_is_ready_when_every_job_has_been_through_once(self) -> None:
        polling = poller(job(Far({"a": 1})), job(Far({"b": After(2, 1)}), check="slow"))
        async with running(polling):
            assert not polling.ready
            await asyncio.sleep(1)
            assert not polling.ready
            await asyncio.sleep(2)
            assert polling.ready

    @on_virtual_time
    async def test_it_is_ready_also_when_everything_is_down(self) -> None:
        polling = poller(job(Far({"a": DOWN, "b": NEVER})))
        async with running(polling):
            await asyncio.sleep(5)
            assert polling.ready

    @on_virtual_time
    async def test_a_job_without_targets_keeps_nobody_waiting(self) -> None:
        assert poller(job(Far({}))).ready

    @on_virtual_time
    async def test_once_reads_everything_once_and_ends(self) -> None:
        far, other = Far({"a": 1, "b": After(3, 2)}), Far({"c": NEVER})
        polling = poller(job(far), job(other, check="other"))
        await polling.once()
        assert asyncio.get_running_loop().time() == PACE.timeout
        assert sorted(name for _, name in far.asked + other.asked) == ["a", "b", "c"]
        assert [up(polling, name) for name in "abc"] == [1.0, 1.0, 0.0]
        assert polling.ready

    @pytest.mark.parametrize("after", [0.0, 0.5, 2.0, 4.5, 10.6, 100.0])
    @on_virtual_time
    async def test_cancelled_at_any_time_it_leaves_no_task_and_no_timer(self, after: float) -> None:
        far = Far({"a": 1, "b": After(1, 2), "c": NEVER, "d": DOWN})
        async with running(poller(job(far), job(Far({"e": NEVER}), check="other"))):
            await asyncio.sleep(after)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert [timer for timer in asyncio.get_running_loop()._scheduled if not timer.cancelled()] == []  # type: ignore[attr-defined]

    @on_virtual_time
    async def test_a_year_of_failures_and_successes_leaves_nothing_behind(self) -> None:
        answers = itertools.cycle([1, DOWN, NEVER, 2, ZeroDivisionError(), asyncio.CancelledError()])
        polling = poller(job(Far({"a": lambda: next(answers)}), Pace(60, 50, 180, patience=60)))
        async with running(polling):
            await asyncio.sleep(3600)
            early = len(asyncio.all_tasks()), len(polling.render().splitlines())
            await asyncio.sleep(24 * 3600)
            assert (len(asyncio.all_tasks()), len(polling.render().splitlines())) == early


def _no_columns(_readings: Readings[float]) -> Iterable[Column]:
    return ()


def test_a_job_of_another_make_keeps_the_contract() -> None:
    made: Job = _Broken()
    assert made.check == "broken"
