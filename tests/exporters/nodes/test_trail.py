"""How it is noticed that a block which a node had told is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from exporters.nodes.reading import Block
from exporters.nodes.trail import KEPT, Trail, gone


def block(number: int, fork: str = "a") -> Block:
    return Block(number, float(number), f"{fork}{number}", f"{fork}{number - 1}")


def trail(*blocks: Block) -> Trail:
    made = Trail()
    for each in blocks:
        made.add(each)
    return made


def test_the_last_is_the_newest_head() -> None:
    assert Trail().last is None
    assert trail(block(1), block(2)).last == (2, "a2")


def test_with_a_head_its_parent_is_known() -> None:
    assert list(trail(block(7)).below(8)) == [7, 6]


def test_a_head_that_does_not_go_on_from_the_newest_is_left_for_a_look() -> None:
    made = trail(block(5))
    made.add(block(6, "b"))
    made.add(block(4))
    assert made.last == (5, "a5")


def test_a_head_further_up_is_taken_and_what_is_between_is_not_known() -> None:
    assert list(trail(block(5), block(9)).below(9)) == [8, 5, 4]


def test_nothing_is_gone_where_all_is_as_it_was() -> None:
    made = trail(block(5), block(6))
    assert made.replaced({6: "a6", 5: "a5"}) == 0


def test_what_the_node_has_not_reached_says_nothing() -> None:
    assert trail(block(5), block(6)).replaced({6: None, 5: "a5"}) == 0


def test_what_was_not_known_before_says_nothing() -> None:
    assert trail(block(5)).replaced({9: "b9"}) == 0


def test_the_depth_is_from_the_lowest_that_differs_to_the_newest() -> None:
    made = trail(*map(block, range(1, 9)))
    assert made.replaced({8: "b8"}) == 1
    assert made.replaced({8: "b8", 7: "b7", 6: "b6", 5: "a5"}) == 3


def test_a_shorter_chain_counts_what_was_above_it_as_gone() -> None:
    assert trail(*map(block, range(1, 9))).replaced({6: "b6"}) == 3


def test_after_the_turn_it_goes_on_from_the_new_head() -> None:
    made = trail(*map(block, range(1, 9)))
    made.turn(6, block(9, "b"))
    assert made.last == (9, "b9")
    assert list(made.below(9)) == [8, 5, 4, 3, 2]
    assert made.replaced({9: "b9", 8: "b8", 5: "a5"}) == 0


def test_after_a_turn_to_a_lower_head_nothing_above_is_known() -> None:
    made = trail(*map(block, range(1, 9)))
    made.turn(5, block(6, "b"))
    assert made.last == (6, "b6")


def test_no_more_is_remembered_than_is_of_use() -> None:
    made = trail(*map(block, range(1, 3 * KEPT)))
    assert len(made._hashes) == KEPT


async def test_a_head_far_above_is_forgotten_and_the_next_reorg_is_told() -> None:
    async def ask(heights: Sequence[int]) -> Mapping[int, str | None]:
        return {height: f"a{height}" for height in heights}

    made = trail(*map(block, range(1, 9)), block(1_000_000, "rogue"))
    assert await gone(made, block(9), {8: "a8"}, ask) == 0
    assert made.last == (9, "a9")
    assert await gone(made, block(10, "b"), {9: "b9"}, ask) == 1


@given(top=st.integers(2, 200), depth=st.integers(1, 150), grown=st.integers(-3, 5))
def test_the_depth_that_is_told_is_never_more_than_the_truth_and_exact_where_it_is_small(
    top: int, depth: int, grown: int
) -> None:
    made = trail(*map(block, range(1, top + 1)))
    depth = min(depth, top - 1)
    fork, head = top - depth, max(top + grown, top - depth + 1)

    def now(height: int) -> str | None:
        return None if height > head else f"{'b' if height > fork else 'a'}{height}"

    first = made.replaced({head: now(head), head - 1: now(head - 1), top: now(top)})
    told = made.replaced(
        {height: now(height) for height in made.below(top - first + 1)} | {top: now(top), head: now(head)}
    )
    told = max(told, first)
    assert told <= depth
    if depth <= 4:
        assert told == depth
