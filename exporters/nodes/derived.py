"""What only several nodes together can say: how far each is behind the corroborated head, and which are on another fork."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exporters.nodes.ballots import majority
from exporters.nodes.columns import CAPABILITY_EXPECTED
from exporters.nodes.config import Chain
from exporters.nodes.reading import Block, Reading
from exporters.nodes.source import targets
from exporters.nodes.truth import Truth, Witness, corroborated, plausible
from occ.job import Aged, Target
from occ.metrics import Family, Kind
from occ.page import Column
from occ.poller import Board

HEALTHY_BLOCKS = 3
HEALTHY_SECONDS = 5.0

_NODE = ("chain", "node")

LAG_BLOCKS = Family(
    "rpc_block_lag_blocks", Kind.GAUGE, "Blocks by which the node is behind the corroborated head; 0 when ahead.", _NODE
)
LAG_SECONDS = Family(
    "rpc_block_lag_seconds",
    Kind.GAUGE,
    "Time between the corroborated head's timestamp and that of the node's head; 0 when ahead.",
    _NODE,
    unit="seconds",
)
HASH_MISMATCH = Family(
    "rpc_block_hash_mismatch",
    Kind.GAUGE,
    "1 if at the pinned height the node has another block than a strict majority of providers, else 0; 0 in a tie.",
    _NODE,
)
FORK_GROUPS = Family(
    "chain_fork_groups",
    Kind.GAUGE,
    "How many different blocks the chain's nodes have at the pinned height; 1 when they agree.",
    ("chain",),
)
HEAD_NUMBER = Family("chain_head_block_number", Kind.GAUGE, "Height of the corroborated head.", ("chain",))
HEAD_TIMESTAMP = Family(
    "chain_head_timestamp_seconds",
    Kind.GAUGE,
    "Timestamp of the corroborated head's block, Unix time.",
    ("chain",),
    unit="seconds",
)
NODES_HEALTHY = Family(
    "chain_nodes_healthy",
    Kind.GAUGE,
    f"Nodes that answer, are of this chain and its majority's fork, do not sync and are at most {HEALTHY_BLOCKS} blocks or "
    f"{HEALTHY_SECONDS:g} s behind.",
    ("chain",),
)
NODES = Family("chain_nodes", Kind.GAUGE, "Configured nodes of the chain.", ("chain",))

DERIVED_FAMILIES = (
    LAG_BLOCKS,
    LAG_SECONDS,
    HASH_MISMATCH,
    FORK_GROUPS,
    HEAD_NUMBER,
    HEAD_TIMESTAMP,
    NODES_HEALTHY,
    NODES,
    CAPABILITY_EXPECTED,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the nodes of a chain say together.

    `lags` are blocks and seconds behind, of nodes whose head is plausible; `mismatches` tells of nodes that have a block at
    the pinned height whether it is another than the majority's; `forks` how many blocks there are, None where nobody has
    one; `pin` the height to ask for next.
    """

    truth: Truth | None
    lags: Mapping[Target, tuple[float, float]]
    mismatches: Mapping[Target, bool]
    forks: int | None
    healthy: int
    pin: int | None


def judged(chain: Chain, seen: Mapping[Target, Aged[Reading]]) -> Verdict:
    """The verdict on a chain by the fresh readings of its nodes. Nodes of another chain have no part in it."""
    counting = {target: aged for target, aged in seen.items() if aged.reading.counts}
    witnesses = plausible(
        [Witness(target, target.facts["provider"], aged.reading.latest, aged.at) for target, aged in counting.items()],
        chain.block_time,
    )
    truth = corroborated(witnesses, chain.block_time)
    if truth is None:
        return Verdict(None, {}, {}, None, 0, None)
    lags = {witness.target: truth.lag(witness, chain.block_time) for witness in witnesses}
    near = [each.target for each in witnesses if counting[each.target].up and _near(chain, truth, each)]
    mismatches, forks = _forks({target: counting[target].reading for target in lags}, counting)
    fit = [target for target in near if not counting[target].reading.syncing and not mismatches.get(target)]
    pin = min((counting[target].reading.latest.number for target in near), default=None)
    return Verdict(truth, lags, mismatches, forks, len(fit), pin)


