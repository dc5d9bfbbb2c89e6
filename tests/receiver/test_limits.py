"""How often an action may start."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.catalogue import Limits
from receiver.clock import SECOND
from receiver.limits import DAY, exceeded
from receiver.why import Why
from tests.receiver.support import NOW

MINUTE = 60 * SECOND
INSTANTS = st.integers(NOW - 3 * DAY, NOW + DAY)


def limits(cooldown: str | None = None, per_day: int | None = None) -> Limits:
    given = {"cooldown": cooldown, "per_day": per_day}
    return Limits.model_validate({key: value for key, value in given.items() if value is not None})


@pytest.mark.parametrize(
    ("cooldown", "per_day", "ages", "why"),
    [
        (None, None, [0, 0, 0], None),
        ("1m", 3, [], None),
        ("1m", None, [MINUTE - 1], Why.COOLDOWN),
        ("1m", None, [MINUTE], None),
        ("1m", None, [5 * MINUTE, MINUTE - 1], Why.COOLDOWN),
        ("500ms", None, [SECOND // 2 - 1], Why.COOLDOWN),
        ("500ms", None, [SECOND // 2], None),
        (None, 2, [MINUTE, DAY - 1], Why.PER_DAY),
        (None, 2, [MINUTE, DAY], None),
        (None, 2, [DAY, DAY, DAY], None),
        ("1m", 1, [MINUTE - 1], Why.COOLDOWN),
        ("1m", None, [-MINUTE], Why.COOLDOWN),
        (None, 1, [-MINUTE], Why.PER_DAY),
    ],
)
def test_what_started_so_long_ago_allows_or_forbids(
    cooldown: str | None, per_day: int | None, ages: list[int], why: Why | None
) -> None:
    assert exceeded(limits(cooldown, per_day), [NOW - age for age in ages], NOW) is why


@given(st.lists(INSTANTS, max_size=8), INSTANTS)
def test_another_start_never_gives_leave(starts: list[int], more: int) -> None:
    bound = limits("1h", 4)
    if exceeded(bound, starts, NOW) is not None:
        assert exceeded(bound, [*starts, more], NOW) is not None


@given(st.lists(INSTANTS, max_size=8), st.integers(0, DAY))
def test_a_clock_that_is_set_back_gives_nothing_free(starts: list[int], back: int) -> None:
    bound = limits("1h", 4)
    if exceeded(bound, starts, NOW) is not None:
        assert exceeded(bound, starts, NOW - back) is not None


@given(st.integers(1, 5), st.integers(0, 12))
def test_within_any_day_no_more_start_than_may(per_day: int, tries: int) -> None:
    started: list[int] = []
    for hour in range(0, 6 * tries, 6):
        now = NOW + hour * 60 * MINUTE
        if exceeded(limits(None, per_day), started, now) is None:
            started.append(now)
    assert all(sum(start <= other < start + DAY for other in started) <= per_day for start in started)
