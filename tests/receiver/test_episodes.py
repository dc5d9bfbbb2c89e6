from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.episodes import FOREVER, MAX_OPEN_SPANS, REOPEN, Episode, Span, partition, witness

MINUTE = 60_000_000


def at(*minutes: int) -> Span:
    return Span(*(minute * MINUTE for minute in minutes))


def seen(*spans: Span) -> list[tuple[int, int | None]]:
    """Begin and end, in minutes, of the episodes of these spans."""
    episodes = [Episode(group, "", 0) for group in partition(spans)]
    return [(e.starts // MINUTE, None if e.ends is None else e.ends // MINUTE) for e in episodes]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        pytest.param([at(10)], [(10, None)], id="fires"),
        pytest.param([at(10), at(10, 30)], [(10, 30)], id="resolved"),
        pytest.param([at(10, 30)], [(10, 30)], id="resolved, never seen to fire"),
        pytest.param([at(10, 30), at(10)], [(10, 30)], id="a late firing does not reopen"),
        pytest.param([at(10, 30), at(25)], [(10, 30)], id="nor one that began later, but before the end"),
        pytest.param([at(10, 30), at(40)], [(10, None)], id="reopens within ten minutes"),
        pytest.param([at(10, 30), at(41)], [(10, 30), (41, None)], id="fires again after more than ten minutes"),
        pytest.param([at(10, 30), at(38, 50)], [(10, 50)], id="fired again within ten minutes"),
        pytest.param([at(10), at(200)], [(10, None)], id="startsAt moved on without an end between"),
        pytest.param([at(10), at(200, 220)], [(10, 220)], id="startsAt moved on, then it resolved"),
        pytest.param([at(10), at(200), at(10, 30)], [(10, 30), (200, None)], id="a late end parts two firings"),
        pytest.param([at(10), at(35), at(10, 30)], [(10, None)], id="unless they are one episode all the same"),
        pytest.param([at(20), at(10)], [(10, None)], id="startsAt moved back, as when two are merged"),
        pytest.param([at(10, 20), at(40, 50), at(15, 45)], [(10, 50)], id="a span that joins two"),
        pytest.param([at(10, 30), at(10, 90)], [(10, 90)], id="the later end of two"),
        pytest.param([at(10, 10), at(10)], [(10, 10)], id="an end at the very beginning"),
    ],
)
def test_spans_make_episodes(spans: list[Span], expected: list[tuple[int, int | None]]) -> None:
    assert seen(*spans) == expected
    assert seen(*reversed(spans)) == expected


def by_definition(spans: list[Span]) -> list[tuple[int, int | None]]:
    """The rule as the module's head words it, in the most simple-minded way."""
    lasting = []
    for span in spans:
        ends = [other.ends for other in spans if other.ends is not None and other.ends >= span.starts]
        lasting.append((span.starts, span.ends if span.ends is not None else min(ends, default=FOREVER)))
    episodes: list[list[int]] = []
    for starts, ends_at in sorted(lasting):
        if episodes and starts <= episodes[-1][1] + REOPEN:
            episodes[-1][1] = max(episodes[-1][1], ends_at)
        else:
            episodes.append([starts, ends_at])
    return [(starts, None if ends_at == FOREVER else ends_at) for starts, ends_at in episodes]


@dataclass
class Table:
    """Episodes as they are stored: by id, with the rows that `witness` may leave out left out."""

    rows: dict[int, Episode[str]]

    def take(self, span: Span) -> None:
        within = {id_: row for id_, row in self.rows.items() if row.ends is None or row.ends >= span.starts - REOPEN}
        for part in witness(within, span, f"as of {span.instant}"):
            assert part.id is None or part.id in within
            self.rows[len(self.rows) + 1000 if part.id is None else part.id] = part.episode
            for absorbed in part.absorbed:
                self.rows[absorbed] = Episode((Span(-FOREVER, -FOREVER),), "", 0)

    def facts(self) -> list[tuple[int, int | None, str]]:
        return sorted((row.starts, row.ends, row.text) for row in self.rows.values() if row.starts != -FOREVER)


# Steps of a third of REOPEN, so that spans overlap, touch, reopen and stand apart.
instants = st.integers(1, 24).map(lambda step: step * REOPEN // 3)
spans = st.builds(
    lambda one, other, fires: Span(min(one, other), None if fires else max(one, other)),
    instants,
    instants,
    st.booleans(),
)


@given(st.lists(spans, max_size=12), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_leads_to_the_same_episodes(found: list[Span], chance: random.Random) -> None:
    once, again = Table({}), Table({})
    for span in found:
        once.take(span)
    repeated = found + [chance.choice(found) for _ in found]
    chance.shuffle(repeated)
    for span in repeated:
        again.take(span)
    assert once.facts() == again.facts()
    assert [fact[:2] for fact in once.facts()] == by_definition(found)


@given(st.lists(spans, max_size=12))
def test_partition_follows_the_rule(found: list[Span]) -> None:
    episodes = [Episode(group, "", 0) for group in partition(found)]
    assert [(episode.starts, episode.ends) for episode in episodes] == by_definition(found)


@given(st.lists(spans, min_size=1, max_size=12), spans)
def test_what_is_left_out_never_matters(found: list[Span], another: Span) -> None:
    kept = [span for group in partition(found) for span in group]
    assert partition([*kept, another]) == partition([*found, another])


def test_a_known_span_changes_nothing() -> None:
    [part] = witness({}, at(10), "text")
    assert witness({7: part.episode}, at(10), "text") == [type(part)(7, part.episode)]


def test_the_first_of_two_that_become_one_keeps_its_id() -> None:
    known = {3: Episode((at(40, 50),), "later", 50 * MINUTE), 5: Episode((at(10, 20),), "earlier", 20 * MINUTE)}
    [part] = witness(known, at(15, 45), "joins")
    assert (part.id, part.absorbed, part.episode.text) == (3, (5,), "later")
    assert part.episode.spans == (at(10, 50),)


def test_of_an_episode_that_is_parted_the_earlier_part_keeps_the_id_and_each_its_text() -> None:
    known = {3: Episode((at(10), at(200)), "of the second", 200 * MINUTE)}
    first, second = witness(known, at(10, 30), "of the first")
    assert (first.id, first.episode.ends, first.episode.text) == (3, 30 * MINUTE, "of the first")
    assert (second.id, second.episode.ends, second.episode.text) == (None, None, "of the second")


def test_a_late_notification_does_not_bring_an_old_text_back() -> None:
    [part] = witness({1: Episode((at(10, 30),), "resolved", 30 * MINUTE)}, at(10), "fires")
    assert part.episode.text == "resolved"


def test_startsat_that_moves_with_every_notification_stays_bounded() -> None:
    [group] = partition(at(minute) for minute in range(5 * MAX_OPEN_SPANS))
    assert len(group) == MAX_OPEN_SPANS
    assert (group[0], group[-1]) == (at(0), at(5 * MAX_OPEN_SPANS - 1))
