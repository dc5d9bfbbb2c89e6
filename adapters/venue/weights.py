"""What looks at an account take of an exchange's limits, reckoned before anything is asked.

It is the least: each list is one page, and nothing is held. Tests hold it against what is asked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from . import library
from .account import INVERSE, LINEAR, MARKETS, SPOT
from .budget import PARTS, WINDOW
from .looking import ALGOS


@dataclass(frozen=True, slots=True)
class Cost:
    """`units` of ccxt's in a part of the venue (`budget.PARTS`), where the account trades in this `market`; where `each`, for every
    configured symbol of that.
    """

    units: float
    part: str = ""
    market: str | None = None
    each: bool = False


_OKX_ORDERS = (Cost(len(ALGOS) + 1 / 3),)

LOOKS: Mapping[str, Mapping[str, tuple[Cost, ...]]] = {
    "binance": {
        "orders": (
            Cost(1.2, "", SPOT, each=True),
            Cost(2, "fapi", LINEAR, each=True),
            Cost(2, "dapi", INVERSE, each=True),
        ),
        "unlisted_orders": (Cost(16, "", SPOT), Cost(80, "fapi", LINEAR), Cost(80, "dapi", INVERSE)),
        "balances": (Cost(4, "", SPOT), Cost(5, "fapi", LINEAR), Cost(5, "dapi", INVERSE)),
        "margin": (Cost(10, "fapi", LINEAR), Cost(5, "dapi", INVERSE)),
        "positions": (Cost(5, "fapi", LINEAR), Cost(1, "dapi", INVERSE)),
        "reductions": (Cost(50, "fapi", LINEAR), Cost(50, "dapi", INVERSE)),
    },
    "okx": {
        "orders": _OKX_ORDERS,
        "unlisted_orders": _OKX_ORDERS,
        "balances": (Cost(2),),
        "margin": (Cost(4),),
        "positions": (Cost(2),),
        "reductions": (Cost(4),),
    },
}
"""By ccxt's id and check. Of the others an account takes less than a tenth, and nothing of what another one has."""

_ALSO = {"binancecoinm": "binance", "binanceusdm": "binance"}


def wanted(
    exchange: str, intervals: Mapping[str, float], markets: Collection[str], symbols: Mapping[str, int]
) -> Mapping[str, float]:
    """Which share of each part of an exchange's limits an account wants whose checks look every so many seconds. It trades in these
    `markets`, or in all; `symbols` are how many are configured of each. None of what is not reckoned.
    """
    looks, traded = LOOKS.get(_ALSO.get(exchange, exchange), {}), MARKETS.get(exchange, ())
    found: dict[str, float] = {}
    for check, interval in intervals.items():
        for cost in looks.get(check, ()):
            market = cost.market
            if market is None or (market in traded and market in (markets or (market,))):
                units = cost.units * (symbols.get(market or "", 0) if cost.each else 1)
                found[cost.part] = found.get(cost.part, 0.0) + units * WINDOW / interval / _limit(exchange, cost.part)
    return found


def _limit(exchange: str, part: str) -> float:
    """Of a minute, in ccxt's units."""
    of = PARTS.get(exchange, {})
    return of[part] if part in of else WINDOW * 1000 / float(library.kind(exchange)().rateLimit)
