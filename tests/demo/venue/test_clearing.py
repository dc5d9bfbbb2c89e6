"""What a venue does with positions as time goes by: funding, liquidation, auto-deleveraging. The clock is the test's."""

from decimal import Decimal

import pytest

from demo.venue import funding
from demo.venue.accounts import Opening
from demo.venue.binance.venue import Binance
from demo.venue.desk import Forced, Ticket
from demo.venue.engine import Order, Side
from demo.venue.exchange import Exchange
from demo.venue.faults import Fault, Scope, UnknownError
from demo.venue.flow import Habits
from demo.venue.market import STEP, Market
from demo.venue.positions import BOTH, LONG, SHORT, MarginMoney

BEGAN = 1_700_000_000.0
DUE = 1_700_006_400.0
"""When funding of all contracts is settled next."""


class World:
    """A venue of Binance's kind, its clock, and an account `trader` with 20,000 USDT."""

    def __init__(self, *, hedged: bool = False) -> None:
        self.now = BEGAN
        opening = Opening(Decimal(20_000), hedged)
        venue = Binance("binance", lambda: self.now, seed=7, symbols=2, habits=Habits(levels=100), opening=opening)
        self.exchange: Exchange = venue.exchange
        self.desk = self.exchange.segments["futures"].desk
        money, clearing = self.desk.money, self.exchange.segments["futures"].clearing
        assert isinstance(money, MarginMoney)
        assert clearing is not None
        self.money, self.clearing = money, clearing
        self.btc, self.eth = self.exchange.segments["futures"].markets.values()
        self.exchange.advance()

    def later(self, seconds: float) -> None:
        """Looking every step, as the server does; from one moment to another where it is long."""
        self.now += max(0.0, seconds - 1.0)
        for _ in range(round(min(seconds, 1.0) / STEP)):
            self.now += STEP
            self.exchange.advance()

    def order(self, market: Market, lots: int, price: int | None = None, position: str = BOTH) -> Ticket:
        side = Side.BUY if lots > 0 else Side.SELL
        order = Order(next(market.ids), side, price, abs(lots), owner="trader")
        placed = Ticket("trader", market, order, f"{order.id}", "LIMIT", self.exchange.stamp(), position=position)
        self.desk.place(placed)
        return placed

    @property
    def wallet(self) -> Decimal:
        return self.money.wallets["trader"]

    def lots(self, market: Market, position: str = BOTH) -> int:
        return self.money.position("trader", market, position).lots

    def set(self, fault: Fault, **scope: object) -> None:
        self.exchange.set(fault, Scope(**{"account": "trader", **scope}))  # type: ignore[arg-type]


@pytest.fixture
def world() -> World:
    return World()


# --- funding ---------------------------------------------------------------------------------------------------------


def test_funding_is_paid_when_it_is_due_and_once(world: World) -> None:
    world.order(world.btc, 200_000)
    world.later(DUE - BEGAN - 2)
    before = world.wallet
    assert not [each for each in world.money.statements["trader"] if each.kind == "FUNDING_FEE"]
    world.later(3)
    (paid,) = [each for each in world.money.statements["trader"] if each.kind == "FUNDING_FEE"]
    rate = Decimal(funding.rate(world.btc, DUE))
    assert paid.amount == pytest.approx(-2 * world.money.mark(world.btc) * rate, rel=Decimal("0.001"))
    assert world.wallet == before + paid.amount
    world.later(5)
    assert world.wallet == before + paid.amount


def test_shorts_are_paid_what_longs_pay() -> None:
    world = World(hedged=True)
    world.order(world.btc, 50_000, position=LONG)
    world.order(world.btc, -50_000, position=SHORT)
    world.later(DUE - BEGAN + 1)
    one, other = [each.amount for each in world.money.statements["trader"] if each.kind == "FUNDING_FEE"]
    assert one == -other != 0


def test_an_isolated_position_pays_from_its_own_margin(world: World) -> None:
    world.money.terms("trader", world.btc).isolated = True
    world.order(world.btc, 100_000)
    aside, cross = world.money.position("trader", world.btc).margin, world.money.cross_wallet("trader")
    world.later(DUE - BEGAN + 1)
    (paid,) = [each.amount for each in world.money.statements["trader"] if each.kind == "FUNDING_FEE"]
    assert world.money.position("trader", world.btc).margin == aside + paid
    assert world.money.cross_wallet("trader") == cross


