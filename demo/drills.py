"""The drills: what is broken in the running demo, which alerts must come of it, and which must not."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .answers import Answer, ByItself, ByPeople
from .centre import ACCOUNT, CANARIES, NODES, TRADED, VENUES
from .faults import Fault
from .mishaps import BOUND, DEPEGGED, DRAIN, MANIPULATION, RANGE, SEQUENCER, SILENT
from .pools import CHAIN as POOLS
from .settings import CHAIN
from .views import Views

ALPHA, BETA, GAMMA = NODES

Alert = tuple[str, str]
"""Name and entity."""

VenueFault = tuple[str, Mapping[str, str]]
"""Its name, and its particulars: of which symbol, how bad."""


@dataclass(frozen=True)
class Drill:
    """A fault, and what must come of it.

    `breaks` is the fault of each node and canary, `venues` that of each venue, `market` that of the chain with the pools
    (`pools.py`); `halts` whether the chain itself makes no block meanwhile. `fires` must reach the receiver within
    `threshold` seconds, which are real, plus `rules` seconds, which are those of the shipped rules and divided by the demo's
    time scale. `pages` of those must reach the pager. `mutes` must fire and reach nobody. What `follows` may fire as well;
    anything else must not. All is as it was `recovers` seconds after the end of the fault, at most.

    `answer` is what is done about the alert `to`, and what must come of it; `frozen` whether everything is frozen meanwhile.
    """

    name: str
    story: str
    fires: frozenset[Alert]
    breaks: Mapping[str, Fault] = field(default_factory=dict)
    venues: Mapping[str, VenueFault] = field(default_factory=dict)
    halts: bool = False
    market: str = ""
    pages: frozenset[str] = frozenset()
    mutes: frozenset[Alert] = frozenset()
    follows: frozenset[str] = frozenset()
    answer: Answer | None = None
    to: Alert = ("", "")
    frozen: bool = False
    threshold: float = 5
    rules: float = 240
    recovers: float = 120

    def within(self, scale: float) -> float:
        """Seconds from the fault to the receiver, at most."""
        return self.threshold + self.rules / scale


async def no_orders(views: Views) -> bool:
    """At the venue itself no order of the desk is open but one stop for each symbol."""
    left = await views.orders(TRADED, ACCOUNT)
    return bool(left) and set(left.values()) == {1}


async def silenced(views: Views) -> bool:
    """Alertmanager says that the lag of the node is silenced."""
    found = await views.alertmanager_alerts("NodeLagging")
    return any(alert["status"]["silencedBy"] for alert in found if alert["labels"]["entity"] == _node(GAMMA))


async def noted(views: Views) -> bool:
    """The script has written what it was called with."""
    return views.evidence().endswith(" kraken\n")


def _node(name: str) -> str:
    return f"{CHAIN}/{name}"


DRILLS = (
    Drill(
        "stall",
        "the chain makes no more blocks",
        halts=True,
        fires=frozenset({("ChainStalled", CHAIN)}),
        pages=frozenset({"ChainStalled"}),
        rules=300,
    ),
    Drill(
        "lag",
        f"node {BETA} stays at its block while the others go on",
        breaks={BETA: Fault.STALL},
        fires=frozenset({("NodeLagging", _node(BETA))}),
        threshold=10,
    ),
    Drill(
        "fork",
        f"node {BETA} goes on with blocks that the others do not have",
        breaks={BETA: Fault.FORK},
        fires=frozenset({("NodeForked", _node(BETA))}),
        pages=frozenset({"NodeForked"}),
    ),
    Drill(
        "wrong-chain",
        f"node {GAMMA} says that it is on another chain",
        breaks={GAMMA: Fault.WRONG_CHAIN},
        fires=frozenset({("NodeWrongChain", _node(GAMMA))}),
        pages=frozenset({"NodeWrongChain"}),
    ),
    Drill(
        "finality-loss",
        "blocks go on, and nothing is finalized any more",
        breaks=dict.fromkeys(NODES, Fault.UNFINAL),
        fires=frozenset({("FinalityStalled", CHAIN)}),
        pages=frozenset({"FinalityStalled"}),
        threshold=30,
    ),
    Drill(
        "provider-outage",
        f"provider {BETA} refuses connections",
        breaks={BETA: Fault.DOWN},
        fires=frozenset({("NodeDown", _node(BETA))}),
    ),
    Drill(
        "garbage-provider",
        f"provider {GAMMA} answers with a web page",
        breaks={GAMMA: Fault.GARBAGE},
        fires=frozenset({("NodeDown", _node(GAMMA))}),
    ),
    Drill(
        "egress-loss",
        "nothing outside can be reached: neither nodes nor canaries",
        breaks=dict.fromkeys((*NODES, *CANARIES), Fault.DOWN),
        fires=frozenset({("EgressDown", "egress")}),
        pages=frozenset({"EgressDown"}),
        mutes=frozenset({("NodeDown", _node(ALPHA)), ("ChainBlind", CHAIN)}),
    ),
    Drill(
        "venue-outage",
        "venue kraken answers every request with 502",
        venues={"kraken": ("server_error", {})},
        fires=frozenset({("VenueDown", "kraken")}),
        pages=frozenset({"VenueDown"}),
    ),
    Drill(
        "venues-outage",
        "every venue answers every request with 502",
        venues=dict.fromkeys(VENUES, ("server_error", {})),
        fires=frozenset({("ManyVenuesDown", "exchange")}),
        pages=frozenset({"ManyVenuesDown"}),
        mutes=frozenset(("VenueDown", venue) for venue in VENUES),
    ),
    Drill(
        "venue-maintenance",
        "venue bourse says that it is in maintenance, and does nothing else",
        venues={"bourse": ("maintenance", {})},
        fires=frozenset({("VenueMaintenance", "bourse")}),
        mutes=frozenset({("SightLost", "bourse/BTC/USDT"), ("SightLost", "bourse/ETH/USDT")}),
        rules=600,
    ),
    Drill(
        "rate-limit-ban",
        "venue binance has banned our address for a while; its streams go on",
        venues={"binance": ("ban", {"patience": "50"})},
        fires=frozenset({("RateLimitBanned", "binance")}),
        pages=frozenset({"RateLimitBanned"}),
        mutes=frozenset({("SightLost", "binance")}),
        rules=600,
    ),
    Drill(
        "clock-skew",
        "the clock of venue bourse is three seconds ahead",
        venues={"bourse": ("clock_skew", {"seconds": "3"})},
        fires=frozenset({("ClockSkewed", "bourse")}),
        rules=600,
    ),
    Drill(
        "frozen-feed",
        "the books of venue binance stand still on a live socket while trades go on",
        venues={"binance": ("frozen", {})},
        fires=frozenset({("FeedFrozen", "binance")}),
        pages=frozenset({"FeedFrozen"}),
        mutes=frozenset({("BookFrozen", "binance/BTC/USDT"), ("BookFrozen", "binance/ETH/USDT")}),
    ),
    Drill(
        "frozen-book",
        "one book of venue bourse stands still",
        venues={"bourse": ("frozen", {"symbol": "BTC/USDT"})},
        fires=frozenset({("BookFrozen", "bourse/BTC/USDT")}),
        pages=frozenset({"BookFrozen"}),
    ),
    Drill(
        "lost-symbol",
        "venue binance does not know one of its symbols any more",
        venues={"binance": ("delisted", {"symbol": "ETH/USDT"})},
        fires=frozenset({("FeedSilent", "binance/ETH/USDT")}),
        pages=frozenset({"FeedSilent"}),
        mutes=frozenset({("SightLost", "binance/ETH/USDT")}),
        rules=600,
    ),
    Drill(
        "crossed-book",
        "in one book of venue bourse the best bid is above the best ask",
        venues={"bourse": ("crossed", {"symbol": "ETH/USDT"})},
        fires=frozenset({("BookCrossed", "bourse/ETH/USDT")}),
        pages=frozenset({"BookCrossed"}),
    ),
    Drill(
        "book-gaps",
        "the stream of one book of venue binance leaves out every tenth update",
        venues={"binance": ("gap", {"symbol": "ETH/USDT"})},
        fires=frozenset({("BookGaps", "binance/ETH/USDT")}),
        rules=600,
    ),
    Drill(
        "thin-book",
        "next to nobody quotes one symbol of venue binance",
        venues={"binance": ("thin", {"symbol": "ETH/USDT"})},
        fires=frozenset({("SpreadWide", "binance/ETH/USDT"), ("DepthThin", "binance/ETH/USDT")}),
        rules=900,
    ),
    Drill(
        "flash-crash",
        "one price at venue bourse falls by eight percent within seconds",
        venues={"bourse": ("flash_crash", {"symbol": "ETH/USDT", "ratio": "0.08"})},
        fires=frozenset({("FlashCrash", "bourse/ETH/USDT")}),
        pages=frozenset({"FlashCrash"}),
    ),
    Drill(
        "price-apart",
        "one price at venue bourse is two percent lower than elsewhere",
        venues={"bourse": ("flash_crash", {"symbol": "BTC/USDT", "ratio": "0.02"})},
        fires=frozenset({("CrossVenueDeviation", "bourse/BTC/USDT")}),
        rules=500,
    ),
    Drill(
        "stablecoin-depeg",
        "USDT is worth 97 cents",
        venues={"kraken": ("flash_crash", {"symbol": "USDT/USD", "ratio": "0.03"})},
        fires=frozenset({("StablecoinDepeg", "kraken/USDT/USD")}),
        pages=frozenset({"StablecoinDepeg"}),
        rules=500,
    ),
    Drill(
        "withdrawal-halt",
        "nothing can be withdrawn from venue bourse",
        venues={"bourse": ("withdrawals_suspended", {})},
        fires=frozenset({("WithdrawalsHalted", "bourse")}),
        pages=frozenset({"WithdrawalsHalted"}),
        mutes=frozenset(("WithdrawalsSuspended", f"bourse/{currency}") for currency in ("BTC", "ETH", "USDT")),
        rules=1200,
    ),
    Drill(
        "market-halt",
        "venue bourse halts trading in one symbol",
        venues={"bourse": ("halt", {"symbol": "ETH/USDT"})},
        fires=frozenset({("MarketHalted", "bourse/ETH/USDT")}),
        pages=frozenset({"MarketHalted"}),
        rules=400,
    ),
    Drill(
        "oracle-silent",
        "WETH's oracle says nothing more",
        market=SILENT,
        fires=frozenset({("OracleStale", f"{POOLS}/weth-usd")}),
        pages=frozenset({"OracleStale"}),
        threshold=40,
    ),
    Drill(
        BOUND,
        "WBTC has fallen to half its price and lower, and its oracle answers half: it can not say less",
        market=BOUND,
        fires=frozenset({("OracleAtBound", f"{POOLS}/wbtc-usd")}),
        pages=frozenset({"OracleAtBound"}),
        threshold=15,
    ),
    Drill(
        MANIPULATION,
        "somebody brings a pool's price to 10 % above its oracle's, and back after five seconds",
        market=MANIPULATION,
        fires=frozenset({("PoolManipulated", f"{POOLS}/wbtc-usdc")}),
        pages=frozenset({"PoolManipulated"}),
        threshold=15,
    ),
    Drill(
        DRAIN,
        "four fifths of a pool's liquidity are withdrawn",
        market=DRAIN,
        fires=frozenset({("PoolDrained", f"{POOLS}/wbtc-dai-v2")}),
        pages=frozenset({"PoolDrained"}),
        threshold=15,
    ),
    Drill(
        RANGE,
        "a price rises by 1.7 %, and leaves the range of a position of ours",
        market=RANGE,
        fires=frozenset({("PositionOutOfRange", f"{POOLS}/lp-2")}),
        threshold=15,
        rules=900,
    ),
    Drill(
        SEQUENCER,
        "the sequencer of the chain with the pools is down",
        market=SEQUENCER,
        fires=frozenset({("SequencerDown", POOLS)}),
        pages=frozenset({"SequencerDown"}),
        threshold=15,
    ),
    Drill(
        "depeg",
        "USDC is 1.5 % less than a dollar",
        market=DEPEGGED,
        fires=frozenset({("StablecoinDepegged", f"{POOLS}/usdc-usd")}),
        pages=frozenset({"StablecoinDepegged"}),
        threshold=15,
    ),
    # What is done about it, an action for each executor; then what the receiver does by itself.
    Drill(
        "halt-engine",
        "a book of venue bourse is crossed: the engine is told to stop there, and two people approve",
        venues={"bourse": ("crossed", {"symbol": "ETH/USDT"})},
        fires=frozenset({("BookCrossed", "bourse/ETH/USDT")}),
        pages=frozenset({"BookCrossed"}),
        answer=ByPeople("halt", {"venue": "bourse"}, undo="resume"),
        to=("BookCrossed", "bourse/ETH/USDT"),
    ),
    Drill(
        "smaller-orders",
        "a book of venue binance is crossed: the engine's largest order becomes smaller",
        venues={"binance": ("crossed", {"symbol": "BTC/USDT"})},
        fires=frozenset({("BookCrossed", "binance/BTC/USDT")}),
        pages=frozenset({"BookCrossed"}),
        answer=ByPeople("order-size", {"usd": "20000"}, undo="order-size", undo_parameters={"usd": "25000"}),
        to=("BookCrossed", "binance/BTC/USDT"),
    ),
    Drill(
        "cancel-orders",
        "a book of venue binance is crossed: the engine stops there, and its orders are cancelled but for stops",
        venues={"binance": ("crossed", {"symbol": "ETH/USDT"})},
        fires=frozenset({("BookCrossed", "binance/ETH/USDT")}),
        pages=frozenset({"BookCrossed"}),
        answer=ByPeople("halt-and-cancel", {"venue": TRADED}, undo="resume", seen=no_orders, at_once=True),
        to=("BookCrossed", "binance/ETH/USDT"),
    ),
    Drill(
        "quiet-node",
        f"node {GAMMA} stays at its block, as it was told to: its lag is muted",
        breaks={GAMMA: Fault.STALL},
        fires=frozenset({("NodeLagging", _node(GAMMA))}),
        threshold=10,
        answer=ByPeople(
            "quiet-node", undo="hear-node", undo_parameters={"node": _node(GAMMA)}, seen=silenced, at_once=True
        ),
        to=("NodeLagging", _node(GAMMA)),
    ),
    Drill(
        "evidence",
        "a book of venue kraken is crossed: a script notes it",
        venues={"kraken": ("crossed", {})},
        fires=frozenset({("BookCrossed", "kraken/BTC/USD")}),
        pages=frozenset({"BookCrossed"}),
        follows=frozenset({"BookCrossed"}),
        answer=ByPeople("evidence", seen=noted),
        to=("BookCrossed", "kraken/BTC/USD"),
    ),
    Drill(
        "shadow",
        "one price at venue bourse falls: the receiver says what it would have done, and does nothing",
        venues={"bourse": ("flash_crash", {"symbol": "ETH/USDT", "ratio": "0.08"})},
        fires=frozenset({("FlashCrash", "bourse/ETH/USDT")}),
        pages=frozenset({"FlashCrash"}),
        answer=ByItself("halt-in-crash", "shadow", "acted"),
        to=("FlashCrash", "bourse/ETH/USDT"),
    ),
    Drill(
        "frozen",
        "a book of venue bourse is crossed while everything is frozen: the receiver does nothing",
        venues={"bourse": ("crossed", {"symbol": "BTC/USDT"})},
        fires=frozenset({("BookCrossed", "bourse/BTC/USDT")}),
        pages=frozenset({"BookCrossed"}),
        frozen=True,
        answer=ByItself("pull-quotes", "auto", "held", "frozen"),
        to=("BookCrossed", "bourse/BTC/USDT"),
    ),
    Drill(
        "storm",
        "the books of all venues are crossed at once: that is a storm, and the receiver does nothing by itself",
        venues=dict.fromkeys(VENUES, ("crossed", {})),
        fires=frozenset(
            ("BookCrossed", f"{venue}/{base}/USDT") for venue in ("binance", "bourse") for base in ("BTC", "ETH")
        )
        | {("BookCrossed", "kraken/BTC/USD")},
        pages=frozenset({"BookCrossed"}),
        answer=ByItself("pull-quotes", "auto", "held", "storm"),
        to=("BookCrossed", "bourse/BTC/USDT"),
    ),
    Drill(
        "by-itself",
        "a book of venue bourse is crossed: the receiver stops the engine there by itself, once an hour",
        venues={"bourse": ("crossed", {"symbol": "BTC/USDT"})},
        fires=frozenset({("BookCrossed", "bourse/BTC/USDT")}),
        pages=frozenset({"BookCrossed"}),
        answer=ByItself("pull-quotes", "auto", "acted", parameters={"venue": "bourse"}, undo="resume"),
        to=("BookCrossed", "bourse/BTC/USDT"),
    ),
)
