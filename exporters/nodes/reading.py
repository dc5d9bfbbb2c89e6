"""What a read of a node gives, whatever its chain family. None is: the node does not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Block:
    """A block's height, its own timestamp in Unix seconds, its hash, and that of the block before it."""

    number: int
    timestamp: float
    hash: str
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Pinned:
    """What a node says of the height at which all nodes of its chain are asked."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class Consensus:
    """What only a consensus node says of itself. `sync_distance` is in slots."""

    finalized_epoch: int | None = None
    sync_distance: int | None = None
    optimistic: bool | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at one node.

    `arrival_delay` is how many seconds after its own timestamp the newest head came, `transactions` the size of the pool
    by status.
    """

    latest: Block
    chain_id_matches: bool
    genesis_hash_matches: bool | None = None
    safe: Block | None = None
    finalized: Block | None = None
    syncing: bool | None = None
    peers: int | None = None
    base_fee_wei: int | None = None
    priority_fee_wei: int | None = None
    gas_used_ratio: float | None = None
    transactions: Mapping[str, int] = field(default_factory=dict)
    version: str | None = None
    pinned: Pinned | None = None
    arrival_delay: float | None = None
    consensus: Consensus | None = None
    request_seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """Whether the node is a witness of this chain's head at all."""
        return self.chain_id_matches and self.genesis_hash_matches is not False


@dataclass(frozen=True, slots=True)
class Survey:
    """What a node can do; asked rarely.

    `archive_depth` is how many blocks back from its head it still knows state, `logs_max_range` over how many blocks it
    gives logs in one answer; both as far as was tried.
    """

    capabilities: Mapping[str, bool]
    archive_depth: int | None = None
    logs_max_range: int | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """The newest head of a node that announces its heads, and whether the announcements are coming."""

    block: Block
    connected: bool
    arrival_delay: float | None = None
