"""A chain as the far side: the only place from which its nodes are asked, and what is remembered from block to block."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import aiohttp

from adapters.evm import Block, Endpoint, View
from adapters.evm import Chain as Nodes
from exporters.pools.config import Chain, Pool, readers
from exporters.pools.logs import Logs, Watched
from exporters.pools.prices import Prices, price_of, stale, usable
from exporters.pools.reading import FeedReading, FeedState, PoolReading, PoolState, PositionState, Reading, Sight
from exporters.pools.steps import Steps, Together
from exporters.pools.targets import Targets
from exporters.pools.terms import FeedTerms, PoolTerms, PositionTerms, Token
from exporters.pools.valuing import Costs, Worth, costs, pool_reading, position_reading, worth
from occ.errors import SourceError
from occ.job import Heads, Target
from occ.jsonrpc import Client

REACHES = 12
"""How often at a block more ticks are read, for pools through which the sizes go far."""


class Source:
    """Reads all that the configuration names of one chain, at one block."""

    def __init__(self, chain: Chain, targets: Targets, session: aiohttp.ClientSession, within: float) -> None:
        """`within` seconds are for the nodes at each question."""
        self._chain = chain
        self._targets = targets
        self._within = within
        self.heads, self.read_heads = Heads(), Heads()
        endpoints = [Endpoint(rpc.name, Client(session, rpc.url, reads_only=True)) for rpc in chain.rpc]
        self.nodes = Nodes(endpoints, chain.multicall)
        self._head = ""
        named = {name: Token(name, token.address, token.decimals) for name, token in chain.tokens.items()}
        self._tokens = {token.address: token for token in named.values()}
        # By the ids of their targets: these are looked up thousands of times at each block.
        self._pools = {
            target.id: PoolTerms(pool, named[pool.base], named[pool.quote]) for target, pool in targets.pools.items()
        }
        self._feeds = {target.id: feed for target, feed in targets.feeds.items()}
        self._positions = {target.id: PositionTerms(each, self._tokens) for target, each in targets.positions.items()}
        self._readers: dict[str, Any] = dict(self._made())
        self._remembering = {
            terms.pool.address: name for name, terms in self._pools.items() if hasattr(self._readers[name], "TOPICS")
        }
        self.logs = Logs(self.nodes, self._watched(), chain.confirmations, within)
        self._since: Block | None = None
        self._usd: dict[str, float] = {}
        self._costs: dict[str, Costs] = {}
        self.tried = asyncio.Event()
        self._reading = asyncio.Lock()
        self._together = Together[str, Any]()
        # Tokens stand among them until they are found to be right.
        self._steps = {address: token.steps for address, token in self._tokens.items()}
        self._steps |= {name: reader.steps for name, reader in self._readers.items()}
        self._all = {target: target.id for target in targets.all}
        self._sources = set(_sources(chain))
        self._asked_for_prices = [
            name for name, terms in self._pools.items() if ("pool", terms.pool.name) in self._sources
        ]
        self._leans = {name: frozenset(_leans(chain, terms.pool)) for name, terms in self._pools.items()}
        self._valued: dict[str, PoolReading] = {}
        self._told: dict[tuple[str, str], float | None] = {}

    def _made(self) -> Iterator[tuple[str, Any]]:
        for name, terms in self._pools.items():
            yield name, readers("pools")[terms.pool.kind].PoolReader(terms)
        for name, feed in self._feeds.items():
            yield name, readers("feeds")[feed.kind].FeedReader(FeedTerms(feed))
        for name, held in self._positions.items():
            yield name, readers("positions")[held.position.kind].PositionReader(held)

    async def look(self) -> None:
        """Looks for a new head, and announces it. Raises SourceError when no node tells one."""
        view = await self.nodes.head(self._within)
        if view.block.hash != self._head:
            self._head = view.block.hash
            self.heads.announce()

    async def read(self) -> Mapping[Target, Reading | SourceError]:
        """Everything, at the newest block, which then is one of `read_heads`. Raises SourceError for what befell all of it.

        One reads after the other, as a probe after the poller: what is remembered is of the block that was read last.
        """
        try:
            async with self._reading:
                return await self.nodes.read(self._at, self._within)
        finally:
            self.tried.set()
            self.read_heads.announce()

    def usd(self, token: str) -> float | None:
        """The last price that was known of a token, in dollars; None before there was one."""
        return self._usd.get(token)

    def _watched(self) -> Iterator[Watched]:
        kinds = readers("pools")
        for target, pool in self._targets.pools.items():
            base = functools.partial(getattr, self._readers[target.id], "base")
            yield Watched(target.labels, self._pools[target.id], kinds[pool.kind], base)

    # --- one block ---------------------------------------------------------------------------------------------------

    async def _at(self, view: View) -> Mapping[Target, Reading | SourceError]:
        try:
            found = await self._states(view)
            prices = self._prices(found, view.block.timestamp)
            self._value_rest(found, prices, view.block.timestamp)
            await self._value_pools(view, found, prices)
        except BaseException:
            self._forget()  # what was read at a block that may be gone
            raise
        self._since = view.block
        self._usd |= {token: price for token in self._chain.prices if (price := prices.usd(token)) is not None}
        sight = Sight(view.block.number, view.block.timestamp, view.source)
        made = map(found.__getitem__, self._all.values())
        return {
            target: each if isinstance(each, SourceError) else (sight, each)
            for target, each in zip(self._all, made, strict=True)
        }

    async def _states(self, view: View) -> dict[str, Any]:
        """The state of everything by the id of its target, or the SourceError: of itself, or of a token of it."""

        def told(answers: list[Any | SourceError]) -> None:
            self.logs.keep(view, answers)
            self._changed(view.block)

        await self._catch_up(view.block)
        found = await self._together.take(view, self._steps, self.logs.question(view.block), told)
        wrong = self._wrong_tokens(found)
        for name, terms in self._pools.items() if wrong else ():
            found[name] = wrong.get(terms.base.address) or wrong.get(terms.quote.address) or found[name]
        for name in self._positions if wrong else ():
            if isinstance(state := found[name], PositionState):
                found[name] = wrong.get(state.tokens[0]) or wrong.get(state.tokens[1]) or state
        return found

    def _wrong_tokens(self, found: dict[str, Any]) -> dict[str, SourceError]:
        """What is wrong with tokens, taken out of what was found; those that are right are not asked again."""
        told = {address: found.pop(address) for address in self._tokens if address in self._steps}
        for address, error in told.items():
            if error is None:
                del self._steps[address]
        return {address: error for address, error in told.items() if error is not None}

    def _prices(self, found: Mapping[str, Any], now: int) -> Prices:
        feeds = {
            feed.name: found[name].price
            for name, feed in self._feeds.items()
            if isinstance(found[name], FeedState) and usable(feed, found[name], now)
        }
        pools = {}
        for name in self._asked_for_prices:
            terms = self._pools[name]
            # Without liquidity in range anybody may move the price for nothing.
            if isinstance(state := found[name], PoolState) and state.liquidity != 0:
                price = price_of(state, (terms.base.decimals, terms.quote.decimals))
                if price is not None:
                    pools[terms.pool.name] = price
        return Prices(self._chain, feeds, pools)

    # --- what is made of it ------------------------------------------------------------------------------------------

    def _value_rest(self, found: dict[str, Any], prices: Prices, now: int) -> None:
        """Puts what is made of feeds and positions in the place of their states."""
        for name, feed in self._feeds.items():
            if isinstance(state := found[name], FeedState):
                compared = prices.compared(feed, state.price)
                found[name] = FeedReading(state, feed.heartbeat, stale(feed, state, now), compared)
        for name, held in self._positions.items():
            if isinstance(state := found[name], PositionState):
                found[name] = position_reading(held, state, prices)

    async def _value_pools(self, view: View, found: dict[str, Any], prices: Prices) -> None:
        """The same of pools, of those alone that have changed themselves, or whose prices have."""
        moved = self._moved(prices)
        for name in self._together.gone_through:
            self._valued.pop(name, None)
        for name, leans in self._leans.items() if moved else ():
            if not moved.isdisjoint(leans):
                self._valued.pop(name, None)
        unvalued = [name for name in self._pools if name not in self._valued]
        changed = {name: state for name in unvalued if isinstance(state := found[name], PoolState)}
        tokens = {name: worth(self._pools[name], prices) for name in changed}
        failed = await self._costed(view, changed, tokens)
        for name, state in changed.items():
            if name not in failed:
                self._valued[name] = pool_reading(self._pools[name], state, tokens[name], self._costs[name], prices)
        found |= failed
        found |= self._valued

    def _moved(self, prices: Prices) -> set[tuple[str, str]]:
        """The prices of tokens and of references that are not what they were."""
        now = {("usd", name): prices.usd(name) for name in (*self._chain.tokens, *self._chain.prices)}
        now |= {source: prices.told(source) for source in self._sources}
        before, self._told = self._told, now
        return {each for each, price in now.items() if before.get(each) != price}

    async def _costed(
        self, view: View, pools: Mapping[str, PoolState], tokens: Mapping[str, Worth]
    ) -> Mapping[str, SourceError]:
        """Works out what trading costs, where that has changed; where curves are not known far enough for the sizes, more of
        them is read as far as that goes. Returns what failed in that.
        """
        failed: dict[str, SourceError] = {}
        pools = {
            name: state
            for name, state in pools.items()
            if (known := self._costs.get(name)) is None or not known.holds(state, tokens[name])
        }
        for _ in range(REACHES):
            beyond: dict[str, Callable[[], Steps[bool]]] = {}
            for name, state in pools.items():
                missing: set[int] = set()
                self._costs[name] = costs(self._pools[name], state, tokens[name], missing)
                if missing:
                    beyond[name] = functools.partial(self._readers[name].reach, missing)
            told = await Together[str, bool]().take(view, beyond)
            failed |= {name: error for name, error in told.items() if isinstance(error, SourceError)}
            pools = {name: pools[name] for name, more in told.items() if more is True}
            if not pools:
                break
        for name in failed:
            del self._costs[name]
        return failed

    # --- ticks -------------------------------------------------------------------------------------------------------

    async def _catch_up(self, block: Block) -> None:
        """Where blocks came between this one and the last that was read, their logs become known too, if they can be had."""
        if self._since is not None and self._since.hash not in {block.hash, block.parent}:
            with contextlib.suppress(SourceError):
                await self.logs.follow(block)

    def _changed(self, block: Block) -> None:
        """Tells readers what has happened to the ticks that they remember; where that is not known they forget them all."""
        if self._since is None or self._since.hash == block.hash:
            return
        logs = self.logs.since(self._since, block)
        if logs is None:
            self._forget()
        for log in logs or ():
            if log.topic in log.pool.changes:
                name = self._remembering[log.pool.terms.pool.address]
                self._readers[name].heard(log)
                self._together.forget(name)

    def _forget(self) -> None:
        self._since = None
        self._valued.clear()
        for name in self._remembering.values():
            self._readers[name].forget()
            self._together.forget(name)


def _sources(chain: Chain) -> Iterator[tuple[str, str]]:
    """The feeds and pools whose prices are asked for."""
    yield from (price.source for price in chain.prices.values())
    for items in (chain.feeds, chain.pools):
        yield from (item.reference.source for item in items if item.reference is not None)


def _leans(chain: Chain, pool: Pool) -> Iterator[tuple[str, str]]:
    """What a pool's reading leans on, beside its state."""
    yield from (("usd", token) for token in (pool.base, pool.quote))
    if pool.reference is not None:
        yield pool.reference.source
        yield from (("usd", token) for token in chain.pair(pool.reference.source) or ())
