"""What the holders of perpetual contracts pay each other, so that the price stays with the index."""

import math

from .market import Market

_INTERVAL = 8 * 3600  # seconds
_SHORTER = {"ETH": 4 * 3600}
INTEREST = 0.0001  # of eight hours
_CLAMP = 0.0005


def interval(market: Market) -> int:
    """Seconds between two settlements."""
    return _SHORTER.get(market.listing.base, _INTERVAL)


def rate(market: Market, at: float) -> float:
    """What a position pays of its value, to be settled next, as it stands at that time; above 0 longs pay.

    F = [P + clamp(I - P, -0.05 %, 0.05 %)] / (8 / N), where N is the interval in hours ("Introduction to Binance Futures
    Funding Rates"); the premium index P is taken as it is, not averaged over the interval.
    """
    premium = market.mark(at) / market.index(at) - 1
    return (premium + min(_CLAMP, max(-_CLAMP, INTEREST - premium))) * interval(market) / _INTERVAL


def settled(market: Market, at: float) -> int:
    """When it was settled last, in Unix seconds."""
    return math.floor(at / interval(market)) * interval(market)
