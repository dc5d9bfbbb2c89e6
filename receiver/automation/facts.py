"""Which alerts offer an action that the rules do not leave to people alone. Reads, within a transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, Row, select

from receiver.actions import executors
from receiver.catalogue import Action, BadParameters
from receiver.families import Origin, Severity
from receiver.policy import Rule
from receiver.queries import EpisodeRow
from receiver.rulebook import Rulebook
from receiver.schema import episodes, requests, standing
from receiver.store import ALERTMANAGER

MOST = 1_000
"""Alerts that are looked at, the newest first. So many at once are a storm, in which nothing is done by itself."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An action that an alert offers, and what the rules say of it."""

    book: Rulebook
    action: Action
    rule: Rule
    episode: EpisodeRow
    heard_at: int
    """When the alert was last heard to fire and had not fired before."""
    firing_since: int
    """Since when it has fired without an end between, by its own word, and not before it was heard of."""

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


# --- what there is to consider ---------------------------------------------------------------------------------------


def candidates(connection: Connection, book: Rulebook) -> list[Candidate]:
    """Every action that an alert which fires offers, and that the rules do not leave to people alone."""
    automated = {action.name: rule for action, rule in by_itself(book)}
    if not automated:
        return []
    names = {matcher.get("alertname") for name in automated for matcher in _action(book, name).offered_by}
    return [
        _candidate(book, action, automated[action.name], row)
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
    of_any = episodes.c.severity.in_([severity.value for severity in Severity])  # so that it is found by its index
    query = select(episodes).where(standing, of_any, episodes.c.source == ALERTMANAGER)
    if None not in (wanted := set(names)):
        query = query.where(episodes.c.labels["alertname"].as_string().in_(wanted))
    return list(connection.execute(query.order_by(episodes.c.id.desc()).limit(MOST)))


def still(connection: Connection, candidate: Candidate) -> Candidate | None:
    """The candidate as its alert is now; None where that has ended, or has become a part of another."""
    row = connection.execute(select(episodes).where(standing, episodes.c.id == candidate.episode.id)).first()
    if row is None:
        return None
    return _candidate(candidate.book, candidate.action, candidate.rule, row)


def _candidate(book: Rulebook, action: Action, rule: Rule, row: Row[tuple[object, ...]]) -> Candidate:
    last = max((ends for _, ends in row.spans if ends is not None), default=0)
    began = min((starts for starts, ends in row.spans if ends is None and starts > last), default=row.starts_at)
    heard = row.received_at if row.fired_at is None else row.fired_at
    return Candidate(book, action, rule, _episode(row), heard, int(max(began, heard)))


def _episode(row: Row[tuple[object, ...]]) -> EpisodeRow:
    return EpisodeRow(**{name: getattr(row, name) for name in EpisodeRow.__dataclass_fields__ if name != "sight"})


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


def asked_before(connection: Connection, candidate: Candidate) -> str | None:
    """The request that was made by itself for the action and the episode, whatever became of it."""
    mine = requests.c.episode_id.in_(family(connection, candidate.episode.id))
    query = select(requests.c.id).where(
        requests.c.origin == Origin.AUTOMATIC, requests.c.action == candidate.action.name, mine
    )
    return connection.execute(query.order_by(requests.c.created_at)).scalars().first()
