"""What a notifier is."""

from __future__ import annotations

from typing import Protocol

from receiver.families import Severity
from receiver.outbox import Notice

from .message import Message


class Notifier(Protocol):
    """One place where people are told. It holds no state: what was told stands in the database."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def tells(self) -> tuple[str, ...] | None:
        """For whom a notice must be, and what comes later about the same; None: whoever it is for."""

    def takes(self, notice: Notice, severity: Severity) -> bool:
        """Whether notices of this kind are told here at all."""

    async def send(self, message: Message) -> None:
        """Tells it. Raises SourceError; then it may have been told, or not."""
