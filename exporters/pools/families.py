"""The families of pools, oracles and positions."""

from __future__ import annotations

from typing import Any

from exporters.pools.reading import BANDS, ORDERS, SIDES, TWAP_SECONDS
from occ.metrics import Family, Kind

_POOL = ("chain", "pool")
_FEED = ("chain", "feed")
_POSITION = ("chain", "position")
BAND_NAMES = tuple(f"{band:.4f}" for band in BANDS)
WINDOW = f"{TWAP_SECONDS // 60}m"
EDGES = ("lower", "upper")


def _gauge(name: str, text: str, labels: tuple[str, ...], unit: str = "", **parts: Any) -> Family:
    return Family(name, Kind.GAUGE, text, labels, unit=unit, **parts)


# --- pools -----------------------------------------------------------------------------------------------------------

POOL_INFO = Family(
    "pool_info",
    Kind.INFO,
    "What the pool is: its dex and kind, its assets by the names that all files share, and its fee as a share of what is "
    "paid; always 1.",
    (*_POOL, "dex", "kind", "base", "quote", "fee"),
)
POOL_BLOCK = _gauge("pool_block_number", "Height of the block that the pool was read at.", _POOL)
POOL_BLOCK_AT = _gauge("pool_block_timestamp_seconds", "Timestamp of that block, Unix time.", _POOL, "seconds")
POOL_SOURCE = Family("pool_source_info", Kind.INFO, "The node that told it; always 1.", (*_POOL, "node"))
POOL_PRICE = _gauge(
    "pool_price",
    "Price at which the pool trades next to nothing, fee apart, in quote per base.",
    (*_POOL, "base", "quote"),
)
POOL_RESERVE = _gauge(
    "pool_reserve", "What the pool holds of the token, fees included, with decimals applied.", (*_POOL, "token")
)
POOL_TVL = _gauge("pool_tvl_usd", "What the pool holds, in US dollars.", _POOL, "usd")
POOL_FEE = _gauge("pool_fee_ratio", "Fee as a share of what is paid.", _POOL, "ratio")
POOL_LIQUIDITY = _gauge(
    "pool_liquidity", "Liquidity in range, in the protocol's own unit; absent where the kind has none.", _POOL
)
POOL_TICK = _gauge("pool_tick", "Tick of the price; absent where the kind has none.", _POOL)
POOL_IMPACT = _gauge(
    "pool_price_impact_ratio",
    "How much worse than the price a trade of this size in dollars would be on the average, fee included, by the protocol's "
    "own arithmetic; positive is cost. Absent when the pool is too thin for it.",
    (*_POOL, "side", "size_usd"),
    "ratio",
    values={"side": ORDERS},
)
POOL_DEPTH = _gauge(
    "pool_depth_usd",
    "Dollars that can be traded, fee apart, until the price has moved by the band: bid by sales of the base, ask by buys.",
    (*_POOL, "side", "band"),
    "usd",
    values={"side": SIDES, "band": BAND_NAMES},
)
POOL_DEVIATION = _gauge(
    "pool_reference_deviation_ratio",
    "(price - reference) / reference, in the reference's quote; absent without a reference that is fresh.",
    (*_POOL, "source"),
    "ratio",
    quiet=True,
)
POOL_TWAP = _gauge(
    "pool_twap_deviation_ratio",
    "(price - mean) / mean, of the mean price that the pool itself remembers over the window; absent where it does not "
    "remember so long.",
    (*_POOL, "window"),
    "ratio",
    quiet=True,
)

POOL_FAMILIES = (
    POOL_INFO,
    POOL_BLOCK,
    POOL_BLOCK_AT,
    POOL_SOURCE,
    POOL_PRICE,
    POOL_RESERVE,
    POOL_TVL,
    POOL_FEE,
    POOL_LIQUIDITY,
    POOL_TICK,
    POOL_IMPACT,
    POOL_DEPTH,
    POOL_DEVIATION,
    POOL_TWAP,
)

# --- oracles ---------------------------------------------------------------------------------------------------------

ORACLE_INFO = Family(
    "oracle_info",
    Kind.INFO,
    "What the feed tells the price of, by the names that all files share, and its kind; always 1.",
    (*_FEED, "base", "quote", "kind"),
)
ORACLE_PRICE = _gauge("oracle_price", "The feed's answer, in quote per base; shown also when it is stale.", _FEED)
ORACLE_UPDATED = _gauge("oracle_updated_timestamp_seconds", "When the feed was updated, Unix time.", _FEED, "seconds")
ORACLE_HEARTBEAT = _gauge(
    "oracle_heartbeat_seconds", "After so long the feed should be updated, from the configuration.", _FEED, "seconds"
)
ORACLE_STALE = _gauge(
    "oracle_stale",
    "1 if the answer is older than heartbeat and grace together, or as far in the future, by the chain's time, else 0.",
    _FEED,
)
ORACLE_ROUND = _gauge(
    "oracle_round_id", "Number of the answer's round, within its phase where the feed has phases.", _FEED
)
ORACLE_DEVIATION = _gauge(
    "oracle_deviation_ratio",
    "(answer - reference) / reference, in the reference's quote; absent without a reference.",
    (*_FEED, "source"),
    "ratio",
    quiet=True,
)
ORACLE_BOUND = _gauge(
    "oracle_answer_at_bound",
    "1 if the answer is at the least or the most that the feed would ever answer, else 0; absent where it tells no bounds.",
    _FEED,
    quiet=True,
)
ORACLE_SEQUENCER = _gauge(
    "oracle_sequencer_up",
    "1 if the rollup's sequencer is up by its uptime feed, else 0; absent where none is configured.",
    _FEED,
    quiet=True,
)

ORACLE_FAMILIES = (
    ORACLE_INFO,
    ORACLE_PRICE,
    ORACLE_UPDATED,
    ORACLE_HEARTBEAT,
    ORACLE_STALE,
    ORACLE_ROUND,
    ORACLE_DEVIATION,
    ORACLE_BOUND,
    ORACLE_SEQUENCER,
)

# --- positions -------------------------------------------------------------------------------------------------------

LP_IN_RANGE = _gauge(
    "lp_position_in_range",
    "1 if the price is in the position's range, so that it earns, else 0.",
    _POSITION,
    quiet=True,
)
LP_DISTANCE = Family(
    "lp_position_tick_distance_ratio",
    Kind.GAUGE,
    "From the price (of token0 in token1, as the pool orders them) to the edge of the position's range, as a share of the "
    "price; negative when it is beyond.",
    (*_POSITION, "side"),
    unit="ratio",
    values={"side": EDGES},
    quiet=True,
)
LP_VALUE = _gauge(
    "lp_position_value_usd", "What the position holds, fees apart, in US dollars.", _POSITION, "usd", quiet=True
)
LP_FEES = _gauge(
    "lp_position_uncollected_fees_usd",
    "Fees that it has earned and not collected, in US dollars.",
    _POSITION,
    "usd",
    quiet=True,
)
LP_LOSS = _gauge(
    "lp_position_impermanent_loss_ratio",
    "What the position holds over what was put in would be worth now, minus 1, fees apart; absent where that is not "
    "configured.",
    _POSITION,
    "ratio",
    quiet=True,
)

POSITION_FAMILIES = (LP_IN_RANGE, LP_DISTANCE, LP_VALUE, LP_FEES, LP_LOSS)

FAMILIES = (*POOL_FAMILIES, *ORACLE_FAMILIES, *POSITION_FAMILIES)
