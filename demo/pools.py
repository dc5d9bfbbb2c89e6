"""The demo's pools: a chain of their own with real Uniswap and Chainlink on it, and somebody who trades there every second.

python -m demo.pools --port 9000 --config pools.yml --state pools.db

It writes the pools exporter's configuration once all is there, and then GET /-/ready answers. PUT /fault/NAME breaks something.
"""

import argparse
import asyncio
import contextlib
import math
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from .chain import Anvil
from .evm import Chain, Contract, topic
from .market import Feed, Market, ordered
from .mishaps import LEAST, LEFT, MISHAPS

CHAIN = "pools"
TOKENS: Mapping[str, tuple[int, int]] = {"WETH": (18, 2_000), "WBTC": (8, 60_000), "USDC": (6, 1), "DAI": (18, 1)}
"""Decimals and dollars by symbol."""

PAIRS = tuple(combinations(TOKENS, 2))

DEPTH = 5_000_000
"""Dollars on each side of a pool."""

FEE = 3000
HEARTBEAT = "20s"
FEED_SECONDS = 5
ONE = 10**8
"""What a feed answers for a dollar."""

FEEDS = {symbol: f"{symbol}-usd".lower() for symbol in TOKENS}
NAMES = {pair: "-".join(pair).lower() for pair in PAIRS}
"""Of a v3 pool; the v2 pair's ends with -v2."""

POSITIONS: Mapping[str, tuple[int, tuple[str, str]]] = {"lp-1": (1, PAIRS[0]), "lp-2": (2 * len(PAIRS) + 1, LEFT)}
"""Number and tokens by name: the positions are numbered as they are made."""

TARGETS = frozenset(
    f"{CHAIN}/{item}" if item else CHAIN
    for item in (
        "",
        *NAMES.values(),
        *(f"{name}-v2" for name in NAMES.values()),
        *(f"feeds/{feed}" for feed in FEEDS.values()),
        *(f"positions/{position}" for position in POSITIONS),
    )
)
"""What the exporter reads."""

INCREASE = topic("IncreaseLiquidity(uint256,uint128,uint256,uint256)")

NARROW_DEPTH = 50_000
"""Dollars on each side of a position so narrow that the price may leave it."""


@dataclass(frozen=True)
class Traded:
    """A v2 pair and a v3 pool of the same two tokens."""

    name: str
    symbols: tuple[str, str]
    pair: Contract
    pool: Contract


