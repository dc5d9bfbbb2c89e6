"""What goes wrong with pools and oracles."""

from demo.mishaps import BOUND, DEPEGGED, DRAIN, MANIPULATION, RANGE, SEQUENCER, SILENT
from demo.pools import CHAIN

from .drill import Drill

DRILLS = (
    Drill(
        "oracle-silent",
        "WETH's oracle says nothing more",
        market=SILENT,
        fires=frozenset({("OracleStale", f"{CHAIN}/weth-usd")}),
        pages=frozenset({"OracleStale"}),
        threshold=40,
    ),
    Drill(
        BOUND,
        "WBTC has fallen to half its price and lower, and its oracle answers half: it can not say less",
        market=BOUND,
        fires=frozenset({("OracleAtBound", f"{CHAIN}/wbtc-usd")}),
        pages=frozenset({"OracleAtBound"}),
        threshold=15,
    ),
    Drill(
        MANIPULATION,
        "somebody brings a pool's price to 10 % above its oracle's, and back after five seconds",
        market=MANIPULATION,
        fires=frozenset({("PoolManipulated", f"{CHAIN}/wbtc-usdc")}),
        pages=frozenset({"PoolManipulated"}),
        threshold=15,
    ),
    Drill(
        DRAIN,
        "four fifths of a pool's liquidity are withdrawn",
        market=DRAIN,
        fires=frozenset({("PoolDrained", f"{CHAIN}/wbtc-dai-v2")}),
        pages=frozenset({"PoolDrained"}),
        threshold=15,
    ),
    Drill(
        RANGE,
        "a price rises by 1.7 %, and leaves the range of a position of ours",
        market=RANGE,
        fires=frozenset({("PositionOutOfRange", f"{CHAIN}/lp-2")}),
        threshold=15,
        rules=900,
    ),
    Drill(
        SEQUENCER,
        "the sequencer of the chain with the pools is down",
        market=SEQUENCER,
        fires=frozenset({("SequencerDown", CHAIN)}),
        pages=frozenset({"SequencerDown"}),
        threshold=15,
    ),
    Drill(
        "depeg",
        "USDC is 1.5 % less than a dollar",
        market=DEPEGGED,
        fires=frozenset({("StablecoinDepegged", f"{CHAIN}/usdc-usd")}),
        pages=frozenset({"StablecoinDepegged"}),
        threshold=15,
    ),
)
