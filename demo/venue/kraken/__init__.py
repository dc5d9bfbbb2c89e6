"""Kraken spot as documented at docs.kraken.com: market data and orders by REST, and WebSocket version 2 with checksums."""
