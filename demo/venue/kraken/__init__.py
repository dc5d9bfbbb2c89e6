"""Kraken spot's public market data as documented at docs.kraken.com: REST, and WebSocket version 2 with checksums."""
