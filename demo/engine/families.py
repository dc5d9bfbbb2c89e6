"""The metric families that a desk's own engine should expose, so that rules and boards may use them."""

from occ.errors import Reason
from occ.metrics import Family, Kind

ACCEPTED, REJECTED, UNKNOWN = "accepted", "rejected", "unknown"

HEARTBEAT = Family(
    "engine_heartbeat_timestamp_seconds",
    Kind.GAUGE,
    "Unix time of the last turn of the engine's main loop, not of the scrape.",
    unit="seconds",
)
QUOTING = Family(
    "engine_quoting",
    Kind.GAUGE,
    "1 while the engine keeps quotes in the market, 0 while it is halted there; one series for every configured market.",
    ("venue", "symbol"),
)
ORDER_ACK = Family(
    "engine_order_ack_seconds",
    Kind.HISTOGRAM,
    "Time from sending an order until the venue's acceptance of it was read; what was refused, or never answered, is not in it.",
    ("venue",),
    unit="seconds",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
ORDERS = Family(
    "engine_orders_total",
    Kind.COUNTER,
    "Orders that were sent, each once, by what the venue made of them: accepted, rejected, or unknown where no answer says; the "
    "reason is empty for those that were accepted.",
    ("venue", "outcome", "reason"),
    values={"outcome": (ACCEPTED, REJECTED, UNKNOWN), "reason": ("", *Reason)},
)
KILL_SWITCH = Family(
    "engine_kill_switch", Kind.GAUGE, "1 while the engine's kill switch is on: it quotes nowhere, whatever it is told."
)
POSITION = Family(
    "engine_position_base",
    Kind.GAUGE,
    "What the engine takes itself to hold of the base asset over all its accounts: balances and contracts; positive is long. 0 "
    "when flat; absent while it does not know one of them.",
    ("base",),
)

FAMILIES = (HEARTBEAT, QUOTING, ORDER_ACK, ORDERS, KILL_SWITCH, POSITION)
