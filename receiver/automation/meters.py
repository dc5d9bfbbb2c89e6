"""Numbers about what the receiver does by itself. Used from the event loop alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product

from occ.page import Event, Page
from receiver.families import AUTOMATION, HOLDS_BACK, KINDS_OF_AUTOMATION

from .store import Decision, Outcome


class AutomationMeters:
    """Counts from 0 at every start."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def know(self, actions: Iterable[str], modes: Mapping[str, str]) -> None:
        """Makes the series be there before the first time: of every action what may be done, and of those that have one of these
        modes by now also what may hold it back.
        """
        for action, kind, outcome in product(actions, KINDS_OF_AUTOMATION, (Outcome.ACTED, Outcome.WITHDRAWN)):
            self._count(action, kind, outcome, 0)
        for (action, kind), why in product(modes.items(), HOLDS_BACK):
            self._count(action, kind, why, 0)

    def decided(self, decision: Decision) -> None:
        """Counts what was decided by what came of it, or by what holds it back."""
        held = decision.why if decision.outcome is Outcome.HELD and decision.why else decision.outcome
        self._count(decision.action, decision.kind, held, 1)

    def _count(self, action: str, kind: str, outcome: str, amount: int) -> None:
        labels = {"action": action, "kind": kind, "outcome": str(outcome)}
        self._page.count(Event(AUTOMATION, labels, amount))
