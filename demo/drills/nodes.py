"""What goes wrong with nodes, their chain, and the way to them."""

from demo.centre import CANARIES, NODES
from demo.faults import Fault
from demo.settings import CHAIN

from .drill import Drill

ALPHA, BETA, GAMMA = NODES


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
)