def _near(chain: Chain, truth: Truth, witness: Witness) -> bool:
    return truth.below(witness, chain.block_time) <= max(HEALTHY_BLOCKS, math.ceil(HEALTHY_SECONDS / chain.block_time))


def _forks(
    choosing: Mapping[Target, Reading], all_of_them: Mapping[Target, Aged[Reading]]
) -> tuple[Mapping[Target, bool], int | None]:
    """Who has another block than the majority, and how many blocks there are, at the height that most providers tell of.

    Only whose head is plausible chooses the height; whoever has a block there votes and is judged. Where one provider
    alone tells of that height, and others of another, nothing is compared.
    """
    told: dict[int, set[str]] = {}
    for target, reading in choosing.items():
        if reading.pinned is not None:
            told.setdefault(reading.pinned.number, set()).add(target.facts["provider"])
    if not told:
        return {}, None
    height = max(told, key=lambda number: (len(told[number]), number))
    if len(told[height]) == 1 < len(set().union(*told.values())):
        return {}, None
    hashes = {
        target: aged.reading.pinned.hash
        for target, aged in all_of_them.items()
        if aged.reading.pinned is not None and aged.reading.pinned.number == height
    }
    right = majority(hashes)
    mismatches = {target: right is not None and found != right for target, found in hashes.items()}
    return mismatches, len(set(hashes.values()))


class Derivation:
    """Derives the truth about every configured chain from a board of readings."""

    def __init__(self, chains: Iterable[Chain]) -> None:
        self._chains = [(chain, targets(chain)) for chain in chains]
        self._nodes = tuple(target.labels for _, nodes in self._chains for target in nodes)
        self._names = tuple({"chain": chain.name} for chain, _ in self._chains)
        self._expected = tuple(
            {**target.labels, "capability": capability}
            for chain, nodes in self._chains
            for target, node in zip(nodes, chain.nodes, strict=True)
            for capability in node.expect
        )
        self._last: list[Verdict] = []

    def __call__(self, board: Board) -> Iterable[Column]:
        verdicts = self._last = [self._verdict(board, chain, nodes) for chain, nodes in self._chains]
        nodes = [(verdict, target) for verdict, (_, of) in zip(verdicts, self._chains, strict=True) for target in of]
        heads: list[Block | None] = [verdict.truth.head if verdict.truth else None for verdict in verdicts]
        lags = [verdict.lags.get(target, (None, None)) for verdict, target in nodes]
        yield Column(LAG_BLOCKS, self._nodes, [blocks for blocks, _ in lags])
        yield Column(LAG_SECONDS, self._nodes, [seconds for _, seconds in lags])
        yield Column(HASH_MISMATCH, self._nodes, [verdict.mismatches.get(target) for verdict, target in nodes])
        yield Column(FORK_GROUPS, self._names, [verdict.forks for verdict in verdicts])
        yield Column(HEAD_NUMBER, self._names, [None if head is None else head.number for head in heads])
        yield Column(HEAD_TIMESTAMP, self._names, [None if head is None else head.timestamp for head in heads])
        yield Column(NODES_HEALTHY, self._names, [float(verdict.healthy) for verdict in verdicts])
        yield Column(NODES, self._names, [float(len(of)) for _, of in self._chains])
        yield Column(CAPABILITY_EXPECTED, self._expected, [1.0] * len(self._expected))

    def pins(self, _board: Board) -> Mapping[str, int]:
        """The height at which the nodes of each chain are to be asked for the same, by the board that was derived last."""
        found = zip(self._names, self._last, strict=False)
        return {name["chain"]: verdict.pin for name, verdict in found if verdict.pin is not None}

    @staticmethod
    def _verdict(board: Board, chain: Chain, nodes: tuple[Target, ...]) -> Verdict:
        seen = board.get(chain.family, {})
        return judged(chain, {target: seen[target] for target in nodes if target in seen})
