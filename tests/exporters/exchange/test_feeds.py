"""What is remembered of a book and of trades."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.exchange.derived import GOES_ON_SECONDS
from exporters.exchange.feeds import COUNT, CROSSED, IDS, REMEMBERED, SIDES, VOLUME, BookFeed, Contract, TradesFeed
from exporters.exchange.reading import BookReading, Totals, TradesReading
from occ.errors import Reason, SourceError
from tests.virtual import EPOCH, clock, on_virtual_time

LABELS = {"venue": "a", "symbol": "BTC/USDT"}
SPOT = Contract()


def raw(bid: float = 99.0, ask: float = 101.0, **more: Any) -> dict[str, Any]:
    return {"bids": [[bid, 1.0], [bid - 1, 2.0]], "asks": [[ask, 1.0], [ask + 1, 2.0]], "timestamp": None, **more}


class Followed:
    """A book feed on virtual time."""

    def __init__(self, usd: float | None = 1.0) -> None:
        self.usd = usd
        self.feed = BookFeed(LABELS, (100,), lambda: self.usd, clock)

    def sees(self, book: Any = None) -> BookReading:
        book = raw() if book is None else book
        self.feed.saw(book)
        return self.feed.reading(book, SPOT)


# --- books -----------------------------------------------------------------------------------------------------------


@on_virtual_time
async def test_a_book_changes_when_its_content_does() -> None:
    followed = Followed()
    assert followed.sees().changed_at == EPOCH
    await asyncio.sleep(1)
    same = followed.sees()
    assert (same.changed_at, same.received_at) == (EPOCH, EPOCH + 1)
    await asyncio.sleep(1)
    assert followed.sees(raw(98.0)).changed_at == EPOCH + 2


@on_virtual_time
async def test_the_venues_time_is_shown_and_never_made_up() -> None:
    followed = Followed()
    assert followed.sees().timestamp is None
    assert followed.sees(raw(timestamp=1_700_000_000_500)).timestamp == 1_700_000_000.5
    for nonsense in ("soon", float("nan"), -1, 0, True):
        assert followed.sees(raw(timestamp=nonsense)).timestamp in (None, 0.001)


@on_virtual_time
async def test_moves_are_those_of_the_mid_and_only_the_last_are_kept() -> None:
    followed = Followed()
    for step in range(REMEMBERED + 5):
        followed.sees(raw(99.0 - step % 2))
        await asyncio.sleep(1)
    unmoved = followed.sees(raw(99.0 - (REMEMBERED + 4) % 2))
    assert unmoved.moves == tuple(EPOCH + step for step in range(5, REMEMBERED + 5))


@on_virtual_time
async def test_crossed_time_counts_every_update_and_not_only_what_is_shown() -> None:
    followed = Followed()
    followed.sees()
    followed.feed.saw(raw(102.0))
    await asyncio.sleep(3)
    followed.feed.saw(raw())
    await asyncio.sleep(3)
    assert followed.sees().totals.amounts[CROSSED] == 3.0


@on_virtual_time
async def test_nothing_is_counted_for_the_time_in_which_the_book_was_not_seen() -> None:
    followed = Followed()
    followed.sees(raw(102.0))
    await asyncio.sleep(1)
    followed.feed.lost()
    await asyncio.sleep(60)
    assert followed.sees().totals.amounts[CROSSED] == 1.0


@on_virtual_time
async def test_a_flash_between_two_publishes_is_in_the_range() -> None:
    followed = Followed()
    followed.sees(raw(99.0, 101.0))
    await asyncio.sleep(0.1)
    followed.feed.saw(raw(49.0, 51.0))
    await asyncio.sleep(0.1)
    assert followed.sees(raw(99.0, 101.0)).mid_range_ratio == 1.0


@on_virtual_time
async def test_dollars_go_with_their_price() -> None:
    followed = Followed(usd=2.0)
    assert followed.sees().quality.bids.depth_usd[-1] == 2 * (99.0 + 2 * 98.0)
    followed.usd = None
    gone = followed.sees().quality
    assert set(gone.bids.depth_usd) == {None}
    assert gone.mid == 100.0


@on_virtual_time
async def test_a_followed_book_is_taken_again_after_the_first_time() -> None:
    feed = Followed().feed
    assert [feed.taken(), feed.taken(), feed.taken()] == [False, True, True]


GARBAGE = [
    [],
    {},
    "<html>",
    {"bids": "none", "asks": []},
    {"bids": [[1.0]], "asks": []},
    {"bids": [[float("nan"), 1.0]], "asks": []},
    {"bids": [[100.0, 0.0]], "asks": []},
    {"bids": [[100.0, -2.0]], "asks": []},
    {"bids": [[-100.0, 2.0]], "asks": []},
    {"bids": [[1e300, 1.0]], "asks": []},
    {"bids": [["100", "1"]], "asks": []},
    {"bids": [[100.0, 1.0], [101.0, 1.0]], "asks": []},
    {"bids": [None], "asks": [None]},
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=repr)
def test_garbage_is_a_bad_response_and_changes_nothing(garbage: Any) -> None:
    @on_virtual_time
    async def test() -> None:
        followed = Followed()
        before = followed.sees()
        await asyncio.sleep(1)
        with pytest.raises(SourceError) as caught:
            followed.sees(garbage)
        assert caught.value.reason is Reason.BAD_RESPONSE
        assert followed.sees().changed_at == before.changed_at

    test()


@on_virtual_time
async def test_books_of_one_side_and_of_none_are_books() -> None:
    followed = Followed()
    one = followed.sees({"bids": [[99.0, 1.0]], "asks": []}).quality
    assert (one.bid, one.ask, one.mid, one.spread_ratio) == (99.0, None, None, None)
    none = followed.sees({"bids": [], "asks": []}).quality
    assert (none.bid, none.ask) == (None, None)


@on_virtual_time
@pytest.mark.parametrize(
    ("bids", "asks", "whole"),
    [(3, 10, (True, False)), (2, 5, (True, False)), (5, 5, (False, False)), (10, 10, (False, False))],
)
async def test_a_side_is_whole_that_is_shorter_than_what_was_asked_for_and_than_the_other(
    bids: int, asks: int, whole: tuple[bool, bool]
) -> None:
    """Ten levels were asked for. Where both sides have as many, and fewer than that, the venue may just give no more."""
    book = {
        "bids": [[99.0 - 0.001 * step, 1.0] for step in range(bids)],
        "asks": [[101.0 + 0.001 * step, 1.0] for step in range(asks)],
    }
    told = Followed().feed.reading(book, SPOT, 10).quality
    assert (told.bids.complete[-1], told.asks.complete[-1]) == whole


@on_virtual_time
async def test_five_thousand_levels_are_read_whole() -> None:
    deep = {
        "bids": [[100.0 - step * 0.001, 1.0] for step in range(5_000)],
        "asks": [[100.1 + step * 0.001, 1.0] for step in range(5_000)],
    }
    told = Followed().sees(deep).quality
    assert told.bids.complete[-1]
    assert told.bids.depth_usd[-1] == pytest.approx(sum(price for price, _ in deep["bids"] if price >= 100.05 * 0.98))


# --- trades ----------------------------------------------------------------------------------------------------------


def trade(
    number: int, side: str | None = "buy", price: float = 10.0, amount: float = 2.0, **more: Any
) -> dict[str, Any]:
    return {"id": str(number), "side": side, "price": price, "amount": amount, "timestamp": 1_000 * number, **more}


def trades_feed(usd: float | None = 1.0) -> TradesFeed:
    return TradesFeed(LABELS, lambda: usd, clock)


def amounts(feed: TradesFeed) -> list[float]:
    told = feed.reading().totals.amounts
    return [told[f"{what}_{side}"] for what in (COUNT, VOLUME) for side in SIDES]


@on_virtual_time
async def test_trades_from_before_are_not_counted() -> None:
    feed = trades_feed()
    feed.saw([trade(1), trade(2)], SPOT, followed=False)
    assert amounts(feed) == [0, 0, 0, 0]
    assert feed.reading() == TradesReading(feed.reading().totals, last_at=2.0)


@on_virtual_time
async def test_a_time_that_was_told_wrong_once_does_not_stay_the_last() -> None:
    feed = trades_feed()
    feed.saw([trade(1), trade(2, timestamp=3_600_000)], SPOT, followed=False)
    assert feed.reading().last_at == 3_600
    feed.saw([trade(1), trade(2, timestamp=3_600_000)], SPOT, followed=False)
    assert feed.reading().last_at == 3_600
    feed.saw([trade(4), trade(3)], SPOT, followed=True)
    assert feed.reading().last_at == 4


@on_virtual_time
async def test_trades_count_by_the_takers_side_with_their_value() -> None:
    feed = trades_feed(usd=0.5)
    feed.saw([], SPOT, followed=False)
    feed.saw([trade(1), trade(2, "sell"), trade(3, None)], SPOT, followed=True)
    assert amounts(feed) == [1, 1, 10.0, 10.0]


@on_virtual_time
async def test_without_a_price_trades_count_and_their_value_does_not() -> None:
    feed = trades_feed(usd=None)
    feed.saw([], SPOT, followed=False)
    feed.saw([trade(1)], SPOT, followed=True)
    assert amounts(feed) == [1, 0, 0, 0]


@on_virtual_time
async def test_contracts_are_worth_their_size() -> None:
    linear, inverse = trades_feed(), trades_feed()
    for feed, contract in ((linear, Contract(0.01)), (inverse, Contract(100.0, inverse=True))):
        feed.saw([], contract, followed=False)
        feed.saw([trade(1, price=50_000.0, amount=3.0)], contract, followed=True)
    assert amounts(linear)[2] == 1_500.0
    assert amounts(inverse)[2] == 300.0


@given(st.lists(st.integers(1, 60), max_size=40), st.integers(0, 1_000))
def test_however_polls_overlap_and_are_ordered_each_trade_counts_once(ends: list[int], seed: int) -> None:
    @on_virtual_time
    async def test() -> None:
        feed, chance = trades_feed(), random.Random(seed)
        feed.saw([], SPOT, followed=False)
        last = 0
        for more in ends:
            told = [trade(number) for number in range(max(last - 20, 1), last + more + 1)]
            last += more
            chance.shuffle(told)
            feed.saw(told, SPOT, followed=chance.random() < 0.5)
        assert amounts(feed)[0] == last

    test()


@on_virtual_time
async def test_trades_without_an_id_are_known_by_what_they_are() -> None:
    feed = trades_feed()
    feed.saw([], SPOT, followed=False)
    nameless = {**trade(1), "id": None}
    feed.saw([nameless, {**nameless, "price": 11.0}], SPOT, followed=False)
    feed.saw([nameless], SPOT, followed=False)
    assert amounts(feed)[0] == 2


@on_virtual_time
async def test_only_so_many_trades_are_remembered() -> None:
    feed = trades_feed()
    feed.saw([trade(number) for number in range(IDS + 1_000)], SPOT, followed=False)
    assert len(feed._known) == IDS


@on_virtual_time
async def test_polled_trades_printed_after_the_look_before() -> None:
    feed = trades_feed()
    feed.saw([trade(1)], SPOT, followed=False)
    await asyncio.sleep(10)
    feed.saw([trade(2)], SPOT, followed=False)
    await asyncio.sleep(10)
    feed.saw([trade(2)], SPOT, followed=False)
    await asyncio.sleep(10)
    feed.saw([trade(3)], SPOT, followed=True)
    assert feed.reading().prints == (EPOCH, EPOCH + 30)


@on_virtual_time
async def test_however_often_trades_print_the_last_seconds_are_remembered() -> None:
    """Fifty messages a second: else a book that stands still beside them would never be seen to stand for long enough."""
    feed = trades_feed()
    feed.saw([], SPOT, followed=True)
    for number in range(500):
        await asyncio.sleep(0.02)
        feed.saw([trade(number)], SPOT, followed=True)
    prints = feed.reading().prints
    assert prints[-1] - prints[0] > 2 * GOES_ON_SECONDS
    assert prints[-1] > clock() - 0.3


@pytest.mark.parametrize(
    "garbage",
    [
        None,
        "<html>",
        {"a": 1},
        ["x"],
        [None],
        [trade(1, price=float("nan"))],
        [trade(1, amount=0)],
        [trade(1, amount=-1)],
    ],
    ids=repr,
)
def test_garbage_trades_are_a_bad_response(garbage: Any) -> None:
    @on_virtual_time
    async def test() -> None:
        with pytest.raises(SourceError) as caught:
            trades_feed().saw(garbage, SPOT, followed=True)
        assert caught.value.reason is Reason.BAD_RESPONSE

    test()


# --- totals ----------------------------------------------------------------------------------------------------------


def test_events_are_what_came_beyond_the_reading_before() -> None:
    assert Totals(LABELS, 1.0, {"a": 5.0}).beyond(Totals(LABELS, 1.0, {"a": 3.0})) == {"a": 2.0}
    assert Totals(LABELS, 1.0, {"a": 5.0}).beyond(None) == {"a": 5.0}


def test_what_was_counted_before_a_reload_is_another_count() -> None:
    assert Totals(LABELS, 2.0, {"a": 1.0}).beyond(Totals(LABELS, 1.0, {"a": 3.0})) == {"a": 1.0}
