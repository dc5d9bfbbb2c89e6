"""Numbers about incidents. Counts from 0 at every start; what stands is read anew again and again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from occ.page import Column, Event, Page
from receiver import schema
from receiver.clock import SECOND
from receiver.families import (
    ESCALATIONS,
    INCIDENT_SEVERITIES,
    INCIDENTS_OPEN,
    OLDEST_UNACKNOWLEDGED,
    TIME_TO_ACKNOWLEDGE,
    TIME_TO_DETECT,
    TIME_TO_MITIGATE,
    TIME_TO_RESOLVE,
    Severity,
)

from .life import UNRESOLVED, Status
from .store import Measured

_ROWS = tuple({"severity": severity.value} for severity in INCIDENT_SEVERITIES)
_NO_LABELS: tuple[Mapping[str, str], ...] = ({},)


@dataclass(frozen=True, slots=True)
class Going:
    """How many incidents go on, by severity, and since when the page that has waited longest waits, if any does."""

    open: Mapping[Severity, int]
    oldest: int | None


def going(connection: Connection) -> Going:
    table = schema.incidents
    counted = select(table.c.severity, func.count()).where(table.c.status.in_(UNRESOLVED)).group_by(table.c.severity)
    found = {Severity(severity): count for severity, count in connection.execute(counted)}
    waits = (table.c.status == Status.OPEN) & (table.c.severity == Severity.PAGE)
    oldest = connection.execute(select(func.min(table.c.clock_at)).where(waits)).scalar()
    return Going({severity: found.get(severity, 0) for severity in INCIDENT_SEVERITIES}, oldest)


class IncidentMeters:
    """Puts them on the page."""

    def __init__(self, page: Page) -> None:
        self._page = page
        times = (TIME_TO_DETECT, TIME_TO_ACKNOWLEDGE, TIME_TO_MITIGATE, TIME_TO_RESOLVE)
        self._times = {family.name: page.histogram(family) for family in times}
        self.escalated(0)

    def measured(self, times: Iterable[Measured]) -> None:
        for each in times:
            self._times[each.family.name].observe(each.seconds)

    def escalated(self, amount: int) -> None:
        self._page.count(Event(ESCALATIONS, {}, amount))

    def stand(self, going: Going) -> None:
        """Shows how things stand."""
        oldest = None if going.oldest is None else going.oldest / SECOND
        columns = [
            Column(INCIDENTS_OPEN, _ROWS, [float(going.open[severity]) for severity in INCIDENT_SEVERITIES]),
            Column(OLDEST_UNACKNOWLEDGED, _NO_LABELS, (oldest,)),
        ]
        self._page.put("incidents", columns)

    def unknown(self) -> None:
        """Shows nothing of how things stand, where that could not be read."""
        self._page.drop("incidents")
