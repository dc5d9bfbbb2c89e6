"""The drills: what is broken in the running demo, which alerts must come of it, and which must not."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .centre import CANARIES, NODES
from .faults import Fault
from .pools import CHAIN as POOLS
from .pools import DEPEGGED, SILENT
from .settings import CHAIN

ALPHA, BETA, GAMMA = NODES

Alert = tuple[str, str]
"""Name and entity."""


@dataclass(frozen=True)
class Drill:
    """A fault, and what must come of it.

    `breaks` is the fault of each node and canary; `halts` whether the chain itself makes no block meanwhile; `market` a fault
    of the chain with the pools (`pools.py`). `fires` must
    reach the receiver within `threshold` seconds, which are real, plus `rules` seconds, which are those of the shipped
    rules and divided by the demo's time scale. `pages` of those must reach the pager. `mutes` must fire and reach nobody.
    What `follows` may fire as well; anything else must not.
    """

    name: str
    story: str
    fires: frozenset[Alert]
    breaks: Mapping[str, Fault] = field(default_factory=dict)
    halts: bool = False
    market: str = ""
    pages: frozenset[str] = frozenset()
    mutes: frozenset[Alert] = frozenset()
    follows: frozenset[str] = frozenset()
    threshold: float = 5
    rules: float = 240

    def within(self, scale: float) -> float:
        """Seconds from the fault to the receiver, at most."""
        return self.threshold + self.rules / scale


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
        "oracle-silent",
        "WETH's oracle says nothing more",
        market=SILENT,
        fires=frozenset({("OracleStale", f"{POOLS}/weth-usd")}),
        pages=frozenset({"OracleStale"}),
        threshold=40,
    ),
    Drill(
        "depeg",
        "USDC is 1.5 % less than a dollar",
        market=DEPEGGED,
        fires=frozenset({("StablecoinDepegged", f"{POOLS}/usdc-usd")}),
        pages=frozenset({"StablecoinDepegged"}),
        threshold=15,
    ),
)
