"""What positions in contracts need and when they are closed: Binance's formulas for USDⓈ-M futures. Pure.

Sizes are in the base asset, below 0 where sold; prices and amounts in the settlement asset.
"""

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

_HALVINGS = 200  # more than a float has digits


class Bracket(NamedTuple):
    """A range of notional values: `leverage` is the highest there, `ratio` the share that is to be maintained, less `amount`."""

    floor: Decimal
    cap: Decimal
    leverage: int
    ratio: Decimal
    amount: Decimal


Brackets = tuple[Bracket, ...]


def brackets(*steps: tuple[int, int, str]) -> Brackets:
    """Of caps, leverages and ratios. The amounts make the maintenance continuous ("Leverage and Margin of USDⓈ-M Futures"):
    amount of level n = floor of n * (ratio of n - ratio of n-1) + amount of level n-1.
    """
    found: list[Bracket] = []
    floor = last = amount = Decimal(0)
    for cap, leverage, text in steps:
        ratio = Decimal(text)
        amount += floor * (ratio - last)
        found.append(Bracket(floor, Decimal(cap), leverage, ratio, amount))
        floor, last = Decimal(cap), ratio
    return tuple(found)


def bracket(notional: Decimal, of: Brackets) -> Bracket:
    """Where a value is; the last one has no upper end."""
    return next((each for each in of if abs(notional) <= each.cap), of[-1])


def maintenance(notional: Decimal, of: Brackets) -> Decimal:
    """Notional value * ratio - amount, by its bracket ("Leverage and Margin of USDⓈ-M Futures")."""
    found = bracket(notional, of)
    return abs(notional) * found.ratio - found.amount


def usage(maintained: Decimal, balance: Decimal) -> float:
    """Maintenance margin over margin balance: 1 is liquidation ("Liquidation Protocols"). Infinite where nothing is left."""
    if not maintained:
        return 0.0
    return float(maintained / balance) if balance > 0 else math.inf


class Leg(NamedTuple):
    """A position; of one contract there are two in hedge mode."""

    size: Decimal
    entry: Decimal


def liquidation_price(balance: Decimal, legs: Sequence[Leg], of: Brackets, mark: Decimal) -> Decimal | None:
    """The mark price at which the margin balance is the maintenance margin; None where no price above 0 is.

    "How to Calculate Liquidation Price of USDⓈ-M Futures Contracts":
    LP = (WB - TMM + UPNL + sum of amounts - sum of size * entry) / (sum of |size| * ratio - sum of size),
    where `balance` is WB - TMM + UPNL: the wallet, less the maintenance of other contracts, plus their profit. Ratios and
    amounts are those of the brackets at that very price, as the page's note says: looked for from `mark` on.
    """
    price = mark
    for _ in range(2 * len(of) * len(legs)):
        chosen = [bracket(leg.size * price, of) for leg in legs]
        slope = sum((abs(leg.size) * at.ratio - leg.size for leg, at in zip(legs, chosen, strict=True)), Decimal(0))
        if not slope:
            return None
        amounts = sum((at.amount for at in chosen), Decimal(0))
        found = (balance + amounts - sum((leg.size * leg.entry for leg in legs), Decimal(0))) / slope
        price = max(found, Decimal(0))
        if chosen == [bracket(leg.size * price, of) for leg in legs]:
            return found if found > 0 else None
    return None


def crossing(above: Callable[[float], bool], low: float, high: float) -> float:
    """Where `above` begins to hold between `low`, where it does not, and `high`, where it does; by halving."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (low, middle) if above(middle) else (middle, high)
    return high


BTC = brackets(
    (50_000, 125, "0.004"), (250_000, 100, "0.005"), (1_000_000, 50, "0.01"), (10_000_000, 20, "0.025"),
    (20_000_000, 10, "0.05"), (50_000_000, 5, "0.1"), (100_000_000, 4, "0.125"), (200_000_000, 3, "0.15"),
    (300_000_000, 2, "0.25"), (500_000_000, 1, "0.5"),
)  # fmt: skip
ETH = brackets(
    (10_000, 100, "0.005"), (100_000, 75, "0.0065"), (500_000, 50, "0.01"), (1_000_000, 25, "0.02"),
    (2_000_000, 10, "0.05"), (5_000_000, 5, "0.1"), (10_000_000, 4, "0.125"), (20_000_000, 3, "0.15"),
    (40_000_000, 2, "0.25"), (100_000_000, 1, "0.5"),
)  # fmt: skip
OTHERS = brackets(
    (5_000, 50, "0.01"), (25_000, 20, "0.025"), (100_000, 10, "0.05"), (250_000, 5, "0.1"), (1_000_000, 2, "0.125"),
    (5_000_000, 1, "0.5"),
)  # fmt: skip


def brackets_of(base: str) -> Brackets:
    """Those of a contract, as Binance had them when it published its examples."""
    return {"BTC": BTC, "ETH": ETH}.get(base, OTHERS)
