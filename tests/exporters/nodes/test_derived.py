"""What the nodes of a chain say together, in plain words."""

from __future__ import annotations

import pytest

from exporters.nodes.config import NodesConfig
from exporters.nodes.derived import Derivation
from exporters.nodes.reading import Block, Pinned, Reading
from exporters.nodes.source import targets
from occ.job import Aged
from occ.page import Column

NOW = 1_800_000_000.0


def desk(*names: str, **providers: str) -> NodesConfig:
    """A chain with these nodes; each is its own provider but for those that are given one."""
    nodes = tuple({"name": n, "provider": providers.get(n, n), "url": "http://127.0.0.1:1"} for n in names)
    raw = {"name": "ethereum", "family": "evm", "chain_id": 1, "block_time": "12s", "nodes": nodes}
    context = type("Context", (), {"secrets": set(), "names": set()})
    return NodesConfig.model_validate({"chains": (raw,)}, context=context)


@pytest.fixture
def chain() -> NodesConfig:
    return desk("a", "b", "c")


def derived(config: NodesConfig, *seen: Aged[Reading] | None) -> tuple[dict[str, list[float | None]], int | None]:
    """The derived columns by name, and the pin, when the nodes were seen so in their order (None: not)."""
    nodes = targets(config.chains[0])
    board = {"evm": {target: aged for target, aged in zip(nodes, seen, strict=True) if aged}}
    derivation = Derivation(config.chains)
    columns: list[Column] = list(derivation(board))
    return {column.family.name: list(column.values) for column in columns}, derivation.pins(board).get("ethereum")


def shown(config: NodesConfig, *seen: Aged[Reading] | None) -> dict[str, list[float | None]]:
    return derived(config, *seen)[0]


def seen(number: int, *, up: bool = True, fork: str = "", pin: int = 98, **more: bool) -> Aged[Reading]:
    """A node at this height; `fork` names the block that it has at the pinned height."""
    pinned = Pinned(pin, fork) if fork else None
    block = Block(number, NOW - max(100 - number, 0) * 12.0, "0x")
    return Aged(Reading(block, **{"chain_id_matches": True, "pinned": pinned, **more}), NOW, up)  # type: ignore[arg-type]


