"""At which mark price a pot of money no longer covers the maintenance margin of what it holds in one symbol: the formulas against
which tests hold margin usage, and the prices of the venue server. The exporter shows the venues' own prices and computes none: each
venue that liquidates by such a formula tells its price, and of the others (Kraken's spot margin, whose level is approximate; options)
no formula is exact.

A position of size q (below 0: sold) that was entered at E is worth, at the mark price P, in the asset it is settled in

- linear (q in base, settled in quote):    profit q (P - E),      value |q| P,
- inverse (q in quote, settled in base):   profit q (1/E - 1/P),  value |q| / P,

and needs `rate` x value - `deduction` to be held. The pot covers that while collateral + profit exceeds it; the liquidation price
is where both are equal. Sources: Binance, "How to Calculate Liquidation Price of USDⓈ-M Futures Contracts" and the same of COIN-M;
Bybit, "Liquidation Price Calculation under Isolated Mode (Unified Trading Account)", whose examples leave the maintenance margin as
it was at entry: then `rate` is 0, and `deduction` that margin with a minus.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Held:
    """A position: `size` of its sign, `entry` price, and the `rate` and `deduction` of the tier that it is in at the liquidation
    price. In hedge mode a symbol has two.
    """

    size: Decimal
    entry: Decimal
    rate: Decimal
    deduction: Decimal = Decimal(0)


def maintenance(value: Decimal, rate: Decimal, deduction: Decimal = Decimal(0)) -> Decimal:
    """What must be held for a position of this value, in the asset it is settled in."""
    return value * rate - deduction


def deduction(floor: Decimal, rate: Decimal, rate_below: Decimal, deduction_below: Decimal = Decimal(0)) -> Decimal:
    """Of a tier that begins at the value `floor`, so that the maintenance margin does not jump there: Binance's maintenance amount,
    Bybit's maintenance margin deduction.
    """
    return floor * (rate - rate_below) + deduction_below


def collateral(wallet: Decimal, others: Iterable[tuple[Decimal, Decimal]] = ()) -> Decimal:
    """What covers a symbol: an isolated position's own wallet; on cross margin the wallet with the unrealized profit of all other
    symbols and without their maintenance margin, which `others` are, in this order, while their prices stay as they are.
    """
    return wallet + sum((profit - needed for profit, needed in others), Decimal(0))


def linear(held: Iterable[Held], covered_by: Decimal) -> Decimal | None:
    """The price at which the positions of a linear symbol are liquidated, in quote per base; None where no price does that.

    `covered_by` is their `collateral`, in quote.
    """
    all_of = tuple(held)
    slope = sum((each.size - each.rate * abs(each.size) for each in all_of), Decimal(0))
    cost = sum((each.size * each.entry - each.deduction for each in all_of), Decimal(0))
    return _price(cost - covered_by, slope)


def inverse(held: Iterable[Held], covered_by: Decimal) -> Decimal | None:
    """As `linear`, for an inverse symbol: sizes in quote (contracts times their size), `covered_by` and deductions in base."""
    all_of = tuple(held)
    needed = sum((each.size + each.rate * abs(each.size) for each in all_of), Decimal(0))
    worth = sum((each.size / each.entry + each.deduction for each in all_of), Decimal(0))
    return _price(needed, worth + covered_by)


def _price(numerator: Decimal, denominator: Decimal) -> Decimal | None:
    found = numerator / denominator if denominator else Decimal(0)
    return found if found > 0 else None
