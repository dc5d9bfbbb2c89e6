"""What a venue says about its book: deltas that make the book, and the faults that make it say otherwise."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.venue.engine import Book, Level, Order, Side
from demo.venue.flow import Crowd, Habits
from demo.venue.published import Channel, PublishedBook

BUY, SELL = Side.BUY, Side.SELL
BEST = [(100, 5), (99, 3)], [(102, 4), (103, 6)]


@pytest.fixture
def book() -> PublishedBook:
    """Bids 100 and 99, asks 102 and 103; the real book is the same."""
    real = {(BUY, 100): 5, (BUY, 99): 3, (SELL, 102): 4, (SELL, 103): 6}
    book = PublishedBook(lambda side, price: real.get((side, price), 0))
    book.apply(Level(side, price, quantity) for (side, price), quantity in real.items())
    return book


def tops(book: PublishedBook) -> tuple[Any, Any]:
    return book.top(BUY, 5), book.top(SELL, 5)


def test_the_top_comes_from_the_best_on(book: PublishedBook) -> None:
    assert tops(book) == BEST
    assert (book.best(BUY), book.best(SELL)) == (100, 102)
    assert book.top(SELL, 1) == [(102, 4)]


def test_every_change_has_an_update_id_and_a_channel_takes_them_without_a_gap(book: PublishedBook) -> None:
    channel, first = book.channel("depth"), book.last_id
    book.apply([Level(BUY, 101, 7), Level(BUY, 99, 0)])
    update = channel.take(book.last_id)
    assert update is not None
    assert (update.first, update.last, update.before) == (first + 1, first + 2, first)
    assert (update.bids, update.asks) == ({101: 7, 99: 0}, {})
    assert channel.take(book.last_id) is None
    book.apply([Level(SELL, 102, 1)])
    following = channel.take(book.last_id)
    assert following is not None
    assert following.first == update.last + 1


def test_a_frozen_book_stands_still_and_tells_all_at_once_when_it_thaws(book: PublishedBook) -> None:
    channel, first = book.channel("depth"), book.last_id
    book.freeze()
    book.freeze()
    book.apply([Level(BUY, 101, 7)])
    book.apply([Level(BUY, 101, 2), Level(SELL, 102, 0)])
    assert (tops(book), book.last_id, channel.take(book.last_id)) == (BEST, first, None)
    book.thaw()
    update = channel.take(book.last_id)
    assert update is not None
    assert (update.first, update.bids, update.asks) == (first + 1, {101: 2}, {102: 0})


def test_a_crossed_book_bids_more_than_it_asks_and_goes_back(book: PublishedBook) -> None:
    book.cross(2)
    assert tops(book) == ([(104, 4), *BEST[0]], BEST[1])
    book.uncross()
    assert tops(book) == BEST


def test_it_stays_crossed_when_the_asks_move(book: PublishedBook) -> None:
    book.cross(1)
    book.apply([Level(SELL, 102, 0), Level(SELL, 103, 0), Level(SELL, 110, 9)])
    book.cross(1)
    assert book.top(BUY, 2) == [(111, 9), (100, 5)]


def test_hidden_sides_are_told_to_be_gone_and_come_back_as_they_are(book: PublishedBook) -> None:
    channel = book.channel("depth")
    book.hide([SELL], ())
    book.apply([Level(SELL, 105, 1), Level(BUY, 98, 1)])
    assert tops(book) == ([*BEST[0], (98, 1)], [])
    update = channel.take(book.last_id)
    assert update is not None
    assert (update.asks, update.bids) == ({102: 0, 103: 0}, {98: 1})
    book.hide((), [Level(BUY, 100, 5), Level(SELL, 105, 1)])
    assert tops(book)[1] == [(105, 1)]


def follow(copy: dict[tuple[Side, int], int], channel: Channel, book: PublishedBook) -> None:
    """As a client does."""
    if (update := channel.take(book.last_id)) is None:
        return
    for side, changes in ((BUY, update.bids), (SELL, update.asks)):
        for price, quantity in changes.items():
            copy[side, price] = quantity
    for gone in [at for at, quantity in copy.items() if not quantity]:
        del copy[gone]


class Told:
    """A real book with a crowd, what is published of it, and a client that follows."""

    def __init__(self, seed: int) -> None:
        self.real, self.crowd = Book(), Crowd(Habits(levels=10, reach=0.01), 1, Random(seed))
        self.book = PublishedBook(self.real.total)
        self.channel, self.copy = self.book.channel("depth"), dict[tuple[Side, int], int]()

    def step(self) -> None:
        for action in self.crowd.act(self.real, 10_000.0, 0.1):
            outcome = self.real.place(action) if isinstance(action, Order) else self.real.cancel(action.order_id)
            self.book.apply(outcome.changed if outcome else ())

    def take(self) -> None:
        follow(self.copy, self.channel, self.book)
        assert self.copy == {(side, price): size for side in Side for price, size in self.book.top(side, 10_000)}

    def show(self) -> None:
        self.book.hide((), levels(self.real))

    def switch(self, what: str) -> None:
        switches: dict[str, Callable[[], None]] = {
            "freeze": self.book.freeze,
            "thaw": self.book.thaw,
            "cross": lambda: self.book.cross(3),
            "uncross": self.book.uncross,
            "hide": lambda: self.book.hide([SELL], ()),
            "show": self.show,
            "step": self.step,
            "take": self.take,
        }
        switches[what]()


def levels(book: Book) -> list[Level]:
    return [level for side in Side for level in book.levels(side)]


WHAT = st.sampled_from(["freeze", "thaw", "cross", "uncross", "hide", "show", "step", "step", "take"])


@settings(deadline=None)
@given(seed=st.integers(0, 99), what=st.lists(WHAT, max_size=25))
def test_a_client_that_follows_has_what_is_published_and_without_faults_the_real_book(
    seed: int, what: list[str]
) -> None:
    told = Told(seed)
    for each in [*what, "thaw", "show", "uncross", "step", "take"]:
        told.switch(each)
    assert told.copy == {(level.side, level.price): level.quantity for level in levels(told.real)}
