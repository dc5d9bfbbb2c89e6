"""How Kraken names assets and pairs, and writes numbers."""

import orjson

from demo.venue.market import Market
from demo.venue.wire import Json, decimal

LOTS = 8
"""Decimals of every quantity."""

_OLD = {
    "BTC": "XXBT", "ETH": "XETH", "LTC": "XLTC", "XRP": "XXRP", "ETC": "XETC", "XLM": "XXLM", "ZEC": "XZEC", "USD": "ZUSD",
}  # fmt: skip
"""Assets that have a name with a prefix, and one without it."""


def asset(code: str) -> str:
    return _OLD.get(code, code)


def short(code: str) -> str:
    """The name without a prefix: XBT for BTC."""
    return _OLD[code][1:] if code in _OLD else code


def pair(market: Market) -> str:
    """XXBTZUSD, and SOLUSD where an asset has no prefix."""
    base, quote = market.listing.base, market.listing.quote
    return asset(base) + asset(quote) if base in _OLD and quote in _OLD else alternative(market)


def alternative(market: Market) -> str:
    return short(market.listing.base) + short(market.listing.quote)


def old_name(market: Market) -> str:
    """XBT/USD, the name of version 1 of the WebSocket."""
    return f"{short(market.listing.base)}/{short(market.listing.quote)}"


def price(market: Market, units: int | None) -> str:
    return decimal(units or 0, market.listing.price_decimals)


def quantity(market: Market, lots: int) -> str:
    return decimal(lots, market.listing.lot_decimals, LOTS)


def number(text: str) -> Json:
    """A JSON number with all its zeros, which checksums are made over; what JSON has no number for stays a text."""
    return text if text == "NaN" else orjson.Fragment(text)
