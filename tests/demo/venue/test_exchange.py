"""A venue in time: what happens on it follows from the seed and the clock alone."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.venue.assets import listing
from demo.venue.desk import Desk, SpotMoney
from demo.venue.engine import Level, Side
from demo.venue.exchange import Exchange, Segment, open_markets
from demo.venue.faults import Fault, Scope
from demo.venue.flow import Habits, Reference
from demo.venue.limits import Limiter
from demo.venue.market import STEP, Market
from demo.venue.transfers import Transfers

BEGAN = 1_700_000_000.0


class Clock:
    now = BEGAN

    def __call__(self) -> float:
        return self.now


def venue(clock: Clock) -> Exchange:
    pairs = {"BTCUSDT": listing("BTC", "USDT"), "ETHUSDT": listing("ETH", "USDT")}
    markets = open_markets(pairs, Reference(7), Habits(levels=20), "7", BEGAN)
    money = SpotMoney({})
    return Exchange("venue", {"spot": Segment(markets, Desk(money), Limiter(1))}, {}, clock, Transfers(money))


def happened(exchange: Exchange) -> Iterator[tuple[list[Level], list[tuple[int, int, int]]]]:
    for market in exchange.markets():
        yield [level for side in Side for level in market.book.levels(side)], [each[:3] for each in market.prints]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=15))
def test_how_often_it_is_looked_at_changes_nothing(strides: list[int]) -> None:
    often, seldom = Clock(), Clock()
    one, other = venue(often), venue(seldom)
    for exchange in (one, other):
        exchange.advance()
    for stride in strides:
        for _ in range(stride):
            often.now += STEP
            one.advance()
        seldom.now = often.now
        other.advance()
    assert list(happened(one)) == list(happened(other))


def test_looking_twice_at_one_moment_changes_nothing() -> None:
    exchange = venue(Clock())
    exchange.advance()
    before = list(happened(exchange))
    exchange.advance()
    assert list(happened(exchange)) == before


def test_after_a_long_pause_it_goes_on_from_now(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, steps = Clock(), []
    exchange = venue(clock)
    exchange.advance()
    monkeypatch.setattr(Market, "step", lambda _self, at, _stamp: steps.append(at))
    clock.now += 3600
    exchange.advance()
    assert len(steps) == 2 * 3
    assert steps[-1] == pytest.approx(clock.now, abs=2 * STEP)


def test_a_skewed_clock_moves_what_is_told_and_not_what_happens() -> None:
    clock, true = Clock(), Clock()
    skewed, exact = venue(clock), venue(true)
    skewed.set(Fault.CLOCK_SKEW, Scope(seconds=-60))
    for exchange in (skewed, exact):
        exchange.advance()
    assert skewed.stamp() == exact.stamp() - 60_000
    assert list(happened(skewed)) == list(happened(exact))


OF_ACCOUNTS = {
    Fault.ADL,
    Fault.MARGIN_SQUEEZE,
    Fault.PERMISSION_DENIED,
    Fault.STUCK_TRANSFER,
    Fault.WITHDRAWAL,
}
"""They need an account with something in it: test_clearing.py, test_transfers.py and test_account_faults.py have them."""


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault not in OF_ACCOUNTS])
def test_setting_a_fault_again_and_clearing_it_leaves_nothing_behind(fault: Fault) -> None:
    exchange = venue(Clock())
    market = next(exchange.markets())
    for symbol in (None, market.name, market.name):
        exchange.set(fault, Scope(symbol=symbol))
    exchange.clear(fault)
    exchange.clear(fault)
    assert exchange.faults == {}
    assert (market.halted, market.listed, market.published.frozen, market.tick) == (False, True, False, 1)
    published = {side: market.published.top(side, 1000) for side in Side}
    assert published == {side: [(level.price, level.quantity) for level in market.book.levels(side)] for side in Side}
