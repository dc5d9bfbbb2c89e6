"""Whatever comes, fails, goes and is started anew, in whatever order: every notice is told, in order, by whoever is there."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Connection, text

from receiver.clock import SECOND
from receiver.database import opened
from receiver.families import Severity
from receiver.notifying import deliveries
from receiver.notifying.deliveries import TOO_OLD, Delivery, State
from receiver.notifying.message import Message
from receiver.outbox import Notice, put
from tests.receiver.support import NOW

NAMES = ("a", "b", "c")
SUBJECTS = ("incident/1", "incident/2", "freeze/1")


@dataclass(frozen=True)
class Place:
    """Where people are told, as the database needs to know it; what is sent there is the machine's to say."""

    name: str
    kind: str = "slack"
    tells: tuple[str, ...] | None = None

    def takes(self, notice: Notice, _severity: Severity) -> bool:
        return self.name != "c" or notice is not Notice.UNFREEZE

    async def send(self, message: Message) -> None:
        raise AssertionError(message)


class Telling(RuleBasedStateMachine):
    """The rows of a real database against a plain memory of what was told."""

    @initialize()
    def begin(self) -> None:
        self.stack = ExitStack()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.database = self.stack.enter_context(opened(Path(folder) / "receiver.db"))
        self.now = NOW
        self.there: tuple[Place, ...] = (Place("a"), Place("b", tells=("commander",)), Place("c"))
        self.under_way: list[Delivery] = []
        self.told: list[tuple[str, str, int]] = []
        """Notifier, subject, and the notice's number, in the order of the telling."""

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            self.stack.close()

    def write(self, work: Callable[[Connection], object]) -> object:
        with self.database.writing.begin() as connection:
            return work(connection)

    def spread(self) -> None:
        self.write(lambda connection: deliveries.spread(connection, self.there, self.now))

    @property
    def names(self) -> list[str]:
        return [place.name for place in self.there]

    # --- what happens -------------------------------------------------------------------------------------------------

    @rule(
        subject=st.sampled_from(SUBJECTS),
        notice=st.sampled_from((Notice.FREEZE, Notice.UNFREEZE)),
        severity=st.sampled_from((Severity.PAGE, Severity.INFO)),
        to=st.sampled_from(((), ("commander",), ("oncall",))),
    )
    def something_is_to_be_told(self, subject: str, notice: Notice, severity: Severity, to: tuple[str, ...]) -> None:
        given = {"now": self.now, "severity": severity, "each": True, "to": to}
        self.write(lambda connection: put(connection, notice, subject, {"summary": "x"}, **given))  # type: ignore[arg-type]

    @rule()
    def the_dispatcher_looks(self) -> None:
        self.spread()

    @rule(seconds=st.sampled_from((1, 60, 3_600, 30_000)))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule(name=st.sampled_from(NAMES))
    def one_is_begun(self, name: str) -> None:
        if name not in self.names or any(delivery.notifier == name for delivery in self.under_way):
            return  # each notifier is told one thing at a time
        with self.database.reading.begin() as connection:
            delivery = deliveries.due(connection, name, self.now)
        if delivery:
            after = self.now + SECOND
            self.write(lambda connection: deliveries.begin(connection, delivery, self.now, after))
            self.under_way.append(delivery)

    @precondition(lambda self: self.under_way)
    @rule(taken=st.booleans(), refused=st.booleans())
    def one_ends(self, taken: bool, refused: bool) -> None:  # noqa: FBT001 - drawn
        delivery = self.under_way.pop(0)
        if taken:
            self.hears(delivery)
            self.ends(delivery, State.DELIVERED, "")
        elif refused:
            self.ends(delivery, State.GIVEN_UP, "HTTP 400")
        else:
            after = self.now + SECOND
            self.write(lambda connection: deliveries.failed(connection, delivery, "HTTP 500", after))

    def ends(self, delivery: Delivery, state: State, failure: str) -> None:
        given = {"names": self.names, "now": self.now}
        self.write(lambda connection: deliveries.end(connection, delivery, state, failure, **given))  # type: ignore[arg-type]

    def hears(self, delivery: Delivery) -> None:
        query = text("SELECT notice_id FROM outbox_deliveries WHERE id = :id")
        with self.database.reading.begin() as connection:
            number = int(connection.execute(query, {"id": delivery.message.id}).scalar_one())
        self.told.append((delivery.notifier, delivery.message.subject, number))

    @precondition(lambda self: self.under_way)
    @rule(sent=st.booleans())
    def the_process_is_killed(self, sent: bool) -> None:  # noqa: FBT001 - drawn
        """Before the far side has heard of what was under way, or after that and before it was recorded."""
        for delivery in self.under_way if sent else ():
            self.hears(delivery)
        self.under_way = []

    @rule(present=st.sets(st.sampled_from(NAMES)))
    def the_files_are_read_again(self, present: set[str]) -> None:
        every = (Place("a"), Place("b", tells=("commander",)), Place("c"))
        self.there = tuple(place for place in every if place.name in present)

    # --- what always holds --------------------------------------------------------------------------------------------

    @invariant()
    def each_subject_is_told_in_order(self) -> None:
        for name in NAMES:
            for subject in SUBJECTS:
                mine = [number for where, about, number in self.told if (where, about) == (name, subject)]
                assert mine == sorted(mine)

    @invariant()
    def what_is_settled_waits_for_nobody(self) -> None:
        query = """SELECT count(*) FROM outbox_deliveries d JOIN outbox o ON o.id = d.notice_id
                   WHERE o.settled_at IS NOT NULL AND d.state = 'waiting'"""
        with self.database.reading.begin() as connection:
            assert connection.execute(text(query)).scalar_one() == 0

    @invariant()
    def who_is_said_to_have_been_told_was(self) -> None:
        query = "SELECT notifier, notice_id FROM outbox_deliveries WHERE state = 'delivered'"
        with self.database.reading.begin() as connection:
            said = {(notifier, number) for notifier, number in connection.execute(text(query))}
        assert said <= {(name, number) for name, _, number in self.told}

    @rule()
    def in_the_end_all_is_told(self) -> None:
        """Once every notifier is there and well, nothing is left, and nothing younger than a day was passed over."""
        self.the_process_is_killed(sent=False)
        self.the_files_are_read_again(set(NAMES))
        self.spread()
        self.now += SECOND
        for name in NAMES:
            while True:
                with self.database.reading.begin() as connection:
                    delivery = deliveries.due(connection, name, self.now)
                if delivery is None:
                    break
                self.hears(delivery)
                self.ends(delivery, State.DELIVERED, "")
        with self.database.reading.begin() as connection:
            assert connection.execute(text("SELECT count(*) FROM outbox WHERE settled_at IS NULL")).scalar_one() == 0
            lost = text("""SELECT count(*) FROM outbox_deliveries d JOIN outbox o ON o.id = d.notice_id
                           WHERE d.notifier = 'a' AND d.state != 'delivered' AND d.failure NOT IN ('HTTP 400')
                           AND NOT (d.failure LIKE '%not configured%') AND d.ended_at - o.created_at < :day""")
            assert connection.execute(lost, {"day": TOO_OLD}).scalar_one() == 0


TestTelling = Telling.TestCase
TestTelling.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
