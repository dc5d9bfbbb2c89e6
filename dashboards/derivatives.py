"""What the board of exchanges shows of contracts: what they cost to hold, how far they are from their index, how many are open."""

from __future__ import annotations

from .kit.panels import Column, Header, Panel, Query, Scale, table, timeseries
from .kit.query import MOST
from .kit.rules import Rules
from .kit.theme import Unit
from .queries import books as q

_BOOK = "{{venue}} {{symbol}}"
_UNTOLD = "no contract, or the venue does not say"


def contracts(rules: Rules) -> list[Panel]:
    """Curves of the most extreme ones, then a row for each. Limits of each symbol's own are in the curves."""
    funding, away = rules["FundingExtreme"], rules["MarkDeviating"]
    return [
        timeseries(
            Header("Funding", f"What does a year cost longs? The {MOST} closest to their limits.", (funding,)),
            Scale(Unit.RATIO, nothing=_UNTOLD, signed=True),
            Query(q.nearest("funding_ratio"), _BOOK),
            bounds=_limits("funding_ratio"),
            width=8,
        ),
        timeseries(
            Header("Basis", f"How far is each mark price from its index? The {MOST} closest to their limits.", (away,)),
            Scale(Unit.RATIO, signed=True),
            Query(q.nearest("mark_deviation_ratio"), _BOOK),
            bounds=_limits("mark_deviation_ratio"),
            width=8,
        ),
        timeseries(
            Header("Open interest", f"For how many dollars are contracts open? The {MOST} highest.", (funding, away)),
            Scale(Unit.DOLLARS, nothing=_UNTOLD),
            Query(q.most_open_interest(), _BOOK),
            width=8,
        ),
        table(
            Header(
                "Contracts",
                "What does each contract cost to hold, and how far is it from its index?",
                (rules["PositionNearLiquidation"],),
            ),
            {"venue": "Venue", "symbol": "Symbol"},
            [
                Column("A year's funding", q.funding(), Scale(Unit.RATIO, nothing=_UNTOLD)),
                Column("Predicted rate", q.funding_rate("predicted"), Scale(Unit.RATIO, nothing=_UNTOLD, decimals=4)),
                Column("Last rate", q.funding_rate("last"), Scale(Unit.RATIO, nothing=_UNTOLD, decimals=4)),
                Column("Settled in", q.funding_in(), Scale(Unit.SECONDS, nothing=_UNTOLD)),
                Column("Interval", q.funding_interval(), Scale(Unit.SECONDS, nothing=_UNTOLD)),
                Column("Mark price", q.mark(), Scale(Unit.PRICE)),
                Column("Index price", q.index(), Scale(Unit.PRICE)),
                Column("Basis", q.basis(), Scale(Unit.RATIO)),
                Column("Open interest", q.open_interest(), Scale(Unit.DOLLARS, nothing=_UNTOLD)),
            ],
        ),
    ]


def _limits(threshold: str) -> list[Query]:
    """On both sides of zero."""
    return [Query(q.bound(threshold), "{{symbol}} limit"), Query(q.lower_bound(threshold), "{{symbol}} limit")]
