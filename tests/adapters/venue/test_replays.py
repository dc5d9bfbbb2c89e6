"""That the markets which all replays share are ones to ccxt: without that, what is replayed on them would say nothing."""

from __future__ import annotations

import pytest

from tests.adapters.venue.replays import MARKETS, replayed

SYMBOLS = {
    "bybit": {"BTC/USDT", "ETH/USDT", "BTC/USDT:USDT", "BTC/USD:BTC"},
    "coinbase": {"BTC/USD", "ETH/USD"},
    "deribit": {"BTC/USD:BTC", "BTC/USDC:USDC"},
    "kraken": {"BTC/USD", "ETH/USD"},
    "krakenfutures": {"BTC/USD:USD"},
    "okx": {"BTC/USDT", "ETH/USDT", "BTC/USDT:USDT", "BTC/USD:BTC"},
}


@pytest.mark.parametrize("exchange", MARKETS)
async def test_ccxt_reads_the_markets(exchange: str) -> None:
    async with replayed(exchange, {}) as replay:
        assert set(await replay.keyed.venue.markets()) >= SYMBOLS[exchange]
        assert replay.paths() == []
