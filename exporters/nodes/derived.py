"""What only several nodes together can say: the corroborated head of a chain, and how far each node is behind it.

The corroborated head is the highest one that two providers have reached. A head that is higher than the chain could have
grown, by the timestamps of the blocks themselves, is not plausible beside the others and does not count; nor do nodes of
another chain. With two providers it is the higher plausible head. With one there is no second witness: then the wall
clock and the usual block time say where the head should be.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from exporters.nodes.config import Chain
from exporters.nodes.reading import Block, Reading
from exporters.nodes.source import targets
from occ.job import Aged, Target
from occ.metrics import Family, Kind
from occ.page import Column
from occ.poller import Board

GROWTH = 3.0
"""How many times faster than `block_time` a chain may grow and still be believed."""

GRACE_SECONDS = 30.0
"""Growth that timestamps need not explain: nodes are not asked at the same instant, and blocks come in bursts."""

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
    f"Nodes that answer, are of this chain, do not sync and are at most {HEALTHY_BLOCKS} blocks or {HEALTHY_SECONDS:g} s behind.",
    ("chain",),
)
NODES = Family("chain_nodes", Kind.GAUGE, "Configured nodes of the chain.", ("chain",))

DERIVED_FAMILIES = (LAG_BLOCKS, LAG_SECONDS, HEAD_NUMBER, HEAD_TIMESTAMP, NODES_HEALTHY, NODES)


@dataclass(frozen=True, slots=True)
class Witness:
    """A node's head, who vouches for it, and when it was seen (Unix time)."""

    target: Target
    provider: str
    head: Block
    at: float


@dataclass(frozen=True, slots=True)
class Truth:
    """The corroborated head as seen at `at`. `expected` is where a head should be by then: later only for a lone witness."""

    head: Block
    at: float
    expected_number: int
    expected_timestamp: float

    def lag(self, witness: Witness, block_time: float) -> tuple[float, float]:
        """Blocks and seconds by which a node is behind; how much earlier it was asked is not held against it."""
        earlier = max(self.at - witness.at, 0.0)
        blocks = self.expected_number - witness.head.number - math.floor(earlier / block_time)
        return float(max(blocks, 0)), max(self.expected_timestamp - witness.head.timestamp - earlier, 0.0)


def corroborated(witnesses: Sequence[Witness], block_time: float) -> Truth | None:
    """The truth about a chain's head by plausible witnesses; None without any."""
    best: dict[str, Witness] = {}
    for witness in witnesses:
        if witness.provider not in best or witness.head.number > best[witness.provider].head.number:
            best[witness.provider] = witness
    ranked = sorted(best.values(), key=lambda witness: witness.head.number, reverse=True)
    match ranked:
        case []:
            return None
        case [alone]:
            return _by_the_clock(alone, block_time)
        case [first, _]:
            return Truth(first.head, first.at, first.head.number, first.head.timestamp)
        case [_, second, *_]:
            return Truth(second.head, second.at, second.head.number, second.head.timestamp)
    raise AssertionError


def plausible(witnesses: Sequence[Witness], block_time: float) -> list[Witness]:
    """The witnesses whose heads fit together, by most providers; where two groups are as strong, that of the lower head."""
    providers: dict[Head, set[str]] = {}
    for witness in witnesses:
        providers.setdefault((witness.head.number, witness.head.timestamp), set()).add(witness.provider)

    def company(head: Head) -> list[Head]:
        return [other for other in providers if _fit(head, other, block_time)]

    def strength(head: Head) -> tuple[int, int]:
        return len(set().union(*(providers[other] for other in company(head)))), -head[0]

    if not providers:
        return []
    kept = set(company(max(providers, key=strength)))
    return [witness for witness in witnesses if (witness.head.number, witness.head.timestamp) in kept]


Head = tuple[int, float]
"""Height and timestamp. Of a hundred nodes most have the same, so that comparing all with all is cheap."""


def _fit(one: Head, other: Head, block_time: float) -> bool:
    """Whether one chain could have grown from the lower of two heads to the higher in the time between their blocks."""
    low, high = min(one, other), max(one, other)
    explained = max(high[1] - low[1], 0.0) + GRACE_SECONDS
    return high[0] - low[0] <= GROWTH * explained / block_time + HEALTHY_BLOCKS


def _by_the_clock(alone: Witness, block_time: float) -> Truth:
    missing = math.floor(max(alone.at - alone.head.timestamp, 0.0) / block_time)
    return Truth(alone.head, alone.at, alone.head.number + missing, alone.head.timestamp + missing * block_time)


class Derivation:
    """Derives the truth about every configured chain from a board of readings."""

    def __init__(self, chains: Iterable[Chain]) -> None:
        self._chains = [(chain, targets(chain)) for chain in chains]
        self._nodes = tuple(target.labels for _, nodes in self._chains for target in nodes)
        self._names = tuple({"chain": chain.name} for chain, _ in self._chains)

    def __call__(self, board: Board) -> Iterable[Column]:
        lags: list[tuple[float | None, float | None]] = []
        heads: list[Block | None] = []
        healthy: list[float | None] = []
        for chain, nodes in self._chains:
            seen = board.get(chain.family, {})
            truth, found = _judged(chain, {target: seen[target] for target in nodes if target in seen})
            lags += [found.get(target, (None, None)) for target in nodes]
            heads.append(truth.head if truth else None)
            healthy.append(float(sum(_healthy(chain, seen[target], lag) for target, lag in found.items())))
        yield Column(LAG_BLOCKS, self._nodes, [blocks for blocks, _ in lags])
        yield Column(LAG_SECONDS, self._nodes, [seconds for _, seconds in lags])
        yield Column(HEAD_NUMBER, self._names, [None if head is None else head.number for head in heads])
        yield Column(HEAD_TIMESTAMP, self._names, [None if head is None else head.timestamp for head in heads])
        yield Column(NODES_HEALTHY, self._names, healthy)
        yield Column(NODES, self._names, [float(len(nodes)) for _, nodes in self._chains])


Lag = tuple[float, float]


def _judged(chain: Chain, seen: dict[Target, Aged[Reading]]) -> tuple[Truth | None, dict[Target, Lag]]:
    """A chain's head, and the lag of every node whose head is of this chain and plausible."""
    counting = {target: aged for target, aged in seen.items() if aged.reading.counts}
    witnesses = plausible(
        [Witness(target, target.facts["provider"], aged.reading.latest, aged.at) for target, aged in counting.items()],
        chain.block_time,
    )
    truth = corroborated(witnesses, chain.block_time)
    if truth is None:
        return None, {}
    return truth, {witness.target: truth.lag(witness, chain.block_time) for witness in witnesses}


def _healthy(chain: Chain, aged: Aged[Reading], lag: Lag) -> bool:
    near = lag[0] <= max(HEALTHY_BLOCKS, math.ceil(HEALTHY_SECONDS / chain.block_time))
    return aged.up and near and not aged.reading.syncing
