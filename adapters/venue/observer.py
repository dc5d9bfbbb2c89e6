"""What a venue tells whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from occ.errors import SourceError


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request: on behalf of which method, how many seconds until its answer, and how it failed, if it did.

    Time in the limiter is not part of it. `answered_at` and `round_trip` are those of `Call`: None where no answer came.
    """

    method: str
    seconds: float
    error: SourceError | None
    answered_at: float | None = None
    round_trip: float | None = None


class Observer(Protocol):
    """Is told of everything as it happens, so it must be quick."""

    def requested(self, request: Request) -> None:
        """A request was answered, or failed."""

    def waited(self, seconds: float) -> None:
        """So long a call was held back by a limiter, ccxt's or ours."""


class Nobody:
    """An observer to whom it is all the same."""

    def requested(self, request: Request) -> None:
        """As `Observer`."""

    def waited(self, seconds: float) -> None:
        """As `Observer`."""
