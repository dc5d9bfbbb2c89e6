"""Request weights by the minute, refusals and bans."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.venue.limits import BannedError, Limiter, TooManyRequestsError

NOON = 1_700_000_080.0  # twenty seconds before a minute ends
MINUTE = 60.0


def test_weight_adds_up_and_is_forgotten_with_the_minute() -> None:
    limiter = Limiter(100)
    limiter.spend(60, NOON - 39)
    limiter.spend(40, NOON)
    assert (limiter.used, limiter.peak) == (100, 100)
    limiter.spend(1, NOON + MINUTE)
    assert (limiter.used, limiter.peak) == (1, 100)


def test_over_the_limit_it_says_when_to_come_back() -> None:
    limiter = Limiter(100)
    limiter.spend(100, NOON)
    with pytest.raises(TooManyRequestsError) as refused:
        limiter.spend(1, NOON)
    assert NOON + refused.value.retry_after == refused.value.until
    assert refused.value.until % MINUTE == 0
    limiter.spend(1, refused.value.until)


def test_a_window_may_be_a_second() -> None:
    limiter = Limiter(100, 1)
    limiter.spend(100, NOON)
    with pytest.raises(TooManyRequestsError) as refused:
        limiter.spend(1, NOON + 0.5)
    assert refused.value.until == NOON + 1
    limiter.spend(100, NOON + 1)


def exceed(limiter: Limiter, at: float) -> BannedError:
    with pytest.raises(BannedError) as banned:  # noqa: PT012 - it takes several
        while True:
            try:
                limiter.spend(limiter.limit, at)
            except BannedError:
                raise
            except TooManyRequestsError:
                continue
    return banned.value


def test_who_goes_on_is_banned_and_for_longer_each_time() -> None:
    limiter = Limiter(100)
    first = exceed(limiter, NOON)
    assert first.retry_after == 120
    with pytest.raises(BannedError):
        limiter.spend(1, NOON + 119)
    second = exceed(limiter, NOON + 121)
    assert second.retry_after == 240
    limiter.spend(1, second.until)


@given(st.lists(st.integers(1, 60), max_size=60), st.lists(st.floats(0, 90), max_size=60))
def test_what_is_let_in_within_a_minute_never_exceeds_the_limit(weights: list[int], pauses: list[float]) -> None:
    limiter, now = Limiter(100), NOON
    admitted: dict[int, int] = {}
    for weight, pause in zip(weights, pauses, strict=False):
        now += pause
        try:
            limiter.spend(weight, now)
        except TooManyRequestsError:
            continue
        admitted[int(now // MINUTE)] = admitted.get(int(now // MINUTE), 0) + weight
    assert all(total <= 100 for total in admitted.values())
