"""What only several readings together can say: a book that stands still while others move, prices out of line, and what the desk
holds of an asset over all its accounts.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import Any

from exporters.exchange.columns import SYMBOL
from exporters.exchange.reading import BalancesReading, BookReading, PositionsReading, PriceReading, TradesReading
from exporters.exchange.symbols import base_of, kind_of, quote_of
from occ.job import Aged, Target
from occ.metrics import Family, Kind
from occ.page import Column, Rows
from occ.poller import Board

GOES_ON_SECONDS = 2.0
"""For so long trades must print, or other venues move, while a book stands still: one message may come before another."""

MOVING_VENUES = 2
COMPARED_VENUES = 3

FROZEN = Family(
    "exchange_book_frozen",
    Kind.GAUGE,
    f"1 while the book does not change although for {GOES_ON_SECONDS:g} s trades have printed there or at least "
    f"{MOVING_VENUES} other venues have moved in the same base, else 0; absent without a fresh book.",
    SYMBOL,
)
DEVIATION = Family(
    "exchange_cross_venue_deviation_ratio",
    Kind.GAUGE,
    f"(mid - reference) / reference, the reference being the median of at least {COMPARED_VENUES} fresh venues, this one "
    "included, of the same base, kind (spot, swap) and a dollar-like quote; positive where it is dearer here.",
    SYMBOL,
    unit="ratio",
    quiet=True,
)
STABLECOIN = Family(
    "exchange_stablecoin_deviation_ratio",
    Kind.GAUGE,
    "Price in dollars of a dollar-like asset minus 1, at the configured source: -0.01 is one cent below a dollar.",
    (*SYMBOL, "currency"),
    unit="ratio",
    quiet=True,
)
NET_DELTA = Family(
    "exchange_net_delta_base",
    Kind.GAUGE,
    "What all accounts together hold of an asset, in its units: what belongs to them by their balances, debts negative, and their "
    "positions in contracts and on margin, of the base and of what they are quoted in, short negative; aliases are one asset, and "
    "dollar-like ones are none. Of contracts that are settled in the asset, the open profit counts as well. 0 where nothing is held of a configured symbol's base. Absent "
    "unless the balances and positions of every account of this process are fresh.",
    ("base",),
    quiet=True,
)

DERIVED_FAMILIES = (FROZEN, DEVIATION, STABLECOIN, NET_DELTA)

Books = Mapping[Target, Aged[BookReading]]


@dataclass(frozen=True, slots=True)
class Group:
    """What is compared: a base, and whether it is bought now or held as a swap."""

    base: str
    kind: str


def went_on(instants: Sequence[float], since: float, seconds: float = GOES_ON_SECONDS) -> bool:
    """Whether of these instants, in their order, those after `since` go on for so long: from the first to the last of them."""
    if not instants or instants[-1] - since < seconds:
        return False
    first = instants[bisect_right(instants, since)]
    return instants[-1] - first >= seconds


def frozen(
    book: BookReading, prints: Sequence[float], others: Iterable[Sequence[float]], *, followed: bool = True
) -> bool:
    """Whether a book stands still. `prints` are of its own trades, `others` the moves of the same on other venues.

    One that is not followed, or not any more, is known to stand still only until it was last heard of: a venue that does not
    answer has no frozen books.
    """

    def while_it_stood(instants: Sequence[float]) -> bool:
        known = instants if followed else instants[: bisect_right(instants, book.received_at)]
        return went_on(known, book.changed_at)

    return while_it_stood(prints) or sum(map(while_it_stood, others)) >= MOVING_VENUES


def reference(mids: Mapping[str, Sequence[float]]) -> float | None:
    """The median of the venues' mids; of one with several symbols their median counts. None with too few venues."""
    if len(mids) < COMPARED_VENUES:
        return None
    return median(median(of_venue) for of_venue in mids.values())


def net_delta(
    balances: Iterable[BalancesReading], positions: Iterable[PositionsReading], base: Callable[[str], str]
) -> Mapping[str, float | None]:
    """By asset what all balances and positions come to; None where that is not known of a position. `base` is the one name of
    an asset.
    """
    found: dict[str, list[float | None]] = {}
    for held in balances:
        for (asset, kind), amount in held.amounts.items():
            if kind == "total":
                found.setdefault(base(asset), []).append(amount)
    for opened in positions:
        for asset, delta in opened.deltas.items():
            found.setdefault(base(asset), []).append(delta)
    return {asset: _sum(amounts) for asset, amounts in found.items()}


