"""What a desk would watch, on a real chain: WETH and USDC in a v2 pair and a v3 pool, feeds for both, and a position."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from demo.chain import Anvil, Rpc
from demo.evm import Chain, Contract
from demo.market import Feed, Market, ordered
from exporters.pools.maths.ticks import sqrt_at, tick_at

PRICE = 2_000
FEE = 3000


@dataclass(frozen=True)
class Desk:
    market: Market
    weth: Contract
    usdc: Contract
    pair: Contract
    pool: Contract
    eth_usd: Feed
    usdc_usd: Feed
    folder: Path

    @property
    def anvil(self) -> Rpc:
        return self.market.chain.anvil

    @property
    def weth_first(self) -> bool:
        return ordered(self.weth, self.usdc)[0] is self.weth

    def ticks(self, around: int = PRICE) -> int:
        """The tick of a price in USDC per WETH."""
        raw = around * 10**6 / 10**18
        return tick_at(int((raw if self.weth_first else 1 / raw) ** 0.5 * 2**96))

    def config(self, url: str | None = None, **changes: str) -> str:
        """pools.yml; `changes` replace words of it."""
        text = CONFIG.format(
            pace=PACE,
            url=url or self.anvil.url,
            weth=self.weth.address,
            usdc=self.usdc.address,
            pair=self.pair.address,
            pool=self.pool.address,
            eth_usd=self.eth_usd.proxy.address,
            usdc_usd=self.usdc_usd.proxy.address,
            manager=self.market.manager.address,
            state=self.folder / "pools.db",
        )
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        return text


PACE = "defaults: {interval: 2s, timeout: 2s, stale_after: 10s}"

CONFIG = """
state: {state}
scrape_interval: 1s
{pace}
assets: {{ETH: [WETH]}}
chains:
  - name: local
    rpc: [{{name: own, url: "{url}"}}]
    tokens: {{WETH: {{address: "{weth}", decimals: 18}}, USDC: {{address: "{usdc}", decimals: 6}}}}
    prices: {{WETH: {{feed: eth-usd}}, USDC: {{fixed: 1, check_against: {{feed: usdc-usd}}}}}}
    feeds:
      - {{name: eth-usd, kind: chainlink, address: "{eth_usd}", base: WETH, quote: USD, heartbeat: 1h, grace: 5m, reference: {{pool: weth-usdc}}}}
      - {{name: usdc-usd, kind: chainlink, address: "{usdc_usd}", base: USDC, quote: USD, heartbeat: 24h}}
    pools:
      - {{name: weth-usdc-v2, kind: uniswap_v2, address: "{pair}", fee: 0.003, base: WETH, quote: USDC}}
      - {{name: weth-usdc, kind: uniswap_v3, address: "{pool}", base: WETH, quote: USDC, sizes_usd: [10000, 1000000], reference: {{feed: eth-usd}}}}
    positions: [{{name: lp-1, kind: uniswap_v3, manager: "{manager}", token_id: 1, deposited: {{WETH: 10, USDC: 20000}}}}]
"""


def patient(text: str) -> str:
    """With time enough for a single look: a slow machine is no fault of the chain."""
    assert PACE in text
    return text.replace(PACE, "defaults: {interval: 20s, timeout: 20s, stale_after: 60s}")


async def opened(anvil: Rpc, folder: Path) -> Desk:
    """Puts it all on a chain; what is counted of it goes into the folder."""
    market = await Market.opened(Chain(anvil))
    weth, usdc = await market.tokens(("WETH", 18), ("USDC", 6))
    (pair,) = await market.v2_pools((weth, usdc, 1000 * 10**18, 1000 * PRICE * 10**6))
    eth_usd, usdc_usd = await market.feeds((8, PRICE * 10**8, 1, 10**14), (8, 10**8, 1, 10**14))
    desk = Desk(market, weth, usdc, pair, pair, eth_usd, usdc_usd, folder)
    tick = desk.ticks()
    (pool,) = await market.v3_pools((weth, usdc, FEE, sqrt_at(tick) * 1_000_020 // 10**6))
    amounts = (10 * 10**18, 10 * PRICE * 10**6)
    both = amounts if desk.weth_first else amounts[::-1]
    wide = (both[0] * 100, both[1] * 100)
    middle = tick // 60 * 60
    await market.chain.send(
        market.v3_mint(weth, usdc, FEE, (middle - 600, middle + 600), both),
        market.v3_mint(weth, usdc, FEE, (middle - 60_000, middle + 60_000), wide),
    )
    return Desk(market, weth, usdc, pair, pool, eth_usd, usdc_usd, folder)


@asynccontextmanager
async def desk() -> AsyncIterator[Desk]:
    with tempfile.TemporaryDirectory(prefix="desk-") as folder:
        async with Anvil() as anvil:
            yield await opened(anvil, Path(folder))
