"""What a read of a node gives, whatever its chain family. None is: the node does not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Block:
    """A block's height, its own timestamp in Unix seconds, and its hash."""

    number: int
    timestamp: float
    hash: str


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at one node."""

    latest: Block
    chain_id_matches: bool
    genesis_hash_matches: bool | None = None
    syncing: bool | None = None
    peers: int | None = None
    base_fee_wei: int | None = None
    version: str | None = None
    request_seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """Whether the node is a witness of this chain's head at all."""
        return self.chain_id_matches and self.genesis_hash_matches is not False
