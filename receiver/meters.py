"""The receiver's own numbers on its page. Used from the event loop alone."""

from __future__ import annotations

from collections.abc import Mapping

from occ.page import Column, Event, Page

from .clock import SECOND
from .families import ACTIVE, ALERTS, LAST_NOTIFICATION, NOTIFICATIONS, Notification, Severity, Taken
from .queries import Standing

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

    def stand(self, standing: Standing) -> None:
        last = standing.last_notification
        columns = [
            Column(ACTIVE, _SEVERITIES, [float(standing.active[severity]) for severity in Severity]),
            Column(LAST_NOTIFICATION, _NO_LABELS, (None if last is None else last / SECOND,)),
        ]
        self._page.put("receiver", columns)
