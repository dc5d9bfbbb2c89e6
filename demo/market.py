"""A small DeFi on a local chain, of the protocols' own bytecode: tokens, Uniswap v2 and v3, Chainlink feeds, Multicall3."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from .evm import Chain, Contract, artifact, multicall3_code

MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"
NOWHERE = "0x" + "00" * 20
MOST = 2**256 - 1
PLENTY = 2**200
"""Of every token the owner has so much: more than any test trades."""

FOREVER = 2**40
SPACINGS = {500: 10, 3000: 60, 10000: 200}
"""Tick spacing by fee, as the v3 factory has them."""


@dataclass(frozen=True)
class Feed:
    """A Chainlink feed: the proxy that is asked, and the aggregator behind it."""

    proxy: Contract
    aggregator: Contract


def ordered(one: Contract, other: Contract) -> tuple[Contract, Contract]:
    """Two tokens in the order in which a pool has them."""
    return (one, other) if int(one.address, 16) < int(other.address, 16) else (other, one)


class Market:
    """The contracts; `opened` deploys them."""

    def __init__(self, chain: Chain, contracts: Sequence[Contract]) -> None:
        self.chain = chain
        self.weth, self.v2_factory, self.v3_factory, self.tick_lens = contracts[:4]
        self.router, self.v3_router, self.quoter, self.manager = contracts[4:]

    @classmethod
    async def opened(cls, chain: Chain) -> Self:
        """Puts the protocols on the chain, and Multicall3 where it is on every chain."""
        await chain.start()
        weth, v2, v3, lens = await chain.deploy(
            (artifact("v2-periphery", "WETH9"), ()),
            (artifact("v2-core", "UniswapV2Factory"), (chain.owner,)),
            (artifact("v3-core", "UniswapV3Factory"), ()),
            (artifact("v3-lens", "TickLens"), ()),
        )
        around_v3 = (v3.address, weth.address)
        around = await chain.deploy(
            (artifact("v2-periphery", "UniswapV2Router02"), (v2.address, weth.address)),
            (artifact("v3-periphery", "SwapRouter"), around_v3),
            (artifact("v3-lens", "QuoterV2"), around_v3),
            (artifact("v3-periphery", "NonfungiblePositionManager"), (*around_v3, NOWHERE)),
        )
        (receipt,) = await chain.send({"data": multicall3_code()})
        code = await chain.anvil.rpc("eth_getCode", receipt["contractAddress"], "latest")
        await chain.anvil.rpc("anvil_setCode", MULTICALL3, code)
        return cls(chain, (weth, v2, v3, lens, *around))

    async def tokens(self, *wanted: tuple[str, int]) -> list[Contract]:
        """Tokens by symbol and decimals. The owner has plenty, and routers and the position manager may take it."""
        made = await self.chain.deploy(*((artifact("compiled", "Token"), each) for each in wanted))
        spenders = (self.router, self.v3_router, self.manager)
        await self.chain.send(
            *(token.to("mint", self.chain.owner, PLENTY) for token in made),
            *(token.to("approve", spender.address, MOST) for token in made for spender in spenders),
        )
        return made

    # --- Uniswap v2 --------------------------------------------------------------------------------------------------

    async def v2_pools(self, *wanted: tuple[Contract, Contract, int, int]) -> list[Contract]:
        """Pairs of two tokens with so much of each in them."""
        create = (self.v2_factory.to("createPair", one.address, other.address) for one, other, _, _ in wanted)
        await self.chain.send(*create)
        pairs = await self._found(
            self.v2_factory, "getPair", [(one.address, other.address) for one, other, _, _ in wanted]
        )
        await self.chain.send(
            *(
                self.router.to(
                    "addLiquidity", one.address, other.address, first, second, 0, 0, self.chain.owner, FOREVER
                )
                for one, other, first, second in wanted
            )
        )
        return [Contract(address, artifact("v2-core", "UniswapV2Pair")) for address in pairs]

    def v2_swap(self, amount: int, paid: Contract, got: Contract) -> dict[str, str]:
        """The transaction that sells so much of one token for the other."""
        path = [paid.address, got.address]
        return self.router.to("swapExactTokensForTokens", amount, 0, path, self.chain.owner, FOREVER)

    # --- Uniswap v3 --------------------------------------------------------------------------------------------------

    async def v3_pools(self, *wanted: tuple[Contract, Contract, int, int]) -> list[Contract]:
        """Pools of two tokens, a fee in millionths, and the square root of the price (token1 per token0, times 2^96)."""
        create = (self.v3_factory.to("createPool", one.address, other.address, fee) for one, other, fee, _ in wanted)
        await self.chain.send(*create)
        asked = [(one.address, other.address, fee) for one, other, fee, _ in wanted]
        addresses = await self._found(self.v3_factory, "getPool", asked)
        pools = [Contract(address, artifact("v3-core", "UniswapV3Pool")) for address in addresses]
        await self.chain.send(
            *(pool.to("initialize", price) for pool, (_, _, _, price) in zip(pools, wanted, strict=True))
        )
        return pools

    def v3_mint(
        self, one: Contract, other: Contract, fee: int, ticks: tuple[int, int], amounts: tuple[int, int]
    ) -> dict[str, str]:
        """The transaction that makes a position of at most these amounts, of the tokens as the pool orders them."""
        first, second = ordered(one, other)
        terms = (first.address, second.address, fee, *ticks, *amounts, 0, 0, self.chain.owner, FOREVER)
        return self.manager.to("mint", terms)

    def v3_swap(self, amount: int, paid: Contract, got: Contract, fee: int, limit: int = 0) -> dict[str, str]:
        """The transaction that sells so much of one token for the other, or what it takes to the square root of a price."""
        terms = (paid.address, got.address, fee, self.chain.owner, FOREVER, amount, 0, limit)
        return self.v3_router.to("exactInputSingle", terms)

    def v3_quote(self, amount: int, paid: Contract, got: Contract, fee: int) -> tuple[Contract, str, tuple[Any, ...]]:
        """The call of QuoterV2 that says what selling so much would give."""
        return self.quoter, "quoteExactInputSingle", ((paid.address, got.address, amount, fee, 0),)

    # --- Chainlink ---------------------------------------------------------------------------------------------------

    async def feeds(self, *wanted: tuple[int, int, int, int]) -> list[Feed]:
        """Feeds by decimals, answer, and the least and the most that their aggregator would answer."""
        aggregators = await self.chain.deploy(*((artifact("compiled", "Aggregator"), each) for each in wanted))
        proxies = await self.chain.deploy(
            *((artifact("compiled", "EACAggregatorProxy"), (each.address, NOWHERE)) for each in aggregators)
        )
        return [Feed(proxy, aggregator) for proxy, aggregator in zip(proxies, aggregators, strict=True)]

    async def _found(self, factory: Contract, name: str, asked: Sequence[tuple[Any, ...]]) -> list[str]:
        return await self.chain.calls([(factory, name, arguments) for arguments in asked])
