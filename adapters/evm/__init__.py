"""Contracts of EVM chains, read at a pinned block: calls by the thousand, fail-over between nodes, logs."""

from __future__ import annotations

from .calls import EthCall
from .chain import Chain, Endpoint, View
from .node import Block, block_call, block_of

__all__ = ["Block", "Chain", "Endpoint", "EthCall", "View", "block_call", "block_of"]
