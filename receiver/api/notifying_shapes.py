"""What the API answers about notices and notifiers."""

from __future__ import annotations

from typing import Any

from .shapes import Instant, Limit, Shape


class OutboxAsked(Shape):
    limit: Limit = 100


class Delivery(Shape):
    """What a notifier has made of a notice: `waiting`, `delivered`, `given_up`, or `skipped` where it is none of its own.

    `next_at` is when it is tried next, while it waits; `failure` is of the last attempt, in our words.
    """

    notifier: str
    state: str
    attempts: int
    next_at: Instant | None
    ended_at: Instant | None
    failure: str


class Told(Shape):
    """What people must be told, for whom it is (empty: everybody), and since when no notifier has it still to tell."""

    id: int
    kind: str
    severity: str
    subject: str
    text: Any
    audience: tuple[str, ...]
    created_at: Instant
    settled_at: Instant | None
    deliveries: tuple[Delivery, ...]


class Outbox(Shape):
    outbox: tuple[Told, ...]


class Notifier(Shape):
    """How a notifier does. `waiting` are notices that it has still to be told, `given_up` those of the last day that it will not be.

    `failure` is of the last attempt, in our words; empty where that was a delivery, or there was none.
    """

    name: str
    kind: str
    waiting: int
    oldest_waiting_at: Instant | None
    last_delivered_at: Instant | None
    last_failed_at: Instant | None
    failure: str
    given_up: int


class Notifiers(Shape):
    """`may` has the people who may have test messages sent."""

    notifiers: tuple[Notifier, ...]
    may: tuple[str, ...]


class Tried(Shape):
    """What came of a test message; `failure` says in our words why the notifier has not taken it, null where it has."""

    name: str
    kind: str
    failure: str | None


class Tested(Shape):
    notifiers: tuple[Tried, ...]
