"""What the engine shows at /metrics."""

from occ.errors import Reason
from occ.metrics import Catalogue
from occ.page import Column, Event, Page

from . import families
from .families import ACCEPTED, REJECTED, UNKNOWN
from .ledger import Ledger
from .state import Engine

_SAID_NO = frozenset({Reason.RPC_ERROR, Reason.AUTH, Reason.RATE_LIMITED, Reason.MAINTENANCE, Reason.NOT_SUPPORTED})
"""Errors by which a venue says that there is no such order; after any other there may be one."""


class Figures:
    """Of one engine and what it holds. Every series that can be foreseen is there from the start, at 0."""

    def __init__(self, engine: Engine, ledger: Ledger) -> None:
        self._engine, self._ledger = engine, ledger
        self._page = Page(Catalogue(families.FAMILIES))
        self._acks = self._page.histogram(families.ORDER_ACK)
        self._markets = tuple(
            {"venue": venue, "symbol": symbol} for venue, symbols in engine.markets.items() for symbol in symbols
        )
        self._bases = tuple({"base": base} for base in dict.fromkeys(_base(row["symbol"]) for row in self._markets))
        for venue in engine.markets:
            self._acks.labels(venue)
            self._count(venue, ACCEPTED, "", 0)
            for reason in Reason:
                self._count(venue, REJECTED if reason in _SAID_NO else UNKNOWN, reason, 0)

    def accepted(self, venue: str, seconds: float) -> None:
        """An order that the venue took, and how long that was in coming."""
        self._acks.labels(venue).observe(seconds)
        self._count(venue, ACCEPTED, "")

    def failed(self, venue: str, reason: Reason) -> None:
        """An order that was sent, and for which there was an error instead."""
        self._count(venue, REJECTED if reason in _SAID_NO else UNKNOWN, reason)

    def _count(self, venue: str, outcome: str, reason: str, amount: float = 1) -> None:
        self._page.count(Event(families.ORDERS, {"venue": venue, "outcome": outcome, "reason": reason}, amount))

    def shown(self, heartbeat: float) -> bytes:
        """The page, for Prometheus; `heartbeat` is when the main loop last turned."""
        quoting = [int(self._engine.quoting(row["venue"])) for row in self._markets]
        positions = [self._ledger.position(row["base"]) for row in self._bases]
        columns = [
            Column(families.HEARTBEAT, ({},), [heartbeat]),
            Column(families.QUOTING, self._markets, quoting),
            Column(families.KILL_SWITCH, ({},), [int(self._engine.killed)]),
            Column(families.POSITION, self._bases, [None if each is None else float(each) for each in positions]),
        ]
        self._page.put("engine", columns)
        self._page.refresh()
        return self._page.render()


def _base(symbol: str) -> str:
    return symbol.partition("/")[0].partition("-")[0]
