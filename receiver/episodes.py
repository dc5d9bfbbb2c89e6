"""When one alert fired, out of notifications that come twice, late, in any order, and whose `startsAt` moves.

A notification says one of two things of an alert, as a `Span` in the sender's own time:

- resolved: it fired from `starts` to `ends`. Such a span is final; it is the tombstone of what it covers.
- firing: it fires since `starts`, without an end. It lasts until the first known end at or after `starts`, whichever span
  that end belongs to, and for ever while there is none.

Spans that overlap, or begin within REOPEN after the end of another, are one episode. This makes the episodes a function of
the set of spans alone: how often and in which order they arrive changes nothing. What follows from it:

- A late `firing` that began before a known end does not reopen: the end answers it. One that begins after it does.
- `startsAt` that moves on, as after a restart, without an end between is the same episode.
- A late `resolved` that ends between two firings without an end parts them again, if they are further apart than REOPEN.

A firing that Alertmanager merged into an interval whose end it had already sent can not be told from a late duplicate by
what it says; asking Alertmanager can, and a span that begins when it was last seen to fire reopens.

Nothing here reads a clock or a database. Instants are microseconds since 1970, UTC.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

REOPEN = 600_000_000
FOREVER = 2**62
MAX_OPEN_SPANS = 500

Text = TypeVar("Text")


@dataclass(frozen=True, slots=True)
class Span:
    """What one notification says of one alert; `ends` is None for a firing one."""

    starts: int
    ends: int | None = None

    @property
    def instant(self) -> int:
        """The latest instant that it speaks of."""
        return self.starts if self.ends is None else self.ends


@dataclass(frozen=True, slots=True)
class Episode(Generic[Text]):
    """One episode: the spans that make it, ordered, and the latest text about it with the instant that text is of."""

    spans: tuple[Span, ...]
    text: Text
    said: int

    @property
    def starts(self) -> int:
        return self.spans[0].starts

    @property
    def ends(self) -> int | None:
        """None while it fires."""
        return _ends(self.spans)

    def __contains__(self, span: Span) -> bool:
        return self.starts <= span.starts <= _reach(self.spans)


@dataclass(frozen=True, slots=True)
class Part(Generic[Text]):
    """An episode as it is now: the one known as `id`, or a new one where that is None, with what it has absorbed."""

    id: int | None
    episode: Episode[Text]
    absorbed: tuple[int, ...] = ()


def witness(known: Mapping[int, Episode[Text]], span: Span, text: Text) -> list[Part[Text]]:
    """The episodes of one alert with one more span, in order of time.

    `known` must hold every episode that ends at or after `span.starts - REOPEN`, or still fires; more change nothing. An
    episode keeps its id for its earliest part; of several that become one, the first keeps it.
    """
    left = dict(sorted(known.items()))
    parts = []
    for spans in partition((span, *(each for episode in known.values() for each in episode.spans))):
        touched = [episode for episode in known.values() if _meet(episode.spans, spans)]
        mine = [id_ for id_, episode in left.items() if _meet(episode.spans, spans)]
        for id_ in mine:
            del left[id_]
        news = (span, text) if spans[0].starts <= span.starts <= _reach(spans) else None
        episode = Episode(spans, *_latest(touched, news, _reach(spans)))
        parts.append(Part(mine[0] if mine else None, episode, tuple(mine[1:])))
    return parts


def partition(spans: Iterable[Span]) -> list[tuple[Span, ...]]:
    """The spans of each episode, in order of time, with what says nothing more left out."""
    distinct = set(spans)
    ends = sorted(span.ends for span in distinct if span.ends is not None)
    groups: list[list[Span]] = []
    reach = -FOREVER
    for span in sorted(distinct, key=_order):
        if not groups or span.starts > reach + REOPEN:
            groups.append([])
        groups[-1].append(span)
        reach = max(reach, _until(span, ends))
    return [_compact(group) for group in groups]


def _until(span: Span, ends: list[int]) -> int:
    if span.ends is not None:
        return span.ends
    at = bisect_left(ends, span.starts)
    return ends[at] if at < len(ends) else FOREVER


def _compact(group: list[Span]) -> tuple[Span, ...]:
    """The fewest spans that say the same, now and with whatever else may arrive.

    Ended spans within REOPEN of each other are one; firings inside them are answered. Of more open firings than
    MAX_OPEN_SPANS the first and the latest stay.
    """
    ended: list[Span] = []
    for span in group:
        if span.ends is None:
            continue
        if ended and ended[-1].ends is not None and span.starts <= ended[-1].ends + REOPEN:
            ended[-1] = Span(ended[-1].starts, max(ended[-1].ends, span.ends))
        else:
            ended.append(span)
    starts = [span.starts for span in ended]
    free = [span for span in group if span.ends is None and not _answered(span, ended, starts)]
    if len(free) > MAX_OPEN_SPANS:
        free = [free[0], *free[1 - MAX_OPEN_SPANS :]]
    return tuple(sorted((*ended, *free), key=_order))


def _answered(firing: Span, ended: list[Span], starts: list[int]) -> bool:
    at = bisect_left(starts, firing.starts + 1) - 1
    return at >= 0 and firing.starts <= (ended[at].ends or 0)


def _order(span: Span) -> tuple[int, int]:
    return span.starts, FOREVER if span.ends is None else span.ends


def _ends(spans: tuple[Span, ...]) -> int | None:
    last = max((span.ends for span in spans if span.ends is not None), default=None)
    fires = last is None or any(span.ends is None and span.starts > last for span in spans)
    return None if fires else last


def _reach(spans: tuple[Span, ...]) -> int:
    ends = _ends(spans)
    return FOREVER if ends is None else ends


def _meet(one: tuple[Span, ...], other: tuple[Span, ...]) -> bool:
    return one[0].starts <= _reach(other) and other[0].starts <= _reach(one)


def _latest(touched: Iterable[Episode[Text]], news: tuple[Span, Text] | None, reach: int) -> tuple[Text, int]:
    """The text of the latest instant within the episode; of two about the same instant the one that came last."""
    texts = [(episode.text, episode.said) for episode in touched if episode.said <= reach]
    if news is not None:
        texts.append((news[1], news[0].instant))
    return max(reversed(texts), key=lambda pair: pair[1])