def _sum(amounts: Sequence[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return math.fsum(known) if len(known) == len(amounts) else None


class Derivation:
    """Derives what several readings say. `books` are those of all venues, `bases` the names of assets with aliases.

    `followed` tells of a book whether its stream is open just now, which a reading from before can not know. `accounts` are those
    of all venues, and `traded` the symbols of theirs.
    """

    def __init__(
        self,
        books: Sequence[Target],
        prices: Sequence[Target],
        dollar_like: Sequence[str],
        bases: Mapping[str, str],
        followed: Callable[[Target], bool],
        *,
        accounts: Sequence[Target] = (),
        traded: Iterable[str] = (),
    ) -> None:
        self._followed = followed
        self._accounts = tuple(accounts)
        self._bases = bases
        self._books = tuple(books)
        self._rows = tuple(target.labels for target in self._books)
        self._groups = {target: _group(target, bases) for target in self._books}
        self._dollar_like = frozenset(dollar_like)
        self._comparable = [target for target in self._books if self._compares(target)]
        self._stable = [target for target in prices if base_of(target.labels["symbol"]) in self._dollar_like]
        self._stable_rows = tuple(
            {**target.labels, "currency": base_of(target.labels["symbol"])} for target in self._stable
        )
        self._traded = frozenset(self._base(base_of(symbol)) for symbol in traded)

    def _compares(self, target: Target) -> bool:
        symbol = target.labels["symbol"]
        return quote_of(symbol) in self._dollar_like and kind_of(symbol) in ("spot", "swap")

    def __call__(self, board: Board) -> Iterable[Column]:
        books: Books = _offered(board, "order_book")
        deviations = self._deviations(books)
        yield Column(FROZEN, self._rows, self._frozen(books, _offered(board, "trades")))
        yield Column(DEVIATION, self._rows, [deviations.get(target) for target in self._books])
        yield Column(STABLECOIN, self._stable_rows, self._stablecoins(_offered(board, "prices")))
        deltas = self._net_deltas(_offered(board, "balances"), _offered(board, "positions"))
        yield Column(NET_DELTA, _base_rows(tuple(deltas)), list(deltas.values()))

    # --- standing still ----------------------------------------------------------------------------------------------

    def _frozen(self, books: Books, trades: Mapping[Target, Aged[TradesReading]]) -> list[float | None]:
        moves: dict[str, dict[str, Sequence[float]]] = {}
        for target, aged in books.items():
            of_base, venue = moves.setdefault(self._groups[target].base, {}), target.labels["venue"]
            known = of_base.get(venue)
            of_base[venue] = sorted((*known, *aged.reading.moves)) if known else aged.reading.moves
        return [self._stands(target, books, trades, moves) for target in self._books]

    def _stands(
        self,
        target: Target,
        books: Books,
        trades: Mapping[Target, Aged[TradesReading]],
        moves: Mapping[str, Mapping[str, Sequence[float]]],
    ) -> float | None:
        if target not in books:
            return None
        prints = trades[target].reading.prints if target in trades else ()
        venues = moves[self._groups[target].base]
        others = [moved for name, moved in venues.items() if name != target.labels["venue"]]
        return float(frozen(books[target].reading, prints, others, followed=self._followed(target)))

    # --- out of line -------------------------------------------------------------------------------------------------

    def _deviations(self, books: Books) -> Mapping[Target, float]:
        groups: dict[Group, dict[Target, float]] = {}
        for target in self._comparable:
            mid = books[target].reading.quality.mid if target in books else None
            if mid is not None and not books[target].reading.quality.crossed:
                groups.setdefault(self._groups[target], {})[target] = mid
        return {target: ratio for mids in groups.values() for target, ratio in _against_the_others(mids).items()}

    def _stablecoins(self, prices: Mapping[Target, Aged[PriceReading]]) -> list[float | None]:
        return [prices[target].reading.price - 1 if target in prices else None for target in self._stable]

    # --- over all accounts -------------------------------------------------------------------------------------------

    def _base(self, asset: str) -> str:
        return self._bases.get(asset, asset)

    def _net_deltas(
        self, balances: Mapping[Target, Aged[BalancesReading]], positions: Mapping[Target, Aged[PositionsReading]]
    ) -> Mapping[str, float | None]:
        """In the order of their names; none unless every account is seen whole."""
        if not self._accounts or not all(each in balances and each in positions for each in self._accounts):
            return {}
        found = net_delta(
            (balances[each].reading for each in self._accounts),
            (positions[each].reading for each in self._accounts),
            self._base,
        )
        dollars = {self._base(asset) for asset in self._dollar_like}
        return {asset: found.get(asset, 0.0) for asset in sorted({*found, *self._traded} - dollars)}


@lru_cache(maxsize=8)
def _base_rows(bases: tuple[str, ...]) -> Rows:
    return tuple({"base": base} for base in bases)


def _offered(board: Board, check: str) -> Mapping[Target, Aged[Any]]:
    return {target: aged for target, aged in board.get(check, {}).items() if aged.reading is not None}


def _against_the_others(mids: Mapping[Target, float]) -> Mapping[Target, float]:
    by_venue: dict[str, list[float]] = {}
    for target, mid in mids.items():
        by_venue.setdefault(target.labels["venue"], []).append(mid)
    middle = reference(by_venue)
    return {} if middle is None else {target: (mid - middle) / middle for target, mid in mids.items()}


def _group(target: Target, bases: Mapping[str, str]) -> Group:
    symbol = target.labels["symbol"]
    base = base_of(symbol)
    return Group(bases.get(base, base), kind_of(symbol))
