"""What a notification changes in the database, all of it within the transaction of the connection it is given."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, CursorResult, Row, bindparam, delete, insert, or_, select, update

from .episodes import REOPEN, Episode, Span, witness
from .families import Severity, Taken
from .schema import deliveries, episodes, incomplete_groups
from .webhook import Alert, Message, Unreadable, fingerprint_of, read

ALERTMANAGER = "alertmanager"
RECEIVER = "receiver"
MAX_COMPLAINTS = 5

# Made once: in a storm of alerts, to make them anew is most of what a notification costs.
_KEEP = insert(deliveries)
_OPEN = insert(episodes)
_KNOWN = select(episodes).where(
    episodes.c.fingerprint == bindparam("fingerprint"),
    episodes.c.source == bindparam("source"),
    episodes.c.merged_into.is_(None),
    or_(episodes.c.ends_at.is_(None), episodes.c.ends_at >= bindparam("since")),
)
_STANDING = select(episodes).where(
    episodes.c.fingerprint == bindparam("fingerprint"),
    episodes.c.source == RECEIVER,
    episodes.c.merged_into.is_(None),
    episodes.c.ends_at.is_(None),
)
_FORGET_GROUP = delete(incomplete_groups).where(
    incomplete_groups.c.source == bindparam("of_source"), incomplete_groups.c.digest == bindparam("of_digest")
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """An authenticated notification as it came. Where it was too large, `body` is its beginning and `whole` False."""

    source: str
    received_at: int
    body: bytes
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a delivery: whether all of it could be read, and how many of its alerts did what,
    and whether its sender left some out.
    """

    readable: bool
    taken: Mapping[Taken, int]
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class _Text:
    """What an episode shows, by the names of its columns."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    generator_url: str


def record(connection: Connection, delivery: Delivery) -> Outcome:
    """Keeps the delivery, and what follows from what can be read of it."""
    try:
        message = read(delivery.body, delivery.received_at) if delivery.whole else Message(complaints=("too large",))
    except Unreadable as complaint:
        message = Message(complaints=(str(complaint),))
    return _Entry(connection, delivery, message).write()


def set_aside(connection: Connection, delivery: Delivery) -> Outcome:
    """Keeps a delivery that `record` failed on, without looking into it."""
    return _Entry(connection, delivery, Message(complaints=("failed here; the log says how",))).write()


class _Entry:
    """One delivery on its way into the tables."""

    def __init__(self, connection: Connection, delivery: Delivery, message: Message) -> None:
        self._connection = connection
        self._delivery = delivery
        self._now = delivery.received_at
        self._message = message
        self._id = 0

    def write(self) -> Outcome:
        complaint = _shortened(self._message.complaints)
        kept = self._connection.execute(_KEEP, asdict(self._delivery) | {"complaint": complaint})
        self._id = _new_id(kept)
        taken = Counter(self._take(self._delivery.source, alert) for alert in self._message.alerts)
        taken[Taken.UNREADABLE] += self._message.unreadable
        if self._message.group:
            self._note_group()
        if complaint:
            self._complain(complaint)
        else:
            self._settle()
        return Outcome(not complaint, taken, self._message.truncated > 0)

    def _take(self, source: str, alert: Alert) -> Taken:
        """Makes of the alert's episodes what they are with one notification more, and says what that changed."""
        known = {row.id: _episode(row) for row in self._known(source, alert)}
        text = _Text(alert.labels, alert.annotations, alert.generator_url)
        taken = Taken.DUPLICATE
        for part in witness(known, alert.span, text):
            before = None if part.id is None else known[part.id]
            if part.id is None:
                id_ = self._insert(source, alert.fingerprint, part.episode)
            else:
                id_ = part.id
                if part.episode != before:
                    again = _change(before, part.episode) is Taken.REOPENED
                    self._update(id_, _columns(part.episode) | ({"fired_at": self._now} if again else {}))
            for absorbed in part.absorbed:
                self._update(absorbed, {"merged_into": id_})
            if alert.span in part.episode:
                taken = _change(before, part.episode)
        return taken

    def _known(self, source: str, alert: Alert) -> list[Row[Any]]:
        """All that one more span can touch."""
        of = {"fingerprint": alert.fingerprint, "source": source, "since": alert.span.starts - REOPEN}
        return list(self._connection.execute(_KNOWN, of))

    def _insert(self, source: str, fingerprint: str, episode: Episode[_Text]) -> int:
        key = {"source": source, "fingerprint": fingerprint, "severity": severity(episode.text.labels)}
        times = {"received_at": self._now, "updated_at": self._now, "fired_at": self._now, "delivery_id": self._id}
        return _new_id(self._connection.execute(_OPEN, key | times | _columns(episode)))

    def _update(self, id_: int, changed: Mapping[str, object]) -> None:
        stamp = {"updated_at": self._now, "delivery_id": self._id}
        self._connection.execute(update(episodes).where(episodes.c.id == id_).values(**changed, **stamp))

    def _note_group(self) -> None:
        """Remembers while the latest message of a group was truncated by its sender."""
        key = self._message.group
        group = {"source": self._delivery.source, "digest": hashlib.sha256(key.encode()).hexdigest()}
        self._connection.execute(_FORGET_GROUP, {f"of_{name}": value for name, value in group.items()})
        if self._message.truncated:
            row = {"key": key, "truncated": self._message.truncated, "delivery_id": self._id}
            self._connection.execute(insert(incomplete_groups).values(**group, **row))

    def _complain(self, complaint: str) -> None:
        """Pages for what could not be read, as an alert of the receiver's own."""
        labels = _own_labels(self._delivery.source)
        standing = self._standing(labels)
        annotations = {
            "summary": f"A notification of {self._delivery.source} could not be read: alerts may be missing here",
            "description": f"Delivery {self._id}: {complaint}. Its bytes are kept, in the table deliveries.",
            "first_action": f"Look at what fires in {self._delivery.source} itself.",
        }
        span = Span(standing.starts_at if standing else self._now)
        self._take(RECEIVER, Alert(fingerprint_of(labels), span, labels, annotations, ""))

    def _settle(self) -> None:
        """Ends that alert with a notification that could be read, once none was unreadable for as long as REOPEN."""
        labels = _own_labels(self._delivery.source)
        standing = self._standing(labels)
        if standing and standing.updated_at <= self._now - REOPEN:
            span = Span(standing.starts_at, self._now)
            self._take(RECEIVER, Alert(fingerprint_of(labels), span, labels, standing.annotations, ""))

    def _standing(self, labels: Mapping[str, str]) -> Row[Any] | None:
        return self._connection.execute(_STANDING, {"fingerprint": fingerprint_of(labels)}).first()


