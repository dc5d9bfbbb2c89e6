"""The corroborated head, in plain words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporters.nodes.reading import Block
from exporters.nodes.truth import Truth, Witness, corroborated, plausible
from occ.job import Target

NOW = 1_800_000_000.0
BLOCK_TIME = 12.0


def witness(name: str, number: int, *, provider: str = "", behind: float = 0.0, at: float = NOW) -> Witness:
    """A node whose head's timestamp is `behind` seconds before NOW."""
    target = Target(f"ethereum/{name}", {"chain": "ethereum", "node": name})
    return Witness(target, provider or name, Block(number, NOW - behind, f"0x{number:064x}"), at)


def head(*witnesses: Witness) -> Truth | None:
    return corroborated(plausible(witnesses, BLOCK_TIME), BLOCK_TIME)


def number(*witnesses: Witness) -> int | None:
    truth = head(*witnesses)
    return truth.head.number if truth else None


def test_without_a_witness_there_is_no_truth() -> None:
    assert head() is None


def test_of_three_providers_the_head_is_the_highest_that_two_have_reached() -> None:
    assert number(witness("a", 103), witness("b", 102, behind=12), witness("c", 95, behind=96)) == 102


def test_two_nodes_of_one_provider_are_one_witness() -> None:
    assert (
        number(witness("a1", 103, provider="a"), witness("a2", 103, provider="a"), witness("b", 101), witness("c", 100))
        == 101
    )


def test_with_two_providers_the_head_is_the_higher_plausible_one() -> None:
    assert number(witness("a", 103), witness("b", 90, behind=13 * 12)) == 103


def test_a_rogue_a_million_blocks_ahead_moves_nothing_among_three() -> None:
    honest = (witness("a", 100), witness("b", 100))
    assert number(*honest, witness("rogue", 1_000_100)) == 100


def test_a_rogue_a_million_blocks_ahead_moves_nothing_beside_one_honest_node() -> None:
    assert number(witness("a", 100), witness("rogue", 1_000_100)) == 100


def test_two_rogues_of_one_provider_do_not_outvote_two_honest_providers() -> None:
    rogues = (witness("r1", 1_000_100, provider="r"), witness("r2", 1_000_100, provider="r"))
    assert number(witness("a", 100), witness("b", 100), *rogues) == 100


def test_a_node_that_fell_behind_for_a_day_is_no_reason_to_doubt_the_others() -> None:
    day = 86_400
    truth = head(witness("a", 10_000), witness("b", 10_000 - day // 12, behind=day))
    assert truth is not None
    assert truth.head.number == 10_000


def test_alone_a_node_is_measured_by_the_wall_clock_and_the_block_time() -> None:
    alone = witness("a", 100, behind=60.0)
    truth = head(alone)
    assert truth is not None
    assert truth.head.number == 100
    assert truth.lag(alone, BLOCK_TIME) == (5.0, 60.0)


def test_alone_and_at_the_head_a_node_does_not_lag() -> None:
    alone = witness("a", 100, behind=11.0)
    truth = head(alone)
    assert truth is not None
    assert truth.lag(alone, BLOCK_TIME) == (0.0, 0.0)


def test_a_node_ahead_of_the_corroborated_head_does_not_lag() -> None:
    first = witness("a", 103)
    truth = head(first, witness("b", 102, behind=12), witness("c", 102, behind=12))
    assert truth is not None
    assert truth.lag(first, BLOCK_TIME) == (0.0, 0.0)


def test_a_head_from_the_future_is_no_witness_beside_one_of_the_present() -> None:
    assert number(witness("a", 100), witness("rogue", 1_000_100, behind=-12_000_000.0)) == 100


def test_a_block_stamped_a_little_ahead_is_believed() -> None:
    assert number(witness("a", 101, behind=-100.0), witness("b", 101, behind=-100.0), witness("c", 100)) == 101


def test_where_all_heads_are_from_the_future_it_is_the_clock_that_is_wrong() -> None:
    assert number(witness("a", 100, behind=-90_000.0), witness("b", 100, behind=-90_000.0)) == 100


def test_where_most_are_a_node_that_lags_is_not_taken_for_the_only_one_of_the_present() -> None:
    fine = (witness("a", 100, behind=-600.0), witness("b", 100, behind=-600.0))
    assert number(*fine, witness("late", 50)) == 100


def test_under_the_head_a_lone_witness_never_is() -> None:
    alone = witness("a", 100, behind=3_600.0)
    truth = head(alone)
    assert truth is not None
    assert truth.below(alone, BLOCK_TIME) == 0


def test_lag_is_in_blocks_and_in_seconds() -> None:
    slow = witness("c", 95, behind=96)
    truth = head(witness("a", 103), witness("b", 103), slow)
    assert truth is not None
    assert truth.lag(slow, BLOCK_TIME) == (8.0, 96.0)


def test_that_a_node_was_asked_earlier_is_not_held_against_it() -> None:
    earlier = witness("c", 98, behind=24 + 36, at=NOW - 36)
    truth = head(witness("a", 103), witness("b", 103), earlier)
    assert truth is not None
    assert truth.lag(earlier, BLOCK_TIME) == (2.0, 24.0)


@given(
    heads=st.lists(st.integers(0, 40), min_size=2, max_size=8),
    rogue=st.integers(10_000, 2**50),
    first=st.integers(1_000, 2**40),
)
def test_one_rogue_never_moves_the_head_above_the_honest_ones(heads: list[int], rogue: int, first: int) -> None:
    honest = [witness(f"n{i}", first + ahead, behind=(40 - ahead) * BLOCK_TIME) for i, ahead in enumerate(heads)]
    found = number(*honest, witness("rogue", first + rogue))
    assert found is not None
    assert found <= first + max(heads)


@given(
    heads=st.lists(st.integers(0, 40), min_size=1, max_size=8),
    rogue=st.integers(1, 2**40),
    early=st.integers(175, 2**40),
)
def test_nor_does_one_whose_block_is_from_as_far_in_the_future_as_its_height_needs(
    heads: list[int], rogue: int, early: int
) -> None:
    honest = [witness(f"n{i}", 1_000 + ahead, behind=(40 - ahead) * BLOCK_TIME) for i, ahead in enumerate(heads)]
    found = number(*honest, witness("rogue", 1_040 + rogue, behind=-early))
    assert found is not None
    assert found <= 1_000 + max(heads)


@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from("abcd")), min_size=1, max_size=10), st.randoms())
def test_the_truth_does_not_depend_on_the_order_of_the_witnesses(seen: list[tuple[int, str]], chance: object) -> None:
    witnesses = [witness(f"n{i}", 1_000 + n, provider=who, behind=(50 - n) * 12) for i, (n, who) in enumerate(seen)]
    shuffled = sorted(witnesses, key=lambda _: chance.random())  # type: ignore[attr-defined]
    assert number(*witnesses) == number(*shuffled)