def test_every_due_time_that_was_slept_through_is_settled(world: World) -> None:
    world.order(world.eth, 100)
    world.later(DUE - BEGAN + 4 * 3600 + 1)
    assert len([each for each in world.money.statements["trader"] if each.kind == "FUNDING_FEE"]) == 2


# --- squeeze and liquidation -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lots", [200_000, -200_000])
@pytest.mark.parametrize("ratio", [0.5, 0.9, 0.99])
def test_a_squeeze_uses_as_much_margin_as_asked_for_and_stands(lots: int, ratio: float) -> None:
    world = World()
    world.order(world.btc, lots)
    world.set(Fault.MARGIN_SQUEEZE, ratio=ratio)
    assert world.money.usage("trader") == pytest.approx(ratio, rel=1e-6)
    world.later(30)
    assert world.money.usage("trader") == pytest.approx(ratio, rel=1e-6)
    assert world.lots(world.btc) == lots


def test_the_book_and_the_index_go_with_the_mark(world: World) -> None:
    world.order(world.btc, 200_000)
    world.set(Fault.MARGIN_SQUEEZE, ratio=0.9)
    world.later(5)
    mark = world.btc.mark(world.now)
    assert world.btc.last == pytest.approx(mark, rel=0.005)
    assert world.btc.index(world.now) == pytest.approx(mark, rel=0.005)


def test_who_reduces_a_squeezed_position_uses_less(world: World) -> None:
    world.order(world.btc, 200_000)
    world.set(Fault.MARGIN_SQUEEZE, ratio=0.9)
    world.later(5)
    world.order(world.btc, -100_000)
    world.later(5)
    assert world.money.usage("trader") < 0.7


def test_who_buys_more_is_not_pushed_beyond_the_ratio(world: World) -> None:
    world.money.terms("trader", world.btc).leverage = 50
    world.order(world.btc, 200_000)
    world.set(Fault.MARGIN_SQUEEZE, ratio=0.1)
    world.later(5)
    world.order(world.btc, 150_000)
    world.later(5)
    assert world.lots(world.btc) == 350_000
    assert world.money.usage("trader") == pytest.approx(0.1, rel=1e-3)


def test_prices_come_back_when_the_squeeze_ends(world: World) -> None:
    world.order(world.btc, 200_000)
    before = world.btc.mark(world.now)
    world.set(Fault.MARGIN_SQUEEZE, ratio=0.9)
    assert world.btc.mark(world.now) < before * 0.97
    world.exchange.clear(Fault.MARGIN_SQUEEZE)
    assert world.btc.mark(world.now) == before


def test_from_1_on_the_account_is_liquidated(world: World) -> None:
    world.order(world.btc, 200_000)
    resting = world.order(world.btc, 1_000, round(world.btc.last * 0.5))
    other = world.order(world.eth, 1_000, round(world.eth.last * 0.5))
    world.set(Fault.MARGIN_SQUEEZE, ratio=1.05)
    world.later(5)
    assert world.lots(world.btc) == 0
    assert not resting.open
    assert other.open
    assert {each.forced for each in world.desk.forced} == {Forced.LIQUIDATION}
    assert all(each.client_id.startswith("autoclose-") for each in world.desk.forced)
    assert sum(each.order.filled for each in world.desk.forced) == 200_000
    assert 0 <= world.wallet < 2_000
    assert world.money.statements["trader"][-1].kind == "INSURANCE_CLEAR"


def test_nobody_owes_the_venue(world: World) -> None:
    world.order(world.btc, 200_000)
    world.btc.pin(world.btc.mark(world.now) * 0.7, world.now)
    world.later(5)
    assert world.lots(world.btc) == 0
    assert world.wallet == 0


