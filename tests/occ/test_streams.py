"""Jobs that follow a stream, wait for a chain's head, or look at a pinned height. Everything happens on virtual time."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from occ.errors import CatalogueError, RateLimitError, Reason, SourceError
from occ.job import Heads, Pins, Target, on_head
from occ.poller import PUBLISH_INTERVAL, Board
from tests.occ.far import (
    DOWN,
    FAMILIES,
    NEVER,
    PACE,
    After,
    Far,
    columns,
    count_reads,
    errors,
    job,
    peers,
    poller,
    running,
    targets,
    up,
)
from tests.occ.samples import rows, sample
from tests.virtual import EPOCH, clock, on_virtual_time

QUICK = dataclasses.replace(PACE, silence=20.0)


@dataclass
class Line:
    """A stream by script: pairs of a pause in seconds and what is then told (a mapping by name, or an error)."""

    script: list[tuple[float, Any]]
    opened: list[float] = field(default_factory=list)
    closed: int = 0

    async def stream(self, asked: tuple[Target, ...]) -> AsyncIterator[Mapping[Target, Any]]:
        self.opened.append(asyncio.get_running_loop().time())
        by_name = {target.labels["node"]: target for target in asked}
        try:
            for pause, told in self.script:
                await asyncio.sleep(pause)
                if isinstance(told, BaseException):
                    raise told
                yield {by_name[name]: value for name, value in told.items()}
        finally:
            self.closed += 1


class TestFollowing:
    @on_virtual_time
    async def test_while_the_stream_speaks_nothing_is_read(self) -> None:
        far, line = Far({"a": 1}), Line([(1, {"a": n}) for n in range(100)])
        async with running(poll := poller(job(far, QUICK, stream=line.stream))):
            await asyncio.sleep(60)
            assert peers(poll, "a") == 58
            assert up(poll, "a") == 1
            assert sample(poll.render(), "occ_target_last_success_timestamp_seconds") == EPOCH + 59.5
        assert far.asked == []
        assert line.closed == 1

    @on_virtual_time
    async def test_what_it_tells_is_shown_within_the_publish_interval(self) -> None:
        line = Line([(1, {"a": 1}), (0.01, {"a": 2}), (0.01, {"a": 3}), (1e6, {})])
        async with running(poll := poller(job(Far({"a": 9}), QUICK, stream=line.stream))):
            await asyncio.sleep(0.5 + 1.001)
            assert peers(poll, "a") == 1
            await asyncio.sleep(PUBLISH_INTERVAL + 0.03)
            assert peers(poll, "a") == 3

    @on_virtual_time
    async def test_publishes_are_coalesced_and_events_are_not(self) -> None:
        line = Line([(0.001, {"a": n}) for n in range(2000)])
        published = 0

        def counted(readings: Any) -> Any:
            nonlocal published
            published += 1
            return columns(readings)

        streaming = job(Far({"a": 1}), QUICK, stream=line.stream, columns=counted, events=count_reads("a"))
        async with running(poll := poller(streaming)):
            await asyncio.sleep(2.4)
            assert sample(poll.render(), "rpc_reads_total", node="a") == pytest.approx(1900, abs=2)
        assert published < 15

    @on_virtual_time
    async def test_it_is_ready_once_every_target_was_told_of(self) -> None:
        line = Line([(1, {"a": 1}), (1, {"b": 2}), (1e6, {})])
        async with running(poll := poller(job(Far({"a": 1, "b": 1}), QUICK, stream=line.stream))):
            await asyncio.sleep(2)
            assert not poll.ready
            await asyncio.sleep(1)
            assert poll.ready

    @on_virtual_time
    async def test_a_target_may_fail_on_a_stream_that_goes_on(self) -> None:
        line = Line([(1, {"a": 1, "b": 1}), (1, {"a": 2, "b": DOWN}), (1e6, {})])
        async with running(poll := poller(job(Far({"a": 1, "b": 1}), QUICK, stream=line.stream))):
            await asyncio.sleep(3)
            assert (up(poll, "a"), up(poll, "b")) == (1, 0)
            assert errors(poll, "b") == {"connect": 1}


class TestLosing:
    @pytest.mark.parametrize(
        ("end", "reason"),
        [
            ([(1e6, {})], "timeout"),
            ([], "connect"),
            ([(0, SourceError(Reason.RATE_LIMITED, "too many"))], "rate_limited"),
            ([(0, ValueError("not thought of"))], "internal"),
            ([(0, asyncio.CancelledError())], "internal"),
            ([(0, {"nobody": 1})], "internal"),
        ],
        ids=[
            "silent",
            "ended",
            "refused",
            "our mistake",
            "cancelled from within",
            "a target that is none of the job's",
        ],
    )
    @on_virtual_time
    async def test_a_stream_that_fails_is_counted_by_reason_and_its_targets_are_read(
        self, end: list[tuple[float, Any]], reason: str
    ) -> None:
        far, line = Far({"a": 7, "b": 8}), Line([(1, {"a": 1, "b": 1}), *end])
        async with running(poll := poller(job(far, QUICK, stream=line.stream))):
            await asyncio.sleep(22)
            assert (errors(poll, "a"), errors(poll, "b")) == ({reason: 1}, {reason: 1})
            assert (peers(poll, "a"), peers(poll, "b")) == (7, 8)
            assert (up(poll, "a"), up(poll, "b")) == (1, 1)

    @on_virtual_time
    async def test_silence_is_measured_since_the_last_word(self) -> None:
        far, line = Far({"a": 7}), Line([(15, {"a": n}) for n in range(4)] + [(1e6, {})])
        async with running(poller(job(far, QUICK, stream=line.stream))):
            await asyncio.sleep(60.5 + 19.9)
            assert far.asked == []
            await asyncio.sleep(0.2)
            assert len(far.asked) == 1

    @on_virtual_time
    async def test_it_is_tried_again_and_reading_stops_when_it_speaks(self) -> None:
        far, line = Far({"a": 7}), Line([(1, {"a": 1}), (0, DOWN)])
        async with running(poll := poller(job(far, QUICK, stream=line.stream))):
            await asyncio.sleep(1.6)
            line.script = [(1, {"a": n}) for n in range(1000)]
            await asyncio.sleep(40)
            read = len(far.asked)
            assert read >= 1
            await asyncio.sleep(100)
            assert len(far.asked) == read
            assert 100 < (peers(poll, "a") or 0) < 140

    @on_virtual_time
    async def test_a_stream_that_speaks_and_is_closed_at_once_is_tried_ever_less_often(self) -> None:
        pace = dataclasses.replace(QUICK, retry=2.0)
        line = Line([(0.1, {"a": 1}), (0.1, DOWN)])
        async with running(poller(job(Far({"a": 7}), pace, stream=line.stream))):
            await asyncio.sleep(600)
        gaps = [after - before for before, after in zip(line.opened, line.opened[1:], strict=False)]
        assert gaps[0] < 5
        assert all(gap > 15 for gap in gaps[6:])

    @on_virtual_time
    async def test_a_stream_that_has_held_for_long_is_tried_again_soon(self) -> None:
        pace = dataclasses.replace(QUICK, retry=2.0)
        line = Line([(15, {"a": n}) for n in range(4)] + [(0, DOWN)])
        async with running(poller(job(Far({"a": 7}), pace, stream=line.stream))):
            await asyncio.sleep(600)
        gaps = [after - before for before, after in zip(line.opened, line.opened[1:], strict=False)]
        assert all(gap < 65 for gap in gaps)

    @on_virtual_time
    async def test_a_stream_that_never_speaks_is_tried_ever_less_often(self) -> None:
        line = Line([(0, DOWN)])
        async with running(poller(job(Far({"a": 7}), QUICK, stream=line.stream))):
            await asyncio.sleep(600)
        gaps = [after - before for before, after in zip(line.opened, line.opened[1:], strict=False)]
        assert gaps[0] < 21
        assert gaps == sorted(gaps)
        assert 60 <= gaps[-1] <= 75

    @on_virtual_time
    async def test_where_stream_and_read_both_fail_the_target_is_down_and_its_values_go(self) -> None:
        line = Line([(1, {"a": 1}), (0, DOWN)])
        async with running(poll := poller(job(Far({"a": DOWN}), QUICK, stream=line.stream))):
            await asyncio.sleep(5)
            line.script = [(0, DOWN)]
            assert up(poll, "a") == 0
            assert peers(poll, "a") == 1
            await asyncio.sleep(35)
            assert peers(poll, "a") is None

    @pytest.mark.parametrize(
        ("seconds", "least", "most"), [(100, 100, 110), (1e9, 600, 640), (1, 10, 21)], ids=["said", "absurd", "short"]
    )
    @on_virtual_time
    async def test_one_that_is_refused_for_a_while_is_not_tried_again_before(
        self, seconds: float, least: float, most: float
    ) -> None:
        far, line = Far({"a": 7}), Line([(1, {"a": 1}), (0, RateLimitError("slow down", seconds))])
        async with running(poll := poller(job(far, QUICK, stream=line.stream))):
            await asyncio.sleep(2 * most + 10)
            assert peers(poll, "a") == 7
        first, second = line.opened[:2]
        assert least <= second - first - 1 <= most

    @on_virtual_time
    async def test_the_loss_is_logged_once_each_time(self, caplog: pytest.LogCaptureFixture) -> None:
        line = Line([(1, {"a": 1}), (0, DOWN)])
        with caplog.at_level(logging.WARNING):
            async with running(poller(job(Far({"a": 7, "b": 7}), QUICK, stream=line.stream))):
                await asyncio.sleep(3)
        assert [record.message for record in caplog.records] == [
            "eth/a, eth/b (evm): stream lost: connect: can not connect; reading instead"
        ]

    @on_virtual_time
    async def test_of_many_targets_the_log_names_some(self, caplog: pytest.LogCaptureFixture) -> None:
        line = Line([(1, DOWN)])
        with caplog.at_level(logging.WARNING):
            async with running(poller(job(Far(dict.fromkeys("abcde", 7)), QUICK, stream=line.stream))):
                await asyncio.sleep(2.5)
        assert caplog.records[0].message == (
            "eth/a, eth/b, eth/c and 2 more (evm): stream lost: connect: can not connect; reading instead"
        )

    @on_virtual_time
    async def test_a_stream_is_closed_when_the_poller_is_cancelled(self) -> None:
        line = Line([(1e6, {})])
        async with running(poller(job(Far({"a": 7}), QUICK, stream=line.stream))):
            await asyncio.sleep(5)
        assert line.closed == 1


class TestOnce:
    @on_virtual_time
    async def test_a_stream_is_followed_until_it_has_told_of_every_target(self) -> None:
        far, line = Far({"a": 7, "b": 8}), Line([(1, {"a": 1}), (5, {"b": 2}), (1e6, {})])
        await (poll := poller(job(far, QUICK, stream=line.stream))).once()
        assert (peers(poll, "a"), peers(poll, "b")) == (1, 2)
        assert far.asked == []

    @pytest.mark.parametrize("end", [(1e6, {}), (0, DOWN), (0, ValueError("not thought of"))])
    @on_virtual_time
    async def test_what_a_stream_does_not_tell_is_read(self, end: tuple[float, Any]) -> None:
        far, line = Far({"a": 7, "b": 8}), Line([(1, {"a": 1}), end])
        await (poll := poller(job(far, QUICK, stream=line.stream))).once()
        assert (peers(poll, "a"), peers(poll, "b")) == (1, 8)

    @on_virtual_time
    async def test_a_stream_that_is_lost_is_counted_and_one_that_has_told_all_is_not(self) -> None:
        far, line = Far({"a": 7, "b": 8}), Line([(1, {"a": 1}), (0, DOWN)])
        await (poll := poller(job(far, QUICK, stream=line.stream))).once()
        assert (errors(poll, "a"), errors(poll, "b")) == ({"connect": 1}, {"connect": 1})
        line.script = [(1, {"a": 1, "b": 2}), (0, DOWN)]
        await (poll := poller(job(far, QUICK, stream=line.stream))).once()
        assert (errors(poll, "a"), errors(poll, "b")) == ({}, {})
        assert line.closed == 2


class TestHeads:
    @on_virtual_time
    async def test_a_read_begins_at_every_new_head(self) -> None:
        far, heads = Far({"a": 1}), Heads()
        reading = on_head(heads, PACE, far.read, check="evm", targets=targets("a"), families=FAMILIES, columns=columns)
        async with running(poller(reading)):
            await asyncio.sleep(1)
            for _ in range(5):
                heads.announce()
                await asyncio.sleep(1)
        assert far.times("a") == [0.5, 1, 2, 3, 4, 5]

    @on_virtual_time
    async def test_on_a_halted_chain_it_reads_on_at_the_interval(self) -> None:
        far, heads = Far({"a": 1}), Heads()
        reading = on_head(heads, PACE, far.read, check="evm", targets=targets("a"), families=FAMILIES, columns=columns)
        async with running(poller(reading)):
            await asyncio.sleep(45)
        assert far.times("a") == [0.5, 10.5, 20.5, 30.5, 40.5]

    @pytest.mark.parametrize(
        ("announced", "read"),
        [
            ([0.2], [0.5]),
            ([2, 2.3, 2.6], [0.5, 2, 3]),
            ([2, 3], [0.5, 2, 3]),
            ([2, 2, 2.9, 3.9], [0.5, 2, 3, 4]),
            ([10.5], [0.5, 10.5]),
        ],
        ids=["before the first read", "during a read", "when a read ends", "at once and in each read", "as it is due"],
    )
    @on_virtual_time
    async def test_a_head_that_comes_during_a_read_is_read_next_and_none_is_read_twice(
        self, announced: list[float], read: list[float]
    ) -> None:
        far, heads, loop = Far({"a": After(1, 1)}), Heads(), asyncio.get_running_loop()
        reading = on_head(heads, PACE, far.read, check="evm", targets=targets("a"), families=FAMILIES, columns=columns)
        for at in announced:
            loop.call_at(at, heads.announce)
        async with running(poller(reading)):
            await asyncio.sleep(max(announced) + 3)
        assert far.times("a") == read

    @on_virtual_time
    async def test_everybody_who_waits_is_woken_once(self) -> None:
        heads = Heads()
        waiting = [asyncio.ensure_future(heads.upcoming().wait()) for _ in range(3)]
        await asyncio.sleep(1)
        heads.announce()
        await asyncio.wait_for(asyncio.gather(*waiting), 0.1)
        assert not heads.upcoming().is_set()


def _lowest(board: Board) -> Mapping[str, int]:
    heights = [int(aged.reading) for aged in board["evm"].values()]
    return {"eth": min(heights)} if heights else {}


class TestPins:
    @on_virtual_time
    async def test_all_nodes_are_asked_at_the_height_of_the_board_before(self) -> None:
        pins, asked = Pins(), []

        async def read(due: tuple[Target, ...]) -> Mapping[Target, float]:
            asked.append(pins("eth"))
            return {target: 100 + len(asked) for target in due}

        reading = job(Far({"a": 1, "b": 2}), together=True)
        reading = dataclasses.replace(reading, read=read)
        async with running(poller(reading, pin=_lowest, pins=pins)):
            await asyncio.sleep(25)
        assert asked == [None, 101, 102]

    @on_virtual_time
    async def test_once_takes_the_second_look_that_a_pin_makes_possible(self) -> None:
        pins, far = Pins(), Far({"a": 1})
        await poller(job(far), pin=lambda board: {"eth": 1} if board["evm"] else {}, pins=pins).once()
        assert len(far.asked) == 2

    @on_virtual_time
    async def test_that_look_is_at_the_stream_where_it_tells_and_a_read_where_it_does_not(self) -> None:
        pins, told, asked = Pins(), list[tuple[str, int | None]](), list[tuple[str, int | None]]()

        async def stream(due: tuple[Target, ...]) -> AsyncIterator[Mapping[Target, float]]:
            for target in due[:1]:
                await asyncio.sleep(1)
                told.append((target.labels["node"], pins("eth")))
                yield {target: 100.0}

        async def read(due: tuple[Target, ...]) -> Mapping[Target, float]:
            asked.extend((target.labels["node"], pins("eth")) for target in due)
            return dict.fromkeys(due, 99.0)

        reading = dataclasses.replace(job(Far({"a": 1, "b": 1}), QUICK, stream=stream), read=read)
        await (poll := poller(reading, pin=_lowest, pins=pins)).once()
        assert (told, asked) == ([("a", None), ("a", 99)], [("b", None), ("b", 99)])
        assert (peers(poll, "a"), peers(poll, "b")) == (100, 99)

    @on_virtual_time
    async def test_what_failed_at_the_first_look_is_not_asked_again(self) -> None:
        far = Far({"a": 1, "dead": NEVER, "tired": RateLimitError("slow down", 100)})
        await (poll := poller(job(far), pin=_lowest, pins=Pins())).once()
        assert sorted(name for _, name in far.asked) == ["a", "a", "dead", "tired"]
        assert (errors(poll, "dead"), errors(poll, "tired")) == ({"timeout": 1}, {"rate_limited": 1})

    @on_virtual_time
    async def test_a_mistake_in_the_pin_is_loud(self) -> None:
        def broken(_board: Board) -> Mapping[str, int]:
            raise ValueError("not thought of")

        await (poll := poller(job(Far({"a": 1})), pin=broken)).once()
        assert up(poll, "a") == 0


class TestFairness:
    @on_virtual_time
    async def test_fifty_dead_targets_do_not_delay_the_living(self) -> None:
        far = Far({f"dead-{n}": NEVER for n in range(50)} | {f"live-{n}": 1 for n in range(150)})
        async with running(poll := poller(job(far))):
            await asyncio.sleep(0.5 + PUBLISH_INTERVAL + 0.01)
            assert rows(poll.render(), "rpc_peers") == {f"live-{n}": 1 for n in range(150)}
            await asyncio.sleep(600)
            gaps = {
                round(after - before, 6)
                for before, after in zip(far.times("live-0"), far.times("live-0")[1:], strict=False)
            }
        assert gaps == {10.0}

    @on_virtual_time
    async def test_where_places_are_few_those_that_answered_last_time_go_first(self) -> None:
        far = Far({f"dead-{n}": NEVER for n in range(50)} | {f"live-{n}": 1 for n in range(50)})
        async with running(poller(job(far, at_once=10))):
            await asyncio.sleep(200)
            far.asked.clear()
            await asyncio.sleep(60)
        order = [name for _, name in far.asked]
        assert order[:50] == [f"live-{n}" for n in range(50)]


class TestClock:
    @pytest.mark.parametrize("jump", [3600.0, -3600.0])
    @on_virtual_time
    async def test_a_wall_clock_that_jumps_changes_no_pace_and_no_freshness(self, jump: float) -> None:
        far, ahead = Far({"a": 1}), [0.0]
        async with running(poll := poller(job(far), clock=lambda: clock() + ahead[0])):
            await asyncio.sleep(15)
            ahead[0] = jump
            await asyncio.sleep(30)
            assert peers(poll, "a") == 1
            assert sample(poll.render(), "occ_target_stale", target="eth/a") == 0
            assert sample(poll.render(), "occ_target_last_success_timestamp_seconds") == EPOCH + 40.5 + jump
        assert far.times("a") == [0.5, 10.5, 20.5, 30.5, 40.5]


@on_virtual_time
async def test_two_jobs_that_would_show_the_same_target_are_refused() -> None:
    far = Far({"a": 1})
    with pytest.raises(CatalogueError, match=r"eth/a \(evm\) is to be read twice"):
        poller(job(far), job(far))
