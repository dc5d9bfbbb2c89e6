"""What the database tells of an alert that offers an action, and of what was done. Reads, within a transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, Row, func, select

from receiver.actions import executors
from receiver.audit.seal import Audit
from receiver.catalogue import Action, BadParameters
from receiver.clock import SECOND
from receiver.families import Origin, Severity
from receiver.freezes import standing as freezes_standing
from receiver.freezes import stop
from receiver.life import ENDED
from receiver.policy import OURSELVES, Rule, Storm
from receiver.queries import EpisodeRow
from receiver.requests import Request
from receiver.rulebook import Rulebook
from receiver.schema import episodes, incomplete_groups, requests, standing
from receiver.store import ALERTMANAGER
from receiver.underway import work_if_known

from .guards import Scene

MOST = 1_000
"""Alerts that are looked at, the newest first. So many at once are a storm, in which nothing is done by itself."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An action that an alert offers, and what the rules say of it."""

    book: Rulebook
    action: Action
    rule: Rule
    episode: EpisodeRow
    firing_since: int

    @property
    def kind(self) -> str:
        """The mode of the rule: shadow, propose or auto."""
        return self.rule.automation

    @property
    def key(self) -> tuple[str, int, str]:
        return self.action.name, self.episode.id, self.kind

    @property
    def entity(self) -> str:
        """What the alert is about; of all that say nothing of it, the same."""
        return self.episode.label("entity")

    @property
    def keys(self) -> frozenset[str]:
        """What only one request may touch at a time; nothing where the alert's labels do not fill the parameters."""
        catalogue = self.book.catalogue
        try:
            steps = catalogue.steps(self.action, catalogue.resolve(self.action, {}, self.episode.labels))
        except BadParameters:
            return frozenset()
        return frozenset(key for step in steps for key in executors()[step.executor].keys(step))


@dataclass(frozen=True, slots=True)
class Hour:
    """What is known beside the database: the time, for how long this process has run, and what stops it from outside."""

    now: int
    running: int
    outside: str | None
    jumped: bool


# --- what there is to consider ---------------------------------------------------------------------------------------


def candidates(connection: Connection, book: Rulebook) -> list[Candidate]:
    """Every action that an alert which fires offers, and that the rules do not leave to people alone."""
    automated = {action.name: rule for action, rule in by_itself(book)}
    if not automated:
        return []
    names = {matcher.get("alertname") for name in automated for matcher in _action(book, name).offered_by}
    return [
        Candidate(book, action, automated[action.name], _episode(row), _firing_since(row))
        for row in _firing(connection, names)
        for action in book.catalogue.offered(row.labels)
        if action.name in automated
    ]


def by_itself(book: Rulebook) -> list[tuple[Action, Rule]]:
    """The actions that the rules do not leave to people alone."""
    ruled = ((action, book.policy.rule(action.name)) for action in book.catalogue.actions)
    return [(action, rule) for action, rule in ruled if rule is not None and rule.automation != "off"]


def _action(book: Rulebook, name: str) -> Action:
    return next(action for action in book.catalogue.actions if action.name == name)


def _firing(connection: Connection, names: Iterable[str | None]) -> list[Row[tuple[object, ...]]]:
    """Alerts that fire, of these names; of any name where one is None."""
    query = select(episodes).where(standing, episodes.c.source == ALERTMANAGER)
    if None not in (wanted := set(names)):
        query = query.where(episodes.c.labels["alertname"].as_string().in_(wanted))
    return list(connection.execute(query.order_by(episodes.c.id.desc()).limit(MOST)))


def still(connection: Connection, candidate: Candidate) -> Candidate | None:
    """The candidate as its alert is now; None where that has ended, or has become a part of another."""
    row = connection.execute(select(episodes).where(standing, episodes.c.id == candidate.episode.id)).first()
    if row is None:
        return None
    return Candidate(candidate.book, candidate.action, candidate.rule, _episode(row), _firing_since(row))


def _episode(row: Row[tuple[object, ...]]) -> EpisodeRow:
    return EpisodeRow(**{name: getattr(row, name) for name in EpisodeRow.__dataclass_fields__ if name != "sight"})


