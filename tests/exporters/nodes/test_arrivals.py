"""When heads come, and who brings them first."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from exporters.nodes.arrivals import REMEMBERED, Arrivals
from exporters.nodes.reading import Block
from occ.job import Target


def node(name: str, provider: str = "") -> Target:
    return Target(f"eth/{name}", {"chain": "eth", "node": name}, {"provider": provider or name})


A, B, C = node("a"), node("b"), node("c")


def block(number: int, fork: str = "") -> Block:
    """Stamped at ten times its height."""
    return Block(number, 10.0 * number, f"{fork}{number}")


@dataclass
class Desk:
    """Arrivals with a clock that is set by hand, and what they told."""

    providers: int = 3
    now: float = 0.0
    delays: list[float] = field(default_factory=list)
    firsts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.arrivals = Arrivals(
            self.providers,
            self.delays.append,
            lambda target: self.firsts.append(target.labels["node"]),
            lambda: self.now,
        )
        for target in (A, B, C):
            self.arrivals.saw(target, block(0))

    def saw(self, target: Target, number: int, at: float, fork: str = "") -> float | None:
        self.now = at
        return self.arrivals.saw(target, block(number, fork))


def test_the_delay_is_from_the_head_s_own_timestamp() -> None:
    desk = Desk()
    assert desk.saw(A, 1, at=10.7) == 0.6999999999999993
    assert desk.delays == [0.6999999999999993]


def test_a_head_that_is_stamped_later_than_it_came_has_no_delay() -> None:
    assert Desk().saw(A, 1, at=9.5) == 0.0


def test_the_first_look_at_a_node_finds_a_head_that_may_be_old() -> None:
    desk = Desk()
    late = node("late")
    assert desk.saw(late, 1, at=500.0) is None
    assert desk.delays == []


def test_the_same_head_again_is_no_arrival_and_the_last_delay_stays() -> None:
    desk = Desk()
    desk.saw(A, 1, at=11.0)
    assert desk.saw(A, 1, at=19.0) == 1.0
    assert desk.delays == [1.0]


def test_a_head_that_goes_down_and_up_again_has_not_come_again() -> None:
    desk = Desk()
    for number, at in ((41, 411.0), (1, 412.0), (41, 413.0), (40, 414.0), (41, 415.0), (42, 421.0)):
        desk.saw(A, number, at=at)
    assert desk.delays == [1.0, 1.0]


def test_a_height_that_was_made_up_does_not_end_the_arrivals() -> None:
    desk = Desk()
    desk.saw(A, 1_000_000, at=5.0)
    desk.saw(A, 1, at=12.0)
    assert desk.saw(A, 2, at=23.0) == 3.0


@given(st.lists(st.integers(0, REMEMBERED), min_size=1, max_size=40))
def test_arrivals_are_as_many_as_heads_that_were_higher_than_all_before(numbers: list[int]) -> None:
    desk = Desk()
    for number in numbers:
        desk.saw(A, number, at=10.0 * number)
    assert len(desk.delays) == len(set(accumulate(numbers, max, initial=0))) - 1


def test_the_first_is_credited_when_another_provider_tells_the_same_head() -> None:
    desk = Desk()
    desk.saw(A, 1, at=10.1)
    assert desk.firsts == []
    desk.saw(B, 1, at=10.2)
    desk.saw(C, 1, at=10.3)
    assert desk.firsts == ["a"]


def test_a_head_that_one_node_made_up_earns_nothing() -> None:
    desk = Desk()
    desk.saw(A, 1_000_000, at=10.1, fork="rogue")
    desk.saw(B, 1, at=10.2)
    desk.saw(C, 1, at=10.3)
    assert desk.firsts == ["b"]


def test_another_node_of_the_same_provider_vouches_for_nothing() -> None:
    desk = Desk()
    one, two = node("a1", "a"), node("a2", "a")
    for target in (one, two):
        desk.saw(target, 1, at=10.0)
    desk.saw(one, 2, at=20.1)
    desk.saw(two, 2, at=20.2)
    assert desk.firsts == []
    desk.saw(B, 2, at=20.3)
    assert desk.firsts == ["a1"]


def test_alone_a_provider_needs_nobody() -> None:
    desk = Desk(providers=1)
    desk.saw(A, 1, at=10.1)
    desk.saw(A, 2, at=20.1)
    assert desk.firsts == ["a", "a"]


def test_a_node_that_is_looked_at_for_the_first_time_brought_nothing() -> None:
    desk = Desk()
    late = node("late")
    desk.saw(late, 1, at=10.1)
    desk.saw(A, 1, at=10.2)
    desk.saw(B, 1, at=10.3)
    assert desk.firsts == []


def test_only_the_latest_heads_are_remembered() -> None:
    desk = Desk()
    for number in range(1, 2 * REMEMBERED):
        desk.saw(A, number, at=10.0 * number)
    assert len(desk.arrivals._seen) == REMEMBERED
