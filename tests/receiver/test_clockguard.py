"""A wall clock that was set is noticed; one that is slewed, or a process that was stopped, is not taken for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from receiver.clock import SECOND
from receiver.clockguard import ClockGuard


@dataclass
class Clocks:
    wall: int = 1_790_000_000 * SECOND
    steady: int = 5 * SECOND

    def passes(self, seconds: float) -> None:
        self.wall += int(seconds * SECOND)
        self.steady += int(seconds * SECOND)

    def guard(self) -> ClockGuard:
        return ClockGuard(lambda: self.wall, lambda: self.steady)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def test_time_that_passes_is_no_jump(clocks: Clocks) -> None:
    guard = clocks.guard()
    clocks.passes(86_400)
    assert (guard.jump(), guard.jumped()) == (0, False)


@pytest.mark.parametrize(("seconds", "jumped"), [(2, False), (-2, False), (2.000001, True), (-2.000001, True)])
def test_two_seconds_are_the_most(clocks: Clocks, seconds: float, jumped: bool) -> None:  # noqa: FBT001
    guard = clocks.guard()
    clocks.wall += round(seconds * SECOND)
    clocks.passes(1)
    assert guard.jump() == round(seconds * SECOND)
    assert guard.jumped() is jumped


def test_small_steps_add_up(clocks: Clocks) -> None:
    guard = clocks.guard()
    for _ in range(3):
        clocks.wall += SECOND
        clocks.passes(60)
    assert guard.jumped()


def test_once_settled_the_new_time_is_the_right_one(clocks: Clocks) -> None:
    guard = clocks.guard()
    clocks.wall += 3600 * SECOND
    guard.settle()
    assert not guard.jumped()
    clocks.wall -= 3600 * SECOND
    assert guard.jumped()


def test_a_process_that_is_stopped_between_two_readings_has_seen_no_jump(clocks: Clocks) -> None:
    guard = clocks.guard()

    def steady() -> Iterator[int]:
        yield clocks.steady
        clocks.passes(60)
        while True:
            yield clocks.steady

    readings = steady()
    guard._steady = lambda: next(readings)
    assert not guard.jumped()


def test_this_machines_clocks_agree() -> None:
    assert not ClockGuard().jumped()