class Desk:
    """What is on the chain, and who trades there, a little each second."""

    def __init__(self, market: Market, tokens: Mapping[str, Contract]) -> None:
        self.market = market
        self.tokens = tokens
        self.feeds: dict[str, Feed] = {}
        self.uptime: Feed
        """That of the chain's sequencer."""
        self._put_in: list[tuple[int, int]] = []
        self.traded: list[Traded] = []
        self.fault = ""
        """What is to go wrong, by its name in MISHAPS; nothing when empty."""
        self._chance = random.Random(1)
        self._sold: dict[str, int] = {}
        self._acted, self._broken, self._until = "", "", math.inf

    @classmethod
    async def opened(cls, anvil: Anvil) -> "Desk":
        """Puts it all on the chain."""
        market = await Market.opened(Chain(anvil))
        made = await market.tokens(*((symbol, decimals) for symbol, (decimals, _) in TOKENS.items()))
        desk = cls(market, dict(zip(TOKENS, made, strict=True)))
        desk.uptime, *answers = await market.feeds(
            (0, 0, 0, 1),
            *((8, dollars * ONE, int(dollars * ONE * LEAST), 10**16) for _, dollars in TOKENS.values()),
        )
        desk.feeds = dict(zip(TOKENS, answers, strict=True))
        await desk._pools()
        return desk

    async def _pools(self) -> None:
        sides = [(self.tokens[one], self.tokens[other]) for one, other in PAIRS]
        amounts = [(_amount(one, DEPTH), _amount(other, DEPTH)) for one, other in PAIRS]
        pairs = await self.market.v2_pools(*((*tokens, *both) for tokens, both in zip(sides, amounts, strict=True)))
        pools = await self.market.v3_pools(
            *((*tokens, FEE, self._root(*symbols)) for tokens, symbols in zip(sides, PAIRS, strict=True))
        )
        mints = [(symbols, width, DEPTH) for width in (600, 60_000) for symbols in PAIRS]
        receipts = await self.market.chain.send(*(self._mint(*each) for each in (*mints, (LEFT, 120, NARROW_DEPTH))))
        self._put_in = [_put_in(receipt) for receipt in receipts]
        self.traded = [
            Traded(NAMES[symbols], symbols, pair, pool) for symbols, pair, pool in zip(PAIRS, pairs, pools, strict=True)
        ]

    def _mint(self, symbols: tuple[str, str], width: int, dollars: float) -> dict[str, str]:
        """A position so many ticks wide to both sides of the price, of as many dollars of both tokens at most."""
        one, other = (self.tokens[symbol] for symbol in symbols)
        both = _amount(symbols[0], dollars), _amount(symbols[1], dollars)
        return self.market.v3_mint(one, other, FEE, self._ticks(*symbols, width), self._ordered(symbols, both))

    def _first(self, one: str, other: str) -> bool:
        return ordered(self.tokens[one], self.tokens[other])[0] is self.tokens[one]

    def _ordered(self, symbols: tuple[str, str], both: tuple[int, int]) -> tuple[int, int]:
        return both if self._first(*symbols) else both[::-1]

    def _price(self, one: str, other: str) -> float:
        """Of the pool's token0 in its token1, in smallest units."""
        first, second = (one, other) if self._first(one, other) else (other, one)
        return _amount(second, DEPTH) / _amount(first, DEPTH)

    def _root(self, one: str, other: str) -> int:
        return int(self._price(one, other) ** 0.5 * 2**96)

    def _ticks(self, one: str, other: str, width: int) -> tuple[int, int]:
        middle = round(math.log(self._price(one, other)) / math.log(1.0001) / 60) * 60
        return middle - width, middle + width

    async def trade(self) -> None:
        """A buy or a sale of some hundred dollars in each pool; the next block has them."""
        sent = [self._swap(each, pool) for each in self.traded for pool in ("v2", "v3")]
        await self.market.chain.send(*sent, may_revert=True)

    def _swap(self, each: Traded, pool: str) -> dict[str, str]:
        """Against what was traded there before, so that the price stays about where it is."""
        key, dollars = f"{each.name} {pool}", self._chance.randint(100, 900)
        sells = self._sold.get(key, 0) <= 0
        self._sold[key] = self._sold.get(key, 0) + (dollars if sells else -dollars)
        paid, got = each.symbols if sells else each.symbols[::-1]
        terms = _amount(paid, dollars), self.tokens[paid], self.tokens[got]
        return self.market.v2_swap(*terms) if pool == "v2" else self.market.v3_swap(*terms, FEE)

    async def answer(self) -> None:
        """The feeds say what there is to say."""
        wrong = MISHAPS[self._broken].told if self._broken else {}
        told = {symbol: (dollars * ONE, wrong.get(symbol, 1)) for symbol, (_, dollars) in TOKENS.items()}
        await self.market.chain.send(
            *(
                self.feeds[symbol].aggregator.to("updateAnswer", int(answer * times))
                for symbol, (answer, times) in told.items()
                if times is not None
            )
        )

    async def upset(self) -> None:
        """Begins and ends what is to go wrong; of what could not be done it is seen that nothing comes of it."""
        now, chain = asyncio.get_running_loop().time(), self.market.chain
        if self._broken and (self.fault != self._broken or now >= self._until):
            ending, self._broken = MISHAPS[self._broken], ""
            await chain.send(*await ending.ends(self), may_revert=True)
        if self.fault != self._acted:
            self._acted = self._broken = self.fault
            if beginning := MISHAPS.get(self.fault):
                self._until = math.inf if beginning.lasts is None else now + beginning.lasts
                await chain.send(*await beginning.begins(self), may_revert=True)

    def named(self, symbols: tuple[str, str]) -> Traded:
        """Where these two are traded."""
        return next(each for each in self.traded if each.symbols == symbols)

    def towards(self, symbols: tuple[str, str], times: float) -> dict[str, str]:
        """The trade that brings the v3 pool of two tokens to so many times its price; back to it from above with 1."""
        one, other = symbols
        up = times > 1
        paid, got = (other, one) if up else (one, other)
        limit = int(self._root(one, other) * (times if self._first(one, other) else 1 / times) ** 0.5)
        amount = _amount(paid, 10 * DEPTH)
        return self.market.v3_swap(amount, self.tokens[paid], self.tokens[got], FEE, limit)

    def write(self, config: Path, url: str, state: Path) -> None:
        """The configuration of whoever reads it."""
        config.write_text(yaml.safe_dump(self.config(url, state), sort_keys=False, width=120))

    def config(self, url: str, state: Path) -> dict[str, Any]:
        """pools.yml."""
        dollars = ("USDC", "DAI")
        return {
            "scrape_interval": "1s",
            "state": str(state),
            "defaults": {"interval": "2s", "timeout": "1500ms", "stale_after": "10s"},
            "assets": {"ETH": ["WETH"], "BTC": ["WBTC"]},
            "chains": [
                {
                    "name": CHAIN,
                    "rpc": [{"name": "anvil", "url": url}],
                    "confirmations": 3,
                    "start_block": 0,
                    "labels": {"team": "demo", "tier": "1"},
                    "tokens": {
                        symbol: {"address": self.tokens[symbol].address, "decimals": decimals}
                        for symbol, (decimals, _) in TOKENS.items()
                    },
                    "prices": {
                        symbol: {"fixed": 1, "check_against": {"feed": feed}} if symbol in dollars else {"feed": feed}
                        for symbol, feed in FEEDS.items()
                    },
                    "feeds": [self._feed(symbol, feed) for symbol, feed in FEEDS.items()],
                    "pools": [pool for each in self.traded for pool in self._both(each)],
                    "positions": [self._position(name, *terms) for name, terms in POSITIONS.items()],
                }
            ],
        }

    def _feed(self, symbol: str, name: str) -> dict[str, Any]:
        terms = {"name": name, "kind": "chainlink", "address": self.feeds[symbol].proxy.address}
        sequencer = self.uptime.proxy.address
        return {**terms, "base": symbol, "quote": "USD", "heartbeat": HEARTBEAT, "grace": "5s", "sequencer": sequencer}

    @staticmethod
    def _both(each: Traded) -> list[dict[str, Any]]:
        terms = {"base": each.symbols[0], "quote": each.symbols[1], "sizes_usd": [10_000, 100_000, 1_000_000]}
        reference = {"reference": {"feed": FEEDS[each.symbols[0]]}}
        return [
            {"name": f"{each.name}-v2", "kind": "uniswap_v2", "address": each.pair.address, **terms, **reference},
            {"name": each.name, "kind": "uniswap_v3", "address": each.pool.address, **terms, **reference},
        ]

    def _position(self, name: str, number: int, symbols: tuple[str, str]) -> dict[str, Any]:
        amounts = self._ordered(symbols, self._put_in[number - 1])
        put_in = {symbol: amount / 10 ** TOKENS[symbol][0] for symbol, amount in zip(symbols, amounts, strict=True)}
        manager = self.market.manager.address
        return {"name": name, "kind": "uniswap_v3", "manager": manager, "token_id": number, "deposited": put_in}


