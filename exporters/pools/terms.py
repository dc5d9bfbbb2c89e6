"""What a reader is told of what it reads, and the token facts that many readers need."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from adapters.evm import EthCall
from adapters.evm.abi import text, word
from exporters.pools.config import Feed, Pool, Position
from exporters.pools.steps import Reply, Steps, optional
from occ.errors import Reason, SourceError

log = logging.getLogger(__name__)

DECIMALS = bytes.fromhex("313ce567")
SYMBOL = bytes.fromhex("95d89b41")


class Token:
    """A token of the configuration; the chain is asked whether its decimals are those."""

    def __init__(self, name: str, address: str, decimals: int) -> None:
        self.name = name
        self.address = address
        self.decimals = decimals
        self._calls = EthCall(address, DECIMALS), EthCall(address, SYMBOL)

    def steps(self) -> Steps[None]:
        """Checks it. Raises bad_response for another number of decimals."""
        decimals, symbol = yield self._calls
        self._check(optional(f"decimals of token {self.name}", decimals))
        _compare(self.name, symbol)

    def _check(self, data: bytes | None) -> None:
        if data is None:
            log.warning("token %s tells no decimals: %d are taken, as configured", self.name, self.decimals)
        elif not data:
            raise SourceError(Reason.BAD_RESPONSE, f"token {self.name}: no contract is at {self.address}")
        elif word(data, 0) != self.decimals:
            raise SourceError(
                Reason.BAD_RESPONSE,
                f"token {self.name}: {min(word(data, 0), 2**64)} decimals on chain, {self.decimals} configured",
            )


def _compare(name: str, reply: Reply) -> None:
    """Some tokens tell a bytes32, or nothing; that the symbol is another one is worth a word, and no more."""
    try:
        symbol = None if isinstance(reply, SourceError) else text("symbol", reply)
    except SourceError:
        symbol = None
    if symbol is not None and symbol != name:
        log.info("token %s calls itself %r", name, symbol)


@dataclass(frozen=True, slots=True)
class PoolTerms:
    """A pool as configured, and its two tokens."""

    pool: Pool
    base: Token
    quote: Token

    def base_of(self, first: str, second: str) -> int:
        """The number of the base among the pool's tokens. Raises bad_response when they are not the configured ones."""
        found = (first, second)
        if found == (self.base.address, self.quote.address):
            return 0
        if found == (self.quote.address, self.base.address):
            return 1
        raise SourceError(
            Reason.BAD_RESPONSE,
            f"the pool's tokens are {first} and {second}, not {self.base.name} and {self.quote.name} as configured",
        )


@dataclass(frozen=True, slots=True)
class FeedTerms:
    """A feed as configured."""

    feed: Feed


@dataclass(frozen=True, slots=True)
class PositionTerms:
    """A position as configured, and the chain's tokens by address."""

    position: Position
    tokens: Mapping[str, Token]
