"""What is traded: assets with a price in dollars to start from, and listings made of them."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

DOLLARS = ("USD", "USDT", "USDC")
"""Assets that stay within a few basis points of a dollar; USD is one."""

PRICES = {
    "USD": 1.0, "USDT": 1.0, "USDC": 1.0, "BTC": 64_000.0, "ETH": 3_200.0, "SOL": 150.0, "BNB": 590.0, "XRP": 0.62, "ADA": 0.45,
    "DOGE": 0.14, "AVAX": 33.0, "DOT": 6.4, "LINK": 16.0, "LTC": 82.0, "BCH": 450.0, "UNI": 9.2, "ATOM": 8.1, "ETC": 26.0,
    "XLM": 0.11, "FIL": 5.6, "NEAR": 6.1, "APT": 8.6, "ARB": 0.98, "OP": 2.3, "INJ": 24.0, "AAVE": 92.0, "MKR": 2_700.0,
    "ALGO": 0.18, "HBAR": 0.09, "ICP": 11.0, "VET": 0.033, "GRT": 0.27, "SAND": 0.42, "MANA": 0.41, "AXS": 7.1, "EOS": 0.77,
    "XTZ": 0.91, "THETA": 2.1, "RUNE": 5.2, "SNX": 2.7, "CRV": 0.41, "LDO": 1.9, "COMP": 55.0, "ZEC": 23.0, "DASH": 29.0,
    "KAVA": 0.66, "CHZ": 0.11, "ENJ": 0.27, "BAT": 0.23, "1INCH": 0.4, "ZRX": 0.52, "SUSHI": 1.0, "YFI": 6_700.0, "BAL": 3.6,
    "IMX": 2.1, "GMX": 33.0, "DYDX": 2.0, "PENDLE": 4.8, "STX": 2.0, "SEI": 0.5, "SUI": 1.1, "TIA": 9.5, "WLD": 4.7,
    "JUP": 1.1, "PYTH": 0.4, "STRK": 1.2, "ENS": 24.0, "MASK": 3.1, "QNT": 103.0, "EGLD": 38.0, "FLOW": 0.85, "KSM": 28.0,
}  # fmt: skip

_BEYOND_THE_POINT = 8  # decimals that venues quote at most
_LEAST = 1e-4  # a price below has too few digits for a book of many levels


@dataclass(frozen=True)
class Listing:
    """One symbol: the price unit is 10^-`price_decimals` of the quote asset, a lot 10^-`lot_decimals` of the base asset.

    `settle` makes it a perpetual contract that is settled in that asset.
    """

    base: str
    quote: str
    price_decimals: int
    lot_decimals: int
    min_notional: int = 5  # in the quote asset
    settle: str | None = None

    @property
    def name(self) -> str:
        pair = f"{self.base}/{self.quote}"
        return f"{pair}:{self.settle}" if self.settle else pair

    @property
    def price_unit(self) -> float:
        return float(10.0**-self.price_decimals)

    @property
    def lot(self) -> float:
        return float(10.0**-self.lot_decimals)


def listing(base: str, quote: str) -> Listing:
    """Prices of six digits, and lots of about a tenth of a dollar to a dollar."""
    price = PRICES[base] / PRICES[quote]
    before = math.floor(math.log10(price)) + 1
    lots = max(0, math.floor(math.log10(PRICES[base])) + 1)
    return Listing(
        base, quote, min(_BEYOND_THE_POINT, max(0, 6 - before)), lots, min_notional=5 if quote in DOLLARS else 0
    )


def listings(count: int, quotes: Iterable[str] = ("USDT", "USDC", "BTC", "ETH")) -> tuple[Listing, ...]:
    """The first `count` symbols, the best known first; ValueError where there are not as many."""
    found = tuple(_pairs(tuple(quotes)))
    if count > len(found):
        raise ValueError(f"{count} symbols are too many: there are {len(found)}")
    return found[:count]


def perpetuals(count: int) -> tuple[Listing, ...]:
    """As `listings`, of contracts that are settled in USDT."""
    return tuple(replace(each, settle=each.quote) for each in listings(count, ("USDT",)))


def _pairs(quotes: tuple[str, ...]) -> Iterator[Listing]:
    for quote in quotes:
        for base, dollars in PRICES.items():
            if base not in DOLLARS and dollars / PRICES[quote] >= _LEAST and base != quote:
                yield listing(base, quote)
