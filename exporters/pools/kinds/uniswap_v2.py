"""Uniswap v2 and its forks: pairs at a constant product."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator

from adapters.evm import EthCall
from adapters.evm.abi import address, bounded, exact, sized, word
from exporters.pools.maths.constant_product import ConstantProduct
from exporters.pools.reading import Happened, PoolState
from exporters.pools.steps import Reply, Steps, needed
from occ.config import Model, refuse

if TYPE_CHECKING:
    from exporters.pools.terms import PoolTerms

TOKEN0 = bytes.fromhex("0dfe1681")
TOKEN1 = bytes.fromhex("d21220a7")
GET_RESERVES = bytes.fromhex("0902f1ac")

SWAP = "0xd78ad95fa46c994b6551d0da85fc275fe613ce37657fb8d5e3d130840159d822"
MINT = "0x4c209b5fc8ad50758f13e2e1088ba56a560dff690a1c6fef26394f4c03821c4f"
BURN = "0xdccd412f0b1252819cb1fd330b93224ca42612892bb3f4f789976e6d81936496"

MOST = 2**112
"""The pair keeps its reserves in so many bits."""


def _share(value: float) -> float:
    if 0 <= value < 1:
        return value
    raise refuse("expected a share of what is paid, from 0 to below 1: 0.003 is 0.3 %")


class Options(Model):
    """`fee` is the share of what is paid: 0.003 at Uniswap, and other at its forks, which tell it nowhere."""

    fee: Annotated[float, AfterValidator(_share)] = 0.003


class PoolReader:
    """Reads one pair."""

    EVENTS: ClassVar = {SWAP: "swap", MINT: "mint", BURN: "burn"}

    def __init__(self, terms: PoolTerms) -> None:
        self._terms = terms
        self._share = float(getattr(terms.pool, "fee", 0))
        self._fee = Fraction(str(self._share))
        self._calls = (EthCall(terms.pool.address, GET_RESERVES),)
        self._curve = ConstantProduct((0, 0), self._fee)
        self.base: int | None = None

    def steps(self) -> Steps[PoolState]:
        """Its reserves; and at first which tokens it has."""
        if self.base is None:
            first, second = yield tuple(EthCall(self._terms.pool.address, data) for data in (TOKEN0, TOKEN1))
            self.base = self._terms.base_of(_token("token0", first), _token("token1", second))
        (told,) = yield self._calls
        data = sized("getReserves", needed("getReserves", told), 3)
        reserves = bounded("reserve0", word(data, 0), MOST), bounded("reserve1", word(data, 1), MOST)
        if reserves != self._curve.reserves:
            self._curve = ConstantProduct(reserves, self._fee)
        return PoolState(self._curve, self.base, reserves, self._share)


def happened(topic: str, data: bytes) -> Happened:
    """What a log of the pair tells. Raises bad_response for one that is not of its form."""
    event = PoolReader.EVENTS[topic]
    if event != "swap":
        return Happened(event)
    exact("Swap", data, 4)  # amount0In, amount1In, amount0Out, amount1Out
    first, second = (max(word(data, token), word(data, token + 2)) for token in (0, 1))
    return Happened(event, (bounded("Swap", first, MOST), bounded("Swap", second, MOST)))


def _token(what: str, reply: Reply) -> str:
    return address(sized(what, needed(what, reply), 1), 0)
