"""The matching engine: examples of each kind of order, and what holds whatever comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from demo.venue.engine import Book, Level, Order, Outcome, Side, State, TimeInForce

BUY, SELL = Side.BUY, Side.SELL


def levels(book: Book, side: Side) -> list[tuple[int, int]]:
    return [(level.price, level.quantity) for level in book.levels(side)]


def fills(outcome: Outcome) -> list[tuple[int, int, int]]:
    """Maker, price and quantity of each trade."""
    return [(trade.maker.id, trade.price, trade.quantity) for trade in outcome.trades]


@pytest.fixture
def book() -> Book:
    """Asks of 5 at 101 (orders 1 and 2) and 4 at 102, a bid of 3 at 99."""
    book = Book()
    for order in (Order(1, SELL, 101, 2), Order(2, SELL, 101, 3), Order(3, SELL, 102, 4), Order(4, BUY, 99, 3)):
        book.place(order)
    return book


def test_what_does_not_cross_rests(book: Book) -> None:
    assert levels(book, SELL) == [(101, 5), (102, 4)]
    assert levels(book, BUY) == [(99, 3)]
    assert (book.best(BUY), book.best(SELL)) == (99, 101)


def test_the_best_price_trades_first_and_at_one_price_who_came_first(book: Book) -> None:
    taker = Order(5, BUY, 102, 6)
    outcome = book.place(taker)
    assert fills(outcome) == [(1, 101, 2), (2, 101, 3), (3, 102, 1)]
    assert sorted(outcome.changed, key=lambda level: level.price) == [Level(SELL, 101, 0), Level(SELL, 102, 3)]
    assert taker.state is State.FILLED


def test_a_limit_order_rests_with_what_is_left_of_it(book: Book) -> None:
    taker = Order(5, BUY, 101, 7)
    book.place(taker)
    assert (taker.state, taker.filled, taker.remaining) == (State.PARTIALLY_FILLED, 5, 2)
    assert levels(book, BUY) == [(101, 2), (99, 3)]
    assert levels(book, SELL) == [(102, 4)]


def test_a_market_order_takes_what_there_is_and_never_rests(book: Book) -> None:
    taker = Order(5, BUY, None, 20)
    outcome = book.place(taker)
    assert sum(trade.quantity for trade in outcome.trades) == 9
    assert (taker.state, taker.remaining) == (State.EXPIRED, 11)
    assert levels(book, SELL) == []
    assert taker.id not in book


def test_ioc_trades_up_to_its_price_and_the_rest_expires(book: Book) -> None:
    taker = Order(5, BUY, 101, 20, TimeInForce.IOC)
    assert fills(book.place(taker)) == [(1, 101, 2), (2, 101, 3)]
    assert (taker.state, taker.id in book) == (State.EXPIRED, False)


@pytest.mark.parametrize(("quantity", "state"), [(9, State.FILLED), (10, State.EXPIRED)])
def test_fok_trades_whole_or_not_at_all(book: Book, quantity: int, state: State) -> None:
    taker = Order(5, BUY, 102, quantity, TimeInForce.FOK)
    outcome = book.place(taker)
    assert taker.state is state
    assert sum(trade.quantity for trade in outcome.trades) == (quantity if state is State.FILLED else 0)


def test_post_only_never_takes(book: Book) -> None:
    crossing, resting = Order(5, BUY, 101, 1, post_only=True), Order(6, BUY, 100, 1, post_only=True)
    assert book.place(crossing) == Outcome((), ())
    assert crossing.state is State.REJECTED
    book.place(resting)
    assert levels(book, BUY) == [(100, 1), (99, 3)]


def test_one_owner_does_not_trade_with_itself_and_the_resting_order_expires(book: Book) -> None:
    own = Order(5, SELL, 100, 2, owner="desk")
    book.place(own)
    outcome = book.place(taker := Order(6, BUY, 101, 3, owner="desk"))
    assert outcome.expired == [own]
    assert own.state is State.EXPIRED_IN_MATCH
    assert fills(outcome) == [(1, 101, 2), (2, 101, 1)]
    assert taker.state is State.FILLED
    assert Level(SELL, 100, 0) in outcome.changed


def test_fok_does_not_count_on_its_owners_orders(book: Book) -> None:
    book.place(Order(5, SELL, 101, 10, owner="desk"))
    taker = Order(6, BUY, 101, 6, TimeInForce.FOK, owner="desk")
    assert book.place(taker).trades == ()
    assert taker.state is State.EXPIRED


def test_the_crowd_trades_with_itself(book: Book) -> None:
    assert fills(book.place(Order(5, SELL, 99, 1))) == [(4, 99, 1)]


def test_a_cancelled_order_is_gone_once(book: Book) -> None:
    assert book.cancel(1) == Outcome((), [Level(SELL, 101, 3)])
    assert book.cancel(1) is None
    assert book.cancel(77) is None
    assert book.resting(2) is not None


@pytest.mark.parametrize(("price", "quantity"), [(0, 1), (-5, 1), (10, 0), (10, -1), (None, 0)])
def test_an_order_of_nothing_or_for_nothing_is_refused(price: int | None, quantity: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        Order(1, BUY, price, quantity)


def test_an_order_is_placed_once(book: Book) -> None:
    with pytest.raises(ValueError, match="already"):
        book.place(Order(1, BUY, 50, 1))


PRICES = st.integers(90, 110)
ORDERS = st.builds(
    Order,
    id=st.just(0),
    side=st.sampled_from(Side),
    price=st.none() | PRICES,
    quantity=st.integers(1, 30),
    time_in_force=st.sampled_from(TimeInForce),
    post_only=st.booleans(),
    owner=st.sampled_from([None, "alice", "bob"]),
)


class Matching(RuleBasedStateMachine):
    """Any orders and cancels in any order; a second copy of the book is kept from the deltas alone."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Book()
        self.orders: list[Order] = []
        self.copy: dict[tuple[Side, int], int] = {}
        self.left = 0  # quantity that was cancelled, expired or rejected

    def follow(self, outcome: Outcome) -> None:
        for side, price, quantity in outcome.changed:
            assert quantity >= 0
            self.copy[side, price] = quantity
            if quantity == 0:
                del self.copy[side, price]

    @rule(order=ORDERS)
    def place(self, order: Order) -> None:
        order.id = len(self.orders) + 1
        queues = {price: self.book.queue(order.side.other, price) for price in self.prices(order.side.other)}
        self.orders.append(order)
        outcome = self.book.place(order)
        self.follow(outcome)
        self.check_priority(order, outcome, queues)
        self.left += sum(maker.remaining for maker in outcome.expired)
        self.left += 0 if order.id in self.book else order.remaining

    def prices(self, side: Side) -> list[int]:
        return [level.price for level in self.book.levels(side)]

    def check_priority(self, taker: Order, outcome: Outcome, queues: dict[int, list[Order]]) -> None:
        """Makers traded in the order of price, then arrival, each whole but the last, none of the taker's owner."""
        waiting = [maker for queue in queues.values() for maker in queue]
        strangers = [maker for maker in waiting if taker.owner is None or maker.owner != taker.owner]
        makers = [trade.maker for trade in outcome.trades]
        assert makers == strangers[: len(makers)]
        assert all(maker.remaining == 0 for maker in makers[:-1])
        assert all(taker.reaches(trade.price) for trade in outcome.trades)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(1, len(self.orders) + 1))
        rested = self.book.resting(number)
        outcome = self.book.cancel(number)
        assert (outcome is None) == (rested is None)
        if outcome is not None and rested is not None:
            self.follow(outcome)
            self.left += rested.remaining
        assert self.book.cancel(number) is None

    @invariant()
    def never_crossed(self) -> None:
        bid, ask = self.book.best(BUY), self.book.best(SELL)
        assert bid is None or ask is None or bid < ask

    @invariant()
    def quantity_is_conserved(self) -> None:
        placed = sum(order.quantity for order in self.orders)
        filled = sum(order.filled for order in self.orders)
        resting = sum(level.quantity for side in Side for level in self.book.levels(side))
        assert placed == filled + resting + self.left
        assert filled % 2 == 0  # what one bought another sold

    @invariant()
    def deltas_make_the_book(self) -> None:
        assert self.copy == {
            (level.side, level.price): level.quantity for side in Side for level in self.book.levels(side)
        }
        assert all(len(self.prices(side)) == self.book.depth(side) for side in Side)

    @invariant()
    def levels_come_from_the_best_on(self) -> None:
        assert self.prices(BUY) == sorted(self.prices(BUY), reverse=True)
        assert self.prices(SELL) == sorted(self.prices(SELL))


TestMatching = Matching.TestCase


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.integers(1, 1200))
def test_what_could_trade_is_what_trades(sizes: list[int], wanted: int) -> None:
    book = Book()
    for number, size in enumerate(sizes, 1):
        book.place(Order(number, SELL, 100 + number % 3, size))
    taker = Order(99, BUY, 101, wanted, TimeInForce.IOC)
    could = book.available(taker)
    book.place(taker)
    assert taker.filled == could
