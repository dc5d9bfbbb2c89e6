"""What a symbol says by its form, as ccxt writes them: BTC/USDT, BTC/USDT:USDT, BTC/USDT:USDT-261225."""

from __future__ import annotations


def base_of(symbol: str) -> str:
    """What is bought and sold."""
    return symbol.partition("/")[0]


def quote_of(symbol: str) -> str:
    """What prices are in."""
    return symbol.partition("/")[2].partition(":")[0]


def kind_of(symbol: str) -> str:
    """spot, swap, or what ends some day: future."""
    settled = symbol.partition(":")[2]
    return "spot" if not settled else "future" if "-" in settled else "swap"