def test_all_nodes_there(chain: NodesConfig) -> None:
    assert shown(chain, seen(100), seen(100), seen(99)) == {
        "rpc_block_lag_blocks": [0.0, 0.0, 1.0],
        "rpc_block_lag_seconds": [0.0, 0.0, 12.0],
        "rpc_block_hash_mismatch": [None, None, None],
        "chain_fork_groups": [None],
        "rpc_capability_expected": [],
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


@pytest.mark.parametrize("ill", [seen(100, syncing=True), seen(100, up=False)])
def test_a_node_that_syncs_or_no_longer_answers_is_not_healthy(chain: NodesConfig, ill: Aged[Reading]) -> None:
    assert shown(chain, seen(100), seen(100), ill)["chain_nodes_healthy"] == [2.0]


def test_a_lagging_node_is_not_healthy(chain: NodesConfig) -> None:
    assert shown(chain, seen(100), seen(100), seen(96))["chain_nodes_healthy"] == [2.0]


def test_a_lone_node_whose_chain_has_stopped_lags_and_is_healthy_all_the_same() -> None:
    found, pin = derived(desk("a"), seen(70))
    assert found["rpc_block_lag_blocks"] == [30.0]
    assert found["rpc_block_lag_seconds"] == [360.0]
    assert found["chain_nodes_healthy"] == [1.0]
    assert pin == 70


def test_of_one_provider_the_node_that_is_behind_the_other_is_not_healthy() -> None:
    config = desk("one", "two", one="p", two="p")
    assert shown(config, seen(70), seen(60))["chain_nodes_healthy"] == [1.0]


# --- forks -----------------------------------------------------------------------------------------------------------


def mismatches(config: NodesConfig, *seen: Aged[Reading] | None) -> tuple[list[float | None], float | None]:
    found = shown(config, *seen)
    return found["rpc_block_hash_mismatch"], found["chain_fork_groups"][0]


def test_nodes_that_have_the_same_block_are_one_group(chain: NodesConfig) -> None:
    assert mismatches(chain, seen(100, fork="x"), seen(100, fork="x"), seen(99, fork="x")) == ([0, 0, 0], 1)


def test_one_against_two_providers_is_on_another_fork_and_not_healthy(chain: NodesConfig) -> None:
    nodes = seen(100, fork="x"), seen(100, fork="x"), seen(100, fork="y")
    assert mismatches(chain, *nodes) == ([0, 0, 1], 2)
    assert shown(chain, *nodes)["chain_nodes_healthy"] == [2.0]


def test_a_tie_is_two_groups_and_nobody_s_mismatch() -> None:
    assert mismatches(desk("a", "b"), seen(100, fork="x"), seen(100, fork="y")) == ([0, 0], 2)


def test_three_against_three_is_a_tie_as_well() -> None:
    nodes = [seen(100, fork=fork) for fork in "xyxyxy"]
    assert mismatches(desk(*"abcdef"), *nodes) == ([0] * 6, 2)


def test_three_different_blocks_are_three_groups_and_no_majority(chain: NodesConfig) -> None:
    assert mismatches(chain, seen(100, fork="x"), seen(100, fork="y"), seen(100, fork="z")) == ([0, 0, 0], 3)


def test_two_nodes_of_one_provider_do_not_outvote_another() -> None:
    config = desk("a1", "a2", "b", a1="a", a2="a")
    assert mismatches(config, seen(100, fork="x"), seen(100, fork="x"), seen(100, fork="y")) == ([0, 0, 0], 2)


def test_a_provider_whose_own_nodes_differ_has_no_vote_and_its_odd_node_is_told() -> None:
    config = desk("a1", "a2", "b", "c", a1="a", a2="a")
    nodes = seen(100, fork="x"), seen(100, fork="y"), seen(100, fork="x"), seen(100, fork="x")
    assert mismatches(config, *nodes) == ([0, 1, 0, 0], 2)


def test_with_one_provider_there_is_nothing_to_differ_from() -> None:
    assert mismatches(desk("a"), seen(100, fork="x")) == ([0], 1)


def test_who_was_asked_at_another_height_is_not_compared(chain: NodesConfig) -> None:
    nodes = seen(100, fork="x"), seen(100, fork="x"), seen(100, fork="w", pin=97)
    assert mismatches(chain, *nodes) == ([0, 0, None], 1)


def test_a_node_of_another_chain_makes_no_fork(chain: NodesConfig) -> None:
    nodes = seen(100, fork="x"), seen(100, fork="x"), seen(100, fork="y", chain_id_matches=False)
    assert mismatches(chain, *nodes) == ([0, 0, None], 1)


def test_a_rogue_a_million_blocks_ahead_is_told_when_its_block_differs(chain: NodesConfig) -> None:
    nodes = seen(100, fork="x"), seen(100, fork="x"), seen(1_000_100, fork="y")
    assert mismatches(chain, *nodes) == ([0, 0, 1], 2)


def test_whoever_has_a_block_there_has_a_vote_so_that_a_low_liar_does_not_judge_alone() -> None:
    config = desk("honest", "liar")
    assert mismatches(config, seen(1_000_100, fork="x"), seen(100, fork="y")) == ([0, 0], 2)


def test_where_one_provider_alone_tells_of_a_height_and_others_of_others_nothing_is_compared() -> None:
    assert mismatches(desk("a", "b"), seen(100, fork="x"), seen(100, fork="w", pin=97)) == ([None, None], None)


def test_one_odd_node_of_a_provider_does_not_silence_it() -> None:
    config = desk("own1", "own2", "own3", "b", own1="own", own2="own", own3="own")
    nodes = seen(100, fork="x"), seen(100, fork="x"), seen(100, fork="y"), seen(100, fork="x")
    assert mismatches(config, *nodes) == ([0, 0, 1, 0], 2)


def test_with_all_nodes_down_there_are_no_groups_and_with_all_back_there_are(chain: NodesConfig) -> None:
    assert mismatches(chain, None, None, None) == ([None, None, None], None)
    assert mismatches(chain, seen(100, fork="x"), seen(100, fork="x"), seen(100, fork="x")) == ([0, 0, 0], 1)


# --- the pin ---------------------------------------------------------------------------------------------------------


def test_the_pin_is_the_lowest_head_of_those_that_are_near(chain: NodesConfig) -> None:
    assert derived(chain, seen(100), seen(99), seen(98))[1] == 98


def test_a_node_that_lags_does_not_hold_the_pin_back(chain: NodesConfig) -> None:
    assert derived(chain, seen(100), seen(100), seen(50))[1] == 100


def test_a_node_that_no_longer_answers_does_not_hold_the_pin_back(chain: NodesConfig) -> None:
    assert derived(chain, seen(100), seen(100), seen(98, up=False))[1] == 100


def test_a_rogue_does_not_move_the_pin(chain: NodesConfig) -> None:
    assert derived(chain, seen(100), seen(100), seen(1_000_100))[1] == 100


def test_without_nodes_there_is_no_pin(chain: NodesConfig) -> None:
    assert derived(chain, None, None, None)[1] is None


def test_what_the_configuration_expects_is_told_whoever_answers() -> None:
    config = desk("a", "b")
    wanting = config.chains[0].nodes[0].model_copy(update={"expect": ("archive", "trace")})
    chains = (config.chains[0].model_copy(update={"nodes": (wanting, config.chains[0].nodes[1])}),)
    (expected,) = [column for column in Derivation(chains)({}) if column.family.name == "rpc_capability_expected"]
    assert [(row["node"], row["capability"]) for row in expected.rows] == [("a", "archive"), ("a", "trace")]
    assert expected.values == [1.0, 1.0]
