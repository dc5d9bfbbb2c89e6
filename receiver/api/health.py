"""How the receiver itself is."""

from __future__ import annotations

from receiver.clock import rfc3339
from receiver.health import Condition

from .operations import AnyOperation, Call, Nothing, Operation
from .shapes import Instant, Shape


class Part(Shape):
    """How a part is, in a sentence; `at` is the instant that it is of, null where that is now."""

    name: str
    condition: Condition
    says: str
    at: Instant | None


class Health(Shape):
    """`well` only where every part is."""

    well: bool
    parts: tuple[Part, ...]


async def health(call: Call[Nothing, Nothing]) -> Health:
    found = call.health.findings()
    parts = tuple(
        Part(name=name, condition=it.condition, says=it.says, at=None if it.at is None else rfc3339(it.at))
        for name, it in found.items()
    )
    return Health(well=all(part.condition is Condition.WELL for part in parts), parts=parts)


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation("health", "GET", "/health", "How the receiver itself is", health, Health, open=True),
)
