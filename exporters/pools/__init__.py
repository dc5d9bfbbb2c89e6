"""Liquidity on chain: pools, their positions, and the oracles beside them."""
