"""The receiver's own numbers on its page. Used from the event loop alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from occ.page import Column, Event, Page

from .clock import SECOND
from .families import (
    ACTION_DURATION,
    ACTIVE,
    ALERTS,
    APPROVAL_WAIT,
    BLOCKED,
    FROZEN,
    IN_DOUBT,
    LAST_NOTIFICATION,
    NOTIFICATIONS,
    RECONCILED,
    REQUESTS_ENDED,
    REQUESTS_OPEN,
    Notification,
    Origin,
    Severity,
    Taken,
)
from .life import ENDED, State
from .queries import Standing
from .requests import Request
from .why import Why

_SEVERITIES = tuple({"severity": severity.value} for severity in Severity)
_NO_LABELS: tuple[Mapping[str, str], ...] = ({},)


class Meters:
    """Counts from 0 at every start; what stands comes from the database."""

    def __init__(self, page: Page) -> None:
        self._page = page
        for notification in Notification:
            self.notification(notification, 0)
        self.alerts(dict.fromkeys(Taken, 0))

    def notification(self, outcome: Notification, amount: int = 1) -> None:
        self._page.count(Event(NOTIFICATIONS, {"outcome": outcome.value}, amount))

    def alerts(self, taken: Mapping[Taken, int]) -> None:
        for outcome, amount in taken.items():
            self._page.count(Event(ALERTS, {"outcome": outcome.value}, amount))

    def reconciled(self, at: int) -> None:
        """Notes when what fires was last compared with what Alertmanager holds."""
        self._page.put("reconciliation", [Column(RECONCILED, _NO_LABELS, (at / SECOND,))])

    def stand(self, standing: Standing) -> None:
        last = standing.last_notification
        columns = [
            Column(ACTIVE, _SEVERITIES, [float(standing.active[severity]) for severity in Severity]),
            Column(LAST_NOTIFICATION, _NO_LABELS, (None if last is None else last / SECOND,)),
        ]
        self._page.put("receiver", columns)


class ActionMeters:
    """Numbers about requests. Counts from 0 at every start; what stands is read anew again and again."""

    def __init__(self, page: Page, actions: Iterable[str]) -> None:
        self._page = page
        self._durations = page.histogram(ACTION_DURATION)
        self._waits = page.histogram(APPROVAL_WAIT)
        for action in actions:
            self.know(action)

    def know(self, action: str) -> None:
        """Makes the series of an action be there before the first request."""
        self._durations.labels(action)
        self._waits.labels(action)
        for origin in Origin:
            for outcome in ENDED:
                self._ended(action, origin, outcome, 0)
        for why in Why:
            self._page.count(Event(BLOCKED, {"action": action, "reason": why.value}, 0))

    def turned(self, request: Request) -> None:
        """Notes what a request has become."""
        if request.state is State.APPROVED:
            self._waits.labels(request.action).observe(_seconds(request.submitted_at, request.approved_at))
        if request.state is State.BLOCKED and request.why:
            self._page.count(Event(BLOCKED, {"action": request.action, "reason": request.why.value}))
        if request.state in ENDED:
            self._ended(request.action, request.origin, request.state, 1)
            if request.started_at is not None:
                self._durations.labels(request.action).observe(_seconds(request.started_at, request.ended_at))

    def _ended(self, action: str, origin: str, outcome: State, amount: int) -> None:
        labels = {"action": action, "origin": origin, "outcome": outcome.value}
        self._page.count(Event(REQUESTS_ENDED, labels, amount))

    def stand(self, counted: Mapping[tuple[str, State], int], *, frozen: bool) -> None:
        """How many requests of which action are in which state, of those that have not ended."""
        rows = tuple({"action": action, "state": state.value} for action, state in counted)
        doubtful = sum(count for (_, state), count in counted.items() if state is State.IN_DOUBT)
        columns = [
            Column(REQUESTS_OPEN, rows, [float(count) for count in counted.values()]),
            Column(IN_DOUBT, _NO_LABELS, (float(doubtful),)),
            Column(FROZEN, _NO_LABELS, (float(frozen),)),
        ]
        self._page.put("actions", columns)

    def unknown(self) -> None:
        """Shows nothing of how things stand, where that could not be read."""
        self._page.drop("actions")


def _seconds(since: int | None, until: int | None) -> float:
    """Between two instants; never negative, however the clock was set."""
    return max(0, (until or 0) - (since or 0)) / SECOND
