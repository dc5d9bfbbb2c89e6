"""The corroborated head, in plain words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.nodes.config import NodesConfig
from exporters.nodes.derived import Derivation, Truth, Witness, corroborated, plausible
from exporters.nodes.reading import Block, Reading
from exporters.nodes.source import targets
from occ.job import Aged, Target
from occ.page import Column

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


@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from("abcd")), min_size=1, max_size=10), st.randoms())
def test_the_truth_does_not_depend_on_the_order_of_the_witnesses(seen: list[tuple[int, str]], chance: object) -> None:
    witnesses = [witness(f"n{i}", 1_000 + n, provider=who, behind=(50 - n) * 12) for i, (n, who) in enumerate(seen)]
    shuffled = sorted(witnesses, key=lambda _: chance.random())  # type: ignore[attr-defined]
    assert number(*witnesses) == number(*shuffled)


# --- columns ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def chain() -> NodesConfig:
    nodes = [{"name": name, "url": "http://127.0.0.1:1"} for name in ("a", "b", "c")]
    raw = {"name": "ethereum", "family": "evm", "chain_id": 1, "block_time": "12s", "nodes": tuple(nodes)}
    context = type("Context", (), {"secrets": set(), "names": set()})
    return NodesConfig.model_validate({"chains": (raw,)}, context=context)


def shown(config: NodesConfig, *seen: Aged[Reading] | None) -> dict[str, list[float | None]]:
    """The derived columns by name, when the nodes a, b and c were seen so (None: not)."""
    nodes = targets(config.chains[0])
    board = {"evm": {target: aged for target, aged in zip(nodes, seen, strict=True) if aged}}
    columns: list[Column] = list(Derivation(config.chains)(board))
    return {column.family.name: list(column.values) for column in columns}


def seen(number: int, **more: bool) -> Aged[Reading]:
    up = more.pop("up", True)
    return Aged(Reading(Block(number, NOW, "0x"), **{"chain_id_matches": True, **more}), NOW, up)  # type: ignore[arg-type]


def test_all_nodes_there(chain: NodesConfig) -> None:
    assert shown(chain, seen(100), seen(100), seen(99)) == {
        "rpc_block_lag_blocks": [0.0, 0.0, 1.0],
        "rpc_block_lag_seconds": [0.0, 0.0, 0.0],
        "chain_head_block_number": [100],
        "chain_head_timestamp_seconds": [NOW],
        "chain_nodes_healthy": [3.0],
        "chain_nodes": [3.0],
    }


def test_with_all_nodes_down_the_head_is_unknown_and_none_is_healthy(chain: NodesConfig) -> None:
    found = shown(chain, None, None, None)
    assert found["chain_head_block_number"] == [None]
    assert found["rpc_block_lag_blocks"] == [None, None, None]
    assert found["chain_nodes_healthy"] == [0.0]
    assert found["chain_nodes"] == [3.0]


def test_a_node_of_another_chain_is_no_witness_and_has_no_lag(chain: NodesConfig) -> None:
    found = shown(chain, seen(100), seen(100), seen(5_000_000, chain_id_matches=False))
    assert found["chain_head_block_number"] == [100]
    assert found["rpc_block_lag_blocks"] == [0.0, 0.0, None]
    assert found["chain_nodes_healthy"] == [2.0]


def test_a_node_with_another_genesis_is_no_witness(chain: NodesConfig) -> None:
    assert shown(chain, seen(100), seen(100), seen(200, genesis_hash_matches=False))["rpc_block_lag_blocks"][2] is None


def test_an_implausible_node_is_not_healthy_and_its_lag_is_unknown(chain: NodesConfig) -> None:
    found = shown(chain, seen(100), seen(100), seen(1_000_100))
    assert found["rpc_block_lag_blocks"] == [0.0, 0.0, None]
    assert found["chain_nodes_healthy"] == [2.0]


@pytest.mark.parametrize("ill", [{"syncing": True}, {"up": False}])
def test_a_node_that_syncs_or_no_longer_answers_is_not_healthy(chain: NodesConfig, ill: dict[str, bool]) -> None:
    assert shown(chain, seen(100), seen(100), seen(100, **ill))["chain_nodes_healthy"] == [2.0]


def test_a_lagging_node_is_not_healthy(chain: NodesConfig) -> None:
    assert shown(chain, seen(100), seen(100), seen(96))["chain_nodes_healthy"] == [2.0]