def _put_in(receipt: Any) -> tuple[int, int]:
    """What a mint has taken of token0 and token1."""
    (data,) = [log["data"] for log in receipt["logs"] if log["topics"][0] == INCREASE]
    return int(data[66:130], 16), int(data[130:194], 16)


def _amount(symbol: str, dollars: float) -> int:
    decimals, price = TOKENS[symbol]
    return int(dollars / price * 10**decimals)


async def run(port: int, config: Path, state: Path) -> None:
    """Until cancelled."""
    async with Anvil() as anvil:
        desk = await Desk.opened(anvil)
        desk.write(config, anvil.url, state)
        async with _served(desk, port):
            for second in range(2**31):
                await desk.trade()
                await desk.upset()
                if second % FEED_SECONDS == 0:
                    await desk.answer()
                await asyncio.sleep(1)


@contextlib.asynccontextmanager
async def _served(desk: Desk, port: int) -> AsyncIterator[None]:
    async def ready(_request: web.Request) -> web.Response:
        return web.Response(text="ready\n")

    async def fault(request: web.Request) -> web.Response:
        name = request.match_info.get("name", "")
        if name and name not in MISHAPS:
            raise web.HTTPNotFound(text=f"there are: {', '.join(MISHAPS)}\n")
        desk.fault = name
        return web.Response()

    app = web.Application()
    app.router.add_get("/-/ready", ready)
    app.router.add_put("/fault/{name}", fault)
    app.router.add_delete("/fault", fault)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield
    finally:
        await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.pools", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument(
        "--config", type=Path, required=True, help="where the pools exporter's configuration is written"
    )
    parser.add_argument("--state", type=Path, required=True, help="the file in which the pools exporter counts")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(options.port, options.config, options.state))


if __name__ == "__main__":
    main()
