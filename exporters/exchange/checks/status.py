"""What a venue says of itself: whether it is open for business."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from exporters.exchange.checks import CheckOptions
from occ.errors import Reason, SourceError
from occ.job import Readings, Target
from occ.metrics import Family, Kind
from occ.page import Column

if TYPE_CHECKING:
    from exporters.exchange.source import Source

PER = "venue"
NEEDS = ("fetch_status",)
INTERVAL = 30.0

STATUSES = ("ok", "maintenance", "shutdown", "error", "other")

STATUS = Family(
    "exchange_status",
    Kind.STATESET,
    "1 for the status that the venue says it has, or that it answers with (maintenance), 0 for the others.",
    ("venue", "status"),
    values={"status": STATUSES},
)

FAMILIES = (STATUS,)

_STATUSES = tuple((("status", status),) for status in STATUSES)


class Options(CheckOptions):
    """Nothing of its own."""


async def read(source: Source, targets: tuple[Target, ...], _options: Options) -> Mapping[Target, str | SourceError]:
    """The status, one of STATUSES. That requests are refused because of maintenance is an answer as well."""
    (target,) = targets
    try:
        answer = await source.call("fetch_status")
    except SourceError as error:
        if error.reason is Reason.MAINTENANCE:
            return {target: "maintenance"}
        raise
    return {target: status_in(answer)}


def status_in(answer: object) -> str:
    """The status that a venue's answer tells. Raises bad_response where it tells none."""
    told = answer.get("status") if isinstance(answer, dict) else None
    if not isinstance(told, str):
        raise SourceError(Reason.BAD_RESPONSE, "the answer tells no status")
    return told if told in STATUSES else "other"


def columns(readings: Readings[str]) -> Iterable[Column]:
    """A row per status."""
    yield readings.table(STATUS, _STATUSES, lambda told: [float(told == status) for status in STATUSES])