def _firing_since(row: Row[tuple[object, ...]]) -> int:
    """Since when it has fired without an end between, and not before it was heard of here."""
    last = max((ends for _, ends in row.spans if ends is not None), default=0)
    began = min((starts for starts, ends in row.spans if ends is None and starts > last), default=row.starts_at)
    return int(max(began, row.received_at))


# --- one alert in many notifications ----------------------------------------------------------------------------------


def family(connection: Connection, episode: int) -> set[int]:
    """The episode, and those that turned out to be part of it."""
    known, new = {episode}, {episode}
    while new:
        merged = select(episodes.c.id).where(episodes.c.merged_into.in_(new), episodes.c.id.not_in(known))
        new = set(connection.execute(merged).scalars())
        known |= new
    return known


def ended(connection: Connection, episode: int) -> bool:
    """Whether the episode, or the one that it turned out to be part of, has ended. One that is not there has not."""
    seen: set[int] = set()
    while episode not in seen:
        seen.add(episode)
        query = select(episodes.c.ends_at, episodes.c.merged_into).where(episodes.c.id == episode)
        if (row := connection.execute(query).first()) is None:
            return False
        if row.merged_into is None:
            return row.ends_at is not None
        episode = row.merged_into
    return False


# --- what stands around it --------------------------------------------------------------------------------------------


def scene(connection: Connection, audit: Audit, candidate: Candidate, hour: Hour) -> Scene:
    """How things stand around the alert. Raises Forged."""
    return Scene(
        now=hour.now,
        running=hour.running,
        firing_since=candidate.firing_since,
        domain=candidate.episode.label("domain"),
        alerts=_alerts(connection, candidate, hour.now),
        incomplete=connection.execute(select(incomplete_groups.c.id).limit(1)).first() is not None,
        frozen=_frozen(connection, audit, candidate, hour.outside),
        jumped=hour.jumped,
        acts=_person_acts(connection, audit, candidate),
    )


def _frozen(connection: Connection, audit: Audit, candidate: Candidate, outside: str | None) -> bool:
    """Whether anything is frozen that it touches: also where a freeze would not stop a person."""
    found = freezes_standing(connection, audit)
    return outside is not None or stop(found, candidate.action.name, candidate.keys) is not None


def _alerts(connection: Connection, candidate: Candidate, now: int) -> int:
    storm: Storm = candidate.book.policy.automation.storm
    within, came = int(storm.within * SECOND), candidate.episode.received_at
    spans = ((came - within, came), (came, came + within), (now - within, now))
    return max(_pages(connection, since, until) for since, until in spans)


def _pages(connection: Connection, since: int, until: int) -> int:
    """How many page alerts were new between two instants."""
    new = episodes.c.received_at.between(since, until)
    query = select(func.count()).where(
        episodes.c.severity == Severity.PAGE.value, episodes.c.merged_into.is_(None), new
    )
    return connection.execute(query).scalar_one()


def _person_acts(connection: Connection, audit: Audit, candidate: Candidate) -> bool:
    """Whether a person acts on the alert, or on what the action touches: what they do goes first."""
    mine, keys = family(connection, candidate.episode.id), candidate.keys
    table = requests
    is_open = table.c.state.not_in([state.value for state in ENDED])
    was_started = table.c.started_at.is_not(None) & table.c.episode_id.in_(mine)
    query = select(table.c.id).where(table.c.person != OURSELVES, is_open | was_started)
    found = (audit.read(connection, table, id_) for id_ in connection.execute(query).scalars().all())
    return any(_touches(connection, candidate, Request.of(row), mine, keys) for row in found if row is not None)


def _touches(
    connection: Connection, candidate: Candidate, request: Request, mine: set[int], keys: frozenset[str]
) -> bool:
    """Whether a person's request is about the alert or holds what the action needs; what can not be told, does."""
    if request.episode_id in mine:
        return True
    work = work_if_known(connection, candidate.book.catalogue, request)
    return work is None or not keys.isdisjoint(work.keys)


def asked_before(connection: Connection, candidate: Candidate) -> str | None:
    """The request that was made by itself for the action and the episode, whatever became of it."""
    mine = requests.c.episode_id.in_(family(connection, candidate.episode.id))
    query = select(requests.c.id).where(
        requests.c.origin == Origin.AUTOMATIC, requests.c.action == candidate.action.name, mine
    )
    return connection.execute(query.order_by(requests.c.created_at)).scalars().first()