@pytest.mark.parametrize(("share", "after"), [(0.953, 200), (0.8, "1e-9")])
def test_an_isolated_position_is_liquidated_alone_and_takes_nothing_of_the_rest(
    world: World, share: float, after: int | str
) -> None:
    world.money.terms("trader", world.btc).isolated = True
    world.order(world.btc, 100_000)
    world.order(world.eth, 100)
    cross = world.money.cross_wallet("trader")
    world.btc.pin(world.btc.mark(world.now) * share, world.now)
    world.later(5)
    assert (world.lots(world.btc), world.lots(world.eth)) == (0, 100)
    assert world.money.cross_wallet("trader") == pytest.approx(cross, abs=Decimal(after))


def test_the_most_expensive_position_goes_first_and_the_rest_only_if_it_must(world: World) -> None:
    world.order(world.btc, 200_000)
    world.order(world.eth, 100)
    world.set(Fault.MARGIN_SQUEEZE, ratio=1.01)
    world.later(0.2)
    assert world.desk.forced[0].market is world.btc


def test_a_halted_market_is_left_until_it_trades_again(world: World) -> None:
    world.order(world.btc, 200_000)
    world.exchange.set(Fault.HALT, Scope(symbol=world.btc.name))
    world.btc.pin(world.btc.mark(world.now) * 0.8, world.now)
    world.later(1)
    assert world.lots(world.btc) == 200_000
    world.exchange.clear(Fault.HALT)
    world.later(5)
    assert world.lots(world.btc) == 0


def test_what_can_not_be_squeezed_is_said(world: World) -> None:
    with pytest.raises(UnknownError, match="trader holds no contracts"):
        world.set(Fault.MARGIN_SQUEEZE, ratio=0.9)
    with pytest.raises(UnknownError, match="margin_squeeze needs an account"):
        world.exchange.set(Fault.MARGIN_SQUEEZE, Scope(ratio=0.9))
    with pytest.raises(UnknownError, match="no account nobody; accounts: idle, reader, trader"):
        world.set(Fault.MARGIN_SQUEEZE, account="nobody")
    world.order(world.btc, 20_000)
    with pytest.raises(UnknownError, match=r"no price makes trader use 1\.0"):
        world.set(Fault.MARGIN_SQUEEZE, ratio=1.0)
    assert world.exchange.faults == {}


# --- auto-deleveraging -----------------------------------------------------------------------------------------------


def test_positions_are_the_first_to_be_deleveraged_and_then_a_part_of_them_goes(world: World) -> None:
    world.order(world.btc, 200_000)
    (held,) = world.money.held("trader")
    assert world.clearing.rank(held) in (0, 1)
    world.set(Fault.ADL, ratio=0.5, seconds=5.0)
    assert world.clearing.rank(held) == 4
    world.later(4)
    assert world.lots(world.btc) == 200_000
    world.later(1.5)
    assert world.lots(world.btc) == 100_000
    world.later(5)
    assert world.lots(world.btc) == 50_000
    world.exchange.clear(Fault.ADL)
    world.later(20)
    assert world.lots(world.btc) == 50_000
    assert world.clearing.rank(held) < 4
    assert [(each.client_id, each.forced, each.order.filled) for each in world.desk.forced] == [
        ("adl_autoclose", Forced.ADL, 100_000),
        ("adl_autoclose", Forced.ADL, 50_000),
    ]


def test_what_is_deleveraged_is_paid_at_the_mark_price_and_nobody_sees_a_trade(world: World) -> None:
    world.order(world.btc, -200_000)
    prints = {each.id for each in world.btc.prints}
    world.set(Fault.ADL, ratio=1.0, seconds=0.0)
    world.later(0.1)
    (forced,) = world.desk.forced
    (fill,) = forced.fills
    assert fill.price == round(world.btc.mark(world.now))
    assert fill.trade_id not in {each.id for each in world.btc.prints} | prints
    assert (forced.order.side, world.lots(world.btc)) == (Side.BUY, 0)


def test_only_what_is_named_is_deleveraged(world: World) -> None:
    world.order(world.btc, 50_000)
    world.order(world.eth, 100)
    world.set(Fault.ADL, ratio=1.0, seconds=0.0, symbol=world.eth.name)
    world.later(1)
    assert (world.lots(world.btc), world.lots(world.eth)) == (50_000, 0)
