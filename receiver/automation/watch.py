"""Goes round: looks at what fires whenever a notification was taken in, and every second."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, select

from occ.errors import SourceError
from receiver import planning, schema
from receiver.actions import Unfit
from receiver.audit.seal import Forged
from receiver.catalogue import BadParameters
from receiver.clock import SECOND
from receiver.families import Origin
from receiver.planning import Draft
from receiver.requests import Change, Request
from receiver.rulebook import Rulebook
from receiver.runner import Means
from receiver.why import Why
from receiver.writer import NotDurable

from . import asking, deciding, facts, judging, store
from .deciding import WAITING, Wish
from .facts import Candidate
from .judging import Hour
from .meters import AutomationMeters
from .store import Decision, Outcome

log = logging.getLogger(__name__)

T = TypeVar("T")

Known = Mapping[tuple[str, int, str], Decision]
"""What was decided before, by action, episode and mode."""

EVERY = 1.0
"""Seconds between two looks when no notification comes."""

PAUSE = 0.1
LONGEST_PAUSE = 2.0
"""Seconds between two looks at least, however many come: so many alerts that looking takes long shall not wait for it."""

PAUSES = (1, 1, 2, 5, 10, 15)
"""Seconds until an action that something holds back is considered again; then always the last."""

MINUTE = 60.0
"""Seconds until it is considered again where so much was done already: counting that reads a day of the audit."""


def _rest(took: float) -> float:
    """Seconds until the next look: it has a tenth of the time, where that is enough for a look in two seconds."""
    return min(max(PAUSE, 9 * took), LONGEST_PAUSE)


@dataclass(slots=True)
class Patience:
    """How often an action was held back for an episode, and when, by the steady clock, it is considered again."""

    times: int = 0
    due: int = 0

    def held(self, now: int, least: float = 0.0) -> None:
        self.due = now + int(max(least, PAUSES[min(self.times, len(PAUSES) - 1)]) * SECOND)
        self.times += 1


class Automation:
    """Acts by itself, as far as the rules of now let it. `wake` asks for a look now."""

    def __init__(self, means: Means, meters: AutomationMeters) -> None:
        self._means, self._meters = means, meters
        self._begun = means.steady()
        self._known: Rulebook | None = None
        self._woken = asyncio.Event()
        self._patience: dict[tuple[str, int, str], Patience] = {}
        self._silent = False
        self._complaint = ""

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        complaint = ""
        while True:
            self._woken.clear()
            began = asyncio.get_running_loop().time()
            said = await self._tried()
            if said and said != complaint:
                log.error("automation can not look at what fires: %s", said)
            complaint = said
            await asyncio.sleep(_rest(asyncio.get_running_loop().time() - began))
            try:
                async with asyncio.timeout(EVERY):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def _tried(self) -> str:
        """What went wrong, if anything did. What was changed from outside the engine hears of, and freezes everything."""
        try:
            await self.look()
        except Forged as error:
            self._means.changes.suspects.add(str(error))
            return str(error)
        except NotDurable as error:
            return str(error)
        return ""

    async def look(self) -> None:
        """Looks once. Raises Forged and NotDurable."""
        book = self._means.rules.current
        self._know(book)
        self._silent = False
        found = await self._read(lambda connection: facts.candidates(connection, book))
        before = await self._read(lambda connection: store.decided(connection, {each.episode.id for each in found}))
        self._patience = {each.key: self._patience.get(each.key, Patience()) for each in found}
        due = [each for each in found if self._is_due(each, before.get(each.key))]
        due.sort(key=lambda each: (each.firing_since, each.episode.id))  # what fires for longest goes first
        if due:
            await self._consider(book, due, before)
        await self._withdraw()
        self._complaint = self._complaint if self._silent else ""

    def _know(self, book: Rulebook) -> None:
        if book is not self._known:
            self._known = book
            modes = {action.name: rule.automation for action, rule in facts.by_itself(book)}
            self._meters.know((action.name for action in book.catalogue.actions), modes)

    def _is_due(self, candidate: Candidate, before: Decision | None) -> bool:
        if before is not None and before.outcome is not Outcome.HELD:
            return False
        return self._patience[candidate.key].due <= self._means.steady()

    # --- what is due --------------------------------------------------------------------------------------------------

    async def _consider(self, book: Rulebook, due: list[Candidate], before: Known) -> None:
        """Those that something recorded is against at once, and the others one by one."""

        def judge(connection: Connection) -> list[tuple[Candidate, Why | None]]:
            around = judging.around(connection, self._means.audit, book, self._hour())
            return [(each, judging.objection(connection, each, around)) for each in due]

        judged = await self._read(judge)
        await self._hold([(each, why) for each, why in judged if why], before)
        for candidate in (each for each, why in judged if why is None):
            made = await self._asked(candidate)
            if isinstance(made, Why):
                await self._hold([(candidate, made)], before)
            else:
                await self._act(Wish(candidate, made), before.get(candidate.key))

    async def _asked(self, candidate: Candidate) -> Draft | Why:
        """What it would do, if nothing is against it that can be asked for."""
        action, labels = candidate.action, candidate.episode.labels
        needed = {each.from_label for each in action.parameters.values() if each.from_label}
        try:
            values = candidate.book.catalogue.resolve(action, {}, labels)
            conditions = action.automation and action.automation.filled(values)
            if self._silent:
                return Why.SIGHT_LOST
            if why := await asking.objection(self._means.prometheus, labels, needed, conditions, self._means.now()):
                return why
            return await planning.drafted(
                candidate.book,
                action,
                candidate.rule,
                parameters={},
                episode=candidate.episode,
                surroundings=self._means.rules.around,
            )
        except SourceError as error:
            self._unanswered(error)
            return Why.SIGHT_LOST
        except Unfit as unfit:
            return unfit.why
        except BadParameters:
            return Why.OUT_OF_BOUNDS

    async def _hold(self, held: list[tuple[Candidate, Why]], before: Known) -> None:
        """Records what holds actions back, where that is another than before. Of what has yet to last there is nothing to tell."""
        told = [(each, why) for each, why in held if why is not Why.NOT_LONG]
        for candidate, _ in told:
            self._patience[candidate.key].held(self._means.steady())
        new = [(each, why) for each, why in told if each.key not in before or before[each.key].why is not why]
        if new:
            for decision in await self._means.changes.make(partial(deciding.hold, held=new)):
                self._meters.decided(decision)

    async def _act(self, wish: Wish, before: Decision | None) -> None:
        def work(change: Change) -> Decision | None:
            if self._means.rules.current is not wish.candidate.book:
                return None  # it is judged by the rules of now, at the next look
            return deciding.act(change, wish, self._hour())

        decision = await self._means.changes.make(work)
        if decision is None:
            return
        if decision.outcome is Outcome.HELD:
            self._patience[wish.candidate.key].held(self._means.steady(), MINUTE)
        if before is None or (before.outcome, before.why) != (decision.outcome, decision.why):
            self._meters.decided(decision)

    def _hour(self) -> Hour:
        means = self._means
        return Hour(means.now(), means.steady() - self._begun, means.outside(), means.guard.jumped())

    # --- what was asked for and is not wanted any more ----------------------------------------------------------------

    async def _withdraw(self) -> None:
        for request in await self._read(self._over):
            if await self._recovered(request):
                decision = await self._means.changes.make(partial(deciding.withdraw, id_=request.id))
                if decision is not None:
                    self._meters.decided(decision)

    async def _recovered(self, request: Request) -> bool:
        if self._silent:
            return False
        try:
            return await asking.recovered(self._means.prometheus, request.evidence["alert"])
        except SourceError as error:
            self._unanswered(error)
            return False

    def _unanswered(self, error: SourceError) -> None:
        """What does not answer is not asked again in the same look: each question may take as long as the last one."""
        self._silent = True
        if str(error) != self._complaint:
            log.warning("automation: Prometheus can not be asked: %s", error)
        self._complaint = str(error)

    def _over(self, connection: Connection) -> list[Request]:
        """What was asked for by itself, has not started, and is about an alert that has ended."""
        table = schema.requests
        waiting = table.c.state.in_([state.value for state in WAITING])
        query = select(table.c.id).where(waiting, table.c.origin == Origin.AUTOMATIC)
        rows = [self._means.audit.read(connection, table, id_) for id_ in connection.execute(query).scalars().all()]
        found = (Request.of(row) for row in rows if row is not None)
        return [each for each in found if each.episode_id and facts.ended(connection, each.episode_id)]

    async def _read(self, look: Callable[[Connection], T]) -> T:
        def read() -> T:
            with self._means.reading.begin() as connection:
                return look(connection)

        return await asyncio.to_thread(read)