def severity(labels: Mapping[str, str]) -> Severity:
    """The severity of an alert, out of the closed set."""
    try:
        return Severity(labels.get("severity", Severity.OTHER))
    except ValueError:
        return Severity.OTHER


def _new_id(result: CursorResult[Any]) -> int:
    key = result.inserted_primary_key
    if key is None:
        raise LookupError("the database gave no id to a new row")
    return int(key[0])


def unreadable(source: str) -> str:
    """The fingerprint of the receiver's own alert that a notification of the source could not be read."""
    return fingerprint_of(_own_labels(source))


def _own_labels(source: str) -> dict[str, str]:
    return {
        "alertname": "ReceiverUnreadableNotification",
        "severity": Severity.PAGE.value,
        "domain": RECEIVER,
        "entity": source,
        "parent": RECEIVER,
    }


def _shortened(complaints: tuple[str, ...]) -> str:
    more = len(complaints) - MAX_COMPLAINTS
    return "; ".join(complaints[:MAX_COMPLAINTS]) + (f"; and {more} more" if more > 0 else "")


def _episode(row: Row[Any]) -> Episode[_Text]:
    spans = tuple(Span(starts, ends) for starts, ends in row.spans)
    return Episode(spans, _Text(row.labels, row.annotations, row.generator_url), row.said_at)


def _columns(episode: Episode[_Text]) -> dict[str, object]:
    spans = [(span.starts, span.ends) for span in episode.spans]
    times = {"starts_at": episode.starts, "ends_at": episode.ends, "spans": spans, "said_at": episode.said}
    return asdict(episode.text) | times


def _change(before: Episode[_Text] | None, after: Episode[_Text]) -> Taken:
    if before == after:
        return Taken.DUPLICATE
    if before is None:
        return Taken.OPENED if after.ends is None else Taken.RESOLVED
    if (before.ends is None) == (after.ends is None):
        return Taken.UPDATED
    return Taken.RESOLVED if before.ends is None else Taken.REOPENED
