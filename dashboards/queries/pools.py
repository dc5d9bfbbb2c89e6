"""Pools, oracles and positions on chain, for the chains and pools that the board's variables choose."""

from __future__ import annotations

from dashboards.kit.query import age, increase, largest, number, rate, series, smallest, total

CHAIN = ("chain",)
POOL = ("chain", "pool")
FEED = ("chain", "feed")
POSITION = ("chain", "position")
LATELY = "1h"
"""As far back as the alert on deep reorganisations looks."""

SIZE, BAND = "10000", "0.0100"

_CHAIN = {"chain": "$chain"}
_POOL = {"chain": "$chain", "pool": "$pool"}


def _of_pool(metric: str, *more: str, **matchers: str) -> str:
    return largest(series(metric, **_POOL, **matchers), (*POOL, *more))


def _of_feed(metric: str, *more: str) -> str:
    return largest(series(metric, **_CHAIN), (*FEED, *more))


def _of_position(metric: str, *more: str) -> str:
    return largest(series(metric, **_CHAIN), (*POSITION, *more))


def unread() -> str:
    """Pools, feeds and positions that did not answer the last time."""
    return total(f"1 - {largest(series('occ_target_up', exporter='pools', check='state', **_CHAIN), ('target',))}")


def stale_feeds() -> str:
    return total(_of_feed("oracle_stale"))


def feeds_at_a_bound() -> str:
    return total(_of_feed("oracle_answer_at_bound"))


def farthest_from_reference() -> str:
    return largest(reference_deviation())


def out_of_range() -> str:
    return total(f"1 - {in_range()}")


def price() -> str:
    return _of_pool("pool_price", "base", "quote")


def reference_deviation() -> str:
    """To either side."""
    return f"abs({_of_pool('pool_reference_deviation_ratio', 'source')})"


def twap_deviation() -> str:
    """To either side."""
    return f"abs({_of_pool('pool_twap_deviation_ratio')})"


def value() -> str:
    return _of_pool("pool_tvl_usd")


def reserves() -> str:
    """Of each token, over the most that there was within half an hour: 1 while nothing is gone."""
    held = series("pool_reserve", **_POOL)
    return largest(f"{held} / max_over_time({held}[30m])", (*POOL, "token"))


def impact() -> str:
    """Of a trade of SIZE dollars, by direction."""
    return _of_pool("pool_price_impact_ratio", "side", size_usd=SIZE)


def depth() -> str:
    """Dollars within BAND of the price, by side."""
    return _of_pool("pool_depth_usd", "side", band=BAND)


def swaps() -> str:
    return rate(series("pool_swaps_total", **_POOL), POOL)


def volume() -> str:
    return rate(series("pool_volume_usd_total", **_POOL), POOL)


def liquidity_events() -> str:
    return increase(series("pool_liquidity_events_total", **_POOL), LATELY, (*POOL, "event"))


def unconfirmed() -> str:
    return _of_pool("pool_swaps_unconfirmed")


def since_swap() -> str:
    return age(series("pool_last_swap_timestamp_seconds", **_POOL), POOL)


def behind() -> str:
    """Blocks below the head up to which events are counted."""
    head = largest(series("pool_block_number", **_CHAIN), CHAIN)
    return f"{head} - on (chain) {largest(series('pool_log_cursor_block', **_CHAIN), CHAIN)}"


def deep_reorgs() -> str:
    return largest(f"increase({series('pool_deep_reorgs_total', **_CHAIN)}[{LATELY}])", CHAIN)


def from_a_dollar() -> str:
    """As the alert looks at it: what the feeds of stablecoins say, less one dollar."""
    coins = series("oracle_info", **_CHAIN, base="USDC|USDT|DAI|USDS|PYUSD|FDUSD|USDE", quote="USD")
    named = largest(coins, (*FEED, "base"))
    return f"abs({_of_feed('oracle_price')} * on (chain, feed) group_left (base) {named} - 1)"


def answer_age() -> str:
    """Over the heartbeat: 1 is when the next answer is due."""
    heartbeat = largest(series("oracle_heartbeat_seconds", **_CHAIN), FEED)
    return f"{age(series('oracle_updated_timestamp_seconds', **_CHAIN), FEED)} / {heartbeat}"


def feed_deviation() -> str:
    """To either side."""
    return f"abs({_of_feed('oracle_deviation_ratio', 'source')})"


def stale() -> str:
    return _of_feed("oracle_stale")


def at_bound() -> str:
    return _of_feed("oracle_answer_at_bound")


def sequencer_up() -> str:
    return smallest(series("oracle_sequencer_up", **_CHAIN), CHAIN)


def in_range() -> str:
    return smallest(series("lp_position_in_range", **_CHAIN), POSITION)


def edge_distance() -> str:
    return smallest(series("lp_position_tick_distance_ratio", **_CHAIN), (*POSITION, "side"))


def position_value() -> str:
    return _of_position("lp_position_value_usd")


def position_fees() -> str:
    return _of_position("lp_position_uncollected_fees_usd")


def impermanent_loss() -> str:
    return _of_position("lp_position_impermanent_loss_ratio")


def pools() -> str:
    return number(largest(series("occ_target_configured", exporter="pools", **_POOL), POOL))


def block() -> str:
    return _of_pool("pool_block_number")


def facts() -> str:
    return largest(series("pool_info", **_POOL), (*POOL, "dex", "kind", "base", "quote", "fee"))
