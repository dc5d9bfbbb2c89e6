"""What of the receiver itself is well. Its parts say so themselves; they are asked when somebody looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Condition(StrEnum):
    """How a part is. What nobody could find out yet is not well."""

    WELL = "well"
    ILL = "ill"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """How a part is, in a sentence; `at` is the instant that it is of, where that is not now."""

    condition: Condition
    says: str
    at: int | None = None


Look = Callable[[], Finding]


class Health:
    """Knows whom to ask. A part that is there no more is forgotten."""

    def __init__(self) -> None:
        self._looks: dict[str, Look] = {}

    def watch(self, part: str, look: Look | None) -> None:
        self._looks.pop(part, None)
        if look is not None:
            self._looks[part] = look

    def findings(self) -> dict[str, Finding]:
        """By the names of the parts."""
        return {part: look() for part, look in sorted(self._looks.items())}
