"""The executor `cancel_orders` by the real classes of ccxt on the venue server: real matching, real signatures, real faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.venue.orders import OpenOrder
from demo.venue.faults import Fault
from receiver.actions import Applied, Surroundings, Unfit, cancel_orders
from receiver.trading import Look
from receiver.why import Why
from tests.receiver.actions.support import attempt
from tests.receiver.actions.venues import OTHER, SPOT, SWAP, Trading, cancelling, trading


@pytest.fixture
async def venue() -> AsyncIterator[Trading]:
    async with trading() as made:
        yield made


async def stopped(venue: Trading) -> tuple[str, str]:
    """A long position of one, a stop that protects it, and an order that rests far away: their ids."""
    await venue.place(SWAP, "market", "buy", 1)
    stop = await venue.place(SWAP, "market", "sell", 0.5, stopLossPrice=40_000, reduceOnly=True)
    return stop, await venue.place(SWAP, "limit", "buy", 0.1, 40_000)


# --- the plan --------------------------------------------------------------------------------------------------------


async def test_the_plan_shows_the_very_orders_that_would_go_beside_what_is_approved(venue: Trading) -> None:
    stop, order = await stopped(venue)
    planned = await cancel_orders.plan(cancelling(), venue.surroundings)
    assert planned.evidence["orders"] == "1"
    assert planned.evidence["notional"] == {"USDT": "4000"}
    (shown,) = planned.evidence["cancels"]
    assert shown == {
        "id": order, "symbol": SWAP, "side": "buy", "remaining": "0.1", "filled": "0", "price": "40000",
    }  # fmt: skip
    assert [each["id"] for each in planned.evidence["keeps"]] == [stop]
    assert venue.cancelled == {}


async def test_what_is_approved_does_not_depend_on_the_moment(venue: Trading) -> None:
    before = await cancel_orders.plan(cancelling(), venue.surroundings)
    await venue.place(SPOT, "limit", "buy", 0.1, 40_000)
    await cancel_orders.verify(cancelling(), attempt(), venue.surroundings)
    after = await cancel_orders.plan(cancelling(symbols=[SPOT]), venue.surroundings)
    assert before.does == {**after.does, "symbols": "all"}
    assert before.does["exchange"] == "binance"
    assert after.evidence["orders"] == "1"


async def test_no_secret_and_no_address_is_in_a_plan(venue: Trading) -> None:
    told = str(await cancel_orders.plan(cancelling(), venue.surroundings))
    (trader, *_) = venue.venue.exchange.accounts.values()
    assert not [word for word in (trader.api_key, trader.secret, "127.0.0.1") if word in told]


@pytest.mark.parametrize(
    ("most", "word"),
    [({"orders": 1}, "2 orders are open, and 1 may"), ({"notional": {"USDT": 7999}}, "orders of 8000 USDT are open")],
)
async def test_more_than_was_approved_is_not_touched(venue: Trading, most: dict[str, Any], word: str) -> None:
    for price in (40_000, 20_000):
        await venue.place(SPOT, "limit", "buy", 4_000 / price, price)
    step = cancelling(at_most=most)
    with pytest.raises(Unfit, match=word) as caught:
        await cancel_orders.plan(step, venue.surroundings)
    assert caught.value.why is Why.OUT_OF_BOUNDS
    result = await cancel_orders.execute(step, attempt(), venue.surroundings)
    assert (result.applied, result.why) == (Applied.NOT_APPLIED, Why.OUT_OF_BOUNDS)
    assert venue.cancelled == {}


async def test_an_account_that_is_not_configured_is_neither_planned_nor_touched(venue: Trading) -> None:
    for step, around in ((cancelling("nowhere"), venue.surroundings), (cancelling(), Surroundings())):
        with pytest.raises(Unfit) as caught:
            await cancel_orders.plan(step, around)
        assert caught.value.why is Why.DEFINITION_CHANGED
        assert (await cancel_orders.execute(step, attempt(), around)).applied is Applied.NOT_APPLIED
        assert (await cancel_orders.reconcile(step, attempt(final=True), around)).applied is Applied.UNCLEAR
        assert (await cancel_orders.verify(step, attempt(), around)).applied is Applied.UNCLEAR


def test_one_request_at_a_time_has_an_account() -> None:
    assert cancel_orders.keys(cancelling()) == ("venue/binance/desk",)


@pytest.mark.parametrize(
    "bad", [{"symbols": []}, {"keep": ["everything"]}, {"at_most": {"orders": 0}}, {"symbol": "X"}]
)
def test_options_that_mean_nothing_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        cancelling(**bad)


# --- what goes and what stays ----------------------------------------------------------------------------------------


async def test_plain_and_conditional_orders_of_all_markets_go_and_each_is_cancelled_once(venue: Trading) -> None:
    stop, order = await stopped(venue)
    going = [
        order,
        await venue.place(SPOT, "limit", "buy", 0.1, 40_000),
        await venue.place(SPOT, "limit", "buy", 0.1, 90_000, stopPrice=90_000),
        await venue.place(OTHER, "limit", "buy", 1, 2_000),
        await venue.place(OTHER, "market", "buy", 1, stopLossPrice=9_000),
        await venue.place(SWAP, "market", "sell", 0.1, takeProfitPrice=90_000, reduceOnly=True),
    ]
    result = await cancel_orders.execute(cancelling(), attempt(), venue.surroundings)
    assert result.applied is Applied.APPLIED
    assert (result.facts["cancelled"], result.facts["kept"], result.facts["left"]) == ("6", "1", "0")
    assert venue.cancelled == dict.fromkeys(going, 1)
    assert stop not in venue.cancelled
    assert (await cancel_orders.verify(cancelling(), attempt(), venue.surroundings)).applied is Applied.APPLIED


async def test_what_looks_like_a_stop_and_protects_nothing_goes(venue: Trading) -> None:
    """One that could open a position; one on the side that would add to it; one of a position that is not there."""
    await venue.place(SWAP, "market", "buy", 1)
    going = [
        await venue.place(SWAP, "market", "sell", 0.5, stopLossPrice=40_000),
        await venue.place(SWAP, "market", "buy", 0.5, stopLossPrice=90_000, reduceOnly=True),
        await venue.place(OTHER, "market", "sell", 1, stopLossPrice=1_000, reduceOnly=True),
    ]
    result = await cancel_orders.execute(cancelling(), attempt(), venue.surroundings)
    assert (result.applied, result.facts["kept"]) == (Applied.APPLIED, "0")
    assert sorted(venue.cancelled) == sorted(going)


async def test_a_stop_that_closes_the_position_stays_and_so_does_one_that_sells_what_is_held(venue: Trading) -> None:
    await venue.place(SWAP, "market", "buy", 1)
    closing = await venue.place(SWAP, "STOP_MARKET", "sell", None, stopPrice=40_000, closePosition=True)
    spot = await venue.place(SPOT, "limit", "sell", 1, 30_000, stopPrice=31_000)
    planned = await cancel_orders.plan(cancelling(), venue.surroundings)
    assert sorted(each["id"] for each in planned.evidence["keeps"]) == sorted([closing, spot])


async def test_nothing_is_kept_where_nothing_is_to_be_kept(venue: Trading) -> None:
    stop, order = await stopped(venue)
    result = await cancel_orders.execute(cancelling(keep=[]), attempt(), venue.surroundings)
    assert (result.applied, result.facts["kept"]) == (Applied.APPLIED, "0")
    assert sorted(venue.cancelled) == sorted([stop, order])


async def test_other_symbols_are_left_alone_where_some_are_named(venue: Trading) -> None:
    _, order = await stopped(venue)
    other = await venue.place(OTHER, "limit", "buy", 1, 2_000)
    step = cancelling(symbols=[SWAP, SPOT])
    result = await cancel_orders.execute(step, attempt(), venue.surroundings)
    assert result.applied is Applied.APPLIED
    assert venue.cancelled == {order: 1}
    assert (await cancel_orders.verify(step, attempt(), venue.surroundings)).applied is Applied.APPLIED
    assert other not in venue.cancelled


async def test_with_nothing_open_nothing_is_sent(venue: Trading) -> None:
    result = await cancel_orders.execute(cancelling(), attempt(), venue.surroundings)
    assert (result.applied, result.facts["cancelled"]) == (Applied.APPLIED, "0")


async def test_an_order_in_a_market_that_was_listed_since_goes_as_well(venue: Trading) -> None:
    venue.fails(Fault.DELISTED, symbol=SPOT)
    await cancel_orders.plan(cancelling(), venue.surroundings)
    venue.mend(Fault.DELISTED)
    order = await venue.place(SPOT, "limit", "buy", 0.1, 40_000)
    result = await cancel_orders.execute(cancelling(), attempt(), venue.surroundings)
    assert (result.applied, venue.cancelled) == (Applied.APPLIED, {order: 1})


# --- fills -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("symbol", "half"), [(SPOT, "0.05"), (SWAP, "0.05")])
async def test_what_was_filled_meanwhile_is_told(venue: Trading, symbol: str, half: str) -> None:
    order = await venue.place(symbol, "limit", "buy", 0.1, 40_000)
    venue.fails(Fault.RACED)
    result = await cancel_orders.execute(cancelling(), attempt(), venue.surroundings)
    assert result.applied is Applied.APPLIED
    assert result.facts["filled_meanwhile"] == "1"
    assert result.facts["fills"] == f"buy {half} {symbol}, order {order}"


async def test_what_was_filled_before_is_not_told_as_filled_meanwhile(venue: Trading) -> None:
    market = venue.market(SPOT)
    market.step = lambda at, stamp: None  # type: ignore[method-assign]
    order = await venue.place(SPOT, "limit", "buy", 0.1, 40_000)
    market.race(venue.venue.exchange.segments["spot"].desk.find("trader", market, int(order), None).order, 1)
    result = await cancel_orders.execute(cancelling(), attempt(), venue.surroundings)
    assert (result.facts["cancelled"], result.facts["filled_meanwhile"]) == ("1", "0")


# --- what goes wrong -------------------------------------------------------------------------------------------------


async def test_what_can_not_be_cancelled_is_told_and_the_rest_is(venue: Trading) -> None:
    stuck = await venue.place(SPOT, "limit", "buy", 0.1, 40_000)
    gone = await venue.place(SWAP, "limit", "buy", 0.1, 40_000)
    venue.fails(Fault.STUCK, symbol=SPOT)
    result = await cancel_orders.execute(cancelling(), attempt(), venue.surroundings)
    assert (result.applied, result.why) == (Applied.PARTLY, Why.REFUSED)
    assert (result.facts["cancelled"], result.facts["left"]) == ("1", "1")
    assert (result.facts["orders_gone"], result.facts["orders_left"]) == (gone, stuck)
    assert venue.cancelled == {gone: 1}
    assert stuck not in venue.cancelled
    seen = await cancel_orders.verify(cancelling(), attempt(), venue.surroundings)
    assert (seen.applied, seen.facts["open"], seen.facts["where"]) == (Applied.NOT_APPLIED, "1", f"1 in {SPOT}")


async def test_where_nothing_could_be_cancelled_nothing_was_applied(venue: Trading) -> None:
    await venue.place(SPOT, "limit", "buy", 0.1, 40_000)
    venue.fails(Fault.STUCK)
    result = await cancel_orders.execute(cancelling(), attempt(), venue.surroundings)
    assert (result.applied, result.why) == (Applied.NOT_APPLIED, Why.REFUSED)


async def test_a_request_that_the_venue_answers_with_yes_and_does_nothing_for_is_not_applied(venue: Trading) -> None:
    """Cancelling all orders of a symbol is answered with done, also where they can not be cancelled."""
    await venue.place(SWAP, "limit", "buy", 0.1, 40_000)
    venue.fails(Fault.STUCK)
    result = await cancel_orders.execute(cancelling(), attempt(), venue.surroundings)
    assert (result.applied, result.why) == (Applied.NOT_APPLIED, Why.NOT_APPLIED)


async def test_a_lost_answer_leaves_it_unclear_and_a_look_tells(venue: Trading) -> None:
    orders = [await venue.place(symbol, "limit", "buy", 0.1, 40_000) for symbol in (SPOT, SWAP)]
    venue.fails(Fault.LOST_REPLY)
    result = await cancel_orders.execute(cancelling(), attempt(), venue.surroundings)
    assert (result.applied, result.why) == (Applied.UNCLEAR, Why.UNCLEAR)
    assert venue.cancelled == dict.fromkeys(orders, 1)
    found = await cancel_orders.reconcile(cancelling(), attempt(), venue.surroundings)
    assert found.applied is Applied.APPLIED
    assert venue.cancelled == dict.fromkeys(orders, 1), "asking changes nothing"


async def test_what_is_open_still_tells_nothing_until_nothing_can_arrive_any_more(venue: Trading) -> None:
    await venue.place(SPOT, "limit", "buy", 0.1, 40_000)
    early = await cancel_orders.reconcile(cancelling(), attempt(), venue.surroundings)
    assert early.applied is Applied.UNCLEAR
    late = await cancel_orders.reconcile(cancelling(), attempt(final=True), venue.surroundings)
    assert (late.applied, late.why) == (Applied.PARTLY, Why.NOT_APPLIED)
    assert late.facts["open"] == "1"


UNSEEN = [
    Fault.MAINTENANCE,
    Fault.SERVER_ERROR,
    Fault.GARBAGE,
    Fault.TRUNCATED,
    Fault.BAN,
    Fault.KEY_REFUSED,
    Fault.SILENCE,
]


@pytest.mark.parametrize("fault", UNSEEN)
async def test_where_nobody_can_see_what_is_open_nothing_is_sent_and_nothing_looks_well(
    venue: Trading, fault: Fault
) -> None:
    order = await venue.place(SPOT, "limit", "buy", 0.1, 40_000)
    await cancel_orders.plan(cancelling(), venue.surroundings)
    venue.fails(fault)
    brief = attempt(left=1.0, final=True)
    result = await cancel_orders.execute(cancelling(), brief, venue.surroundings)
    assert (result.applied, result.why) == (Applied.NOT_APPLIED, Why.UNREACHABLE)
    assert (await cancel_orders.reconcile(cancelling(), brief, venue.surroundings)).applied is Applied.UNCLEAR
    seen = await cancel_orders.verify(cancelling(symbols=[SPOT]), brief, venue.surroundings)
    assert (seen.applied, seen.why) == (Applied.UNCLEAR, Why.NOT_CONFIRMED)
    assert venue.cancelled == {}
    assert order


@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.KEY_REFUSED])
async def test_a_plan_is_refused_where_nobody_can_see_what_is_open(venue: Trading, fault: Fault) -> None:
    venue.fails(fault)
    with pytest.raises(Unfit, match="what is open at binance can not be seen") as caught:
        await cancel_orders.plan(cancelling(), venue.surroundings)
    assert caught.value.why is Why.UNREACHABLE


async def test_a_wrong_signature_is_told_without_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with trading(spoiled=True) as venue:
        with pytest.raises(Unfit) as caught:
            await cancel_orders.plan(cancelling(), venue.surroundings)
        (trader, *_) = venue.venue.exchange.accounts.values()
    told = f"{caught.value} {caplog.text}"
    assert "the venue does not accept the key" in str(caught.value)
    assert not [word for word in (trader.api_key, trader.secret, "bm90IHRo", "signature=") if word in told]


async def test_what_must_not_go_any_more_does_not(venue: Trading) -> None:
    await venue.place(SPOT, "limit", "buy", 0.1, 40_000)
    for why in (Why.FENCED, Why.DEADLINE):
        result = await cancel_orders.execute(cancelling(), attempt(why=why), venue.surroundings)
        assert (result.applied, result.why) == (Applied.NOT_APPLIED, why)
    assert venue.cancelled == {}


async def test_an_attempt_without_time_sends_nothing(venue: Trading) -> None:
    await venue.place(SPOT, "limit", "buy", 0.1, 40_000)
    result = await cancel_orders.execute(cancelling(), attempt(left=0.0), venue.surroundings)
    assert (result.applied, result.why) == (Applied.NOT_APPLIED, Why.DEADLINE)
    assert venue.cancelled == {}


async def test_it_may_be_asked_before_each_request_is_sent(venue: Trading) -> None:
    """Who has lost the lease in between sends nothing more."""
    for price in (40_000, 41_000, 42_000):
        await venue.place(SPOT, "limit", "buy", 0.1, price)
    asked = 0

    async def clear() -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            await attempt(why=Why.FENCED).clear()

    template = attempt()
    only_one = type(template)(template.key, 1, clear, template.left, template.final)
    result = await cancel_orders.execute(cancelling(), only_one, venue.surroundings)
    assert (result.applied, result.why) == (Applied.PARTLY, Why.FENCED)
    assert sum(venue.cancelled.values()) == 1


async def test_orders_that_come_meanwhile_are_seen_by_the_verification(venue: Trading) -> None:
    await cancel_orders.execute(cancelling(), attempt(), venue.surroundings)
    order = await venue.place(SPOT, "limit", "buy", 0.1, 40_000)
    found = await cancel_orders.reconcile(cancelling(), attempt(final=True), venue.surroundings)
    assert found.applied is Applied.PARTLY
    assert (await cancel_orders.verify(cancelling(), attempt(), venue.surroundings)).applied is Applied.NOT_APPLIED
    assert order not in venue.cancelled


async def test_two_that_look_at_once_do_not_disturb_each_other(venue: Trading) -> None:
    await venue.place(SPOT, "limit", "buy", 0.1, 40_000)
    plans = await asyncio.gather(*(cancel_orders.plan(cancelling(), venue.surroundings) for _ in range(5)))
    assert {plan.evidence["orders"] for plan in plans} == {"1"}


async def test_what_the_key_may_not_ask_for_is_not_taken_for_nothing() -> None:
    """Where it is said that the account trades contracts alone, spot is not asked for; else all markets are."""
    async with trading(markets=("linear",)) as venue:
        await venue.place(SPOT, "limit", "buy", 0.1, 40_000)
        order = await venue.place(SWAP, "limit", "buy", 0.1, 40_000)
        result = await cancel_orders.execute(cancelling(), attempt(), venue.surroundings)
        assert result.applied is Applied.APPLIED
        assert venue.cancelled == {order: 1}


async def test_the_class_for_contracts_alone_cancels_contracts_alone() -> None:
    async with trading(exchange="binanceusdm") as venue:
        await venue.place(SPOT, "limit", "buy", 0.1, 40_000)
        order = await venue.place(SWAP, "limit", "buy", 0.1, 40_000)
        waiting = await venue.place(SWAP, "market", "buy", 0.1, stopLossPrice=90_000)
        result = await cancel_orders.execute(cancelling(), attempt(), venue.surroundings)
        assert (result.applied, sorted(venue.cancelled)) == (Applied.APPLIED, sorted([order, waiting]))


async def test_a_busy_account_is_cancelled_whole(venue: Trading) -> None:
    prices = [30_000 + 10 * number for number in range(40)]
    for price in prices:
        await venue.place(SPOT, "limit", "buy", 0.01, price)
        await venue.place(SWAP, "limit", "buy", 0.01, price)
    planned = await cancel_orders.plan(cancelling(), venue.surroundings)
    assert planned.evidence["orders"] == "80"
    assert Decimal(planned.evidence["notional"]["USDT"]) == 2 * sum(Decimal(price) / 100 for price in prices)
    result = await cancel_orders.execute(cancelling(), attempt(), venue.surroundings)
    assert (result.applied, result.facts["cancelled"]) == (Applied.APPLIED, "80")
    assert set(venue.counted.values()) == {1}
    assert len(venue.counted) == 80


# --- Kraken ----------------------------------------------------------------------------------------------------------
# Each look has to wait three seconds for the one before, at the pace that ccxt keeps there.

ON_KRAKEN, OTHER_THERE = "BTC/USD", "ETH/USD"
PATIENT = 60.0


@pytest.fixture
async def kraken() -> AsyncIterator[Trading]:
    async with trading("kraken") as made:
        yield made


async def test_on_kraken_stops_stay_and_the_others_go_by_their_ids(kraken: Trading) -> None:
    stop = await kraken.place(ON_KRAKEN, "market", "sell", 0.1, stopLossPrice=30_000)
    going = [
        await kraken.place(ON_KRAKEN, "limit", "buy", 0.1, 40_000),
        await kraken.place(OTHER_THERE, "limit", "buy", 1, 1_000),
        await kraken.place(ON_KRAKEN, "market", "sell", 0.1, takeProfitPrice=90_000),
    ]
    kraken.fails(Fault.RACED, symbol=ON_KRAKEN)
    result = await cancel_orders.execute(cancelling("kraken"), attempt(left=PATIENT), kraken.surroundings)
    assert result.applied is Applied.APPLIED
    assert (result.facts["cancelled"], result.facts["kept"]) == ("3", "1")
    assert result.facts["fills"] == f"buy 0.05 {ON_KRAKEN}, order {going[0]}"
    assert sorted(kraken.counted.values()) == [1, 1, 1]
    planned = await cancel_orders.plan(cancelling("kraken"), kraken.surroundings)
    assert [each["id"] for each in planned.evidence["keeps"]] == [stop]


async def test_on_kraken_all_of_the_account_goes_at_once_where_nothing_is_kept(kraken: Trading) -> None:
    for price in (40_000, 41_000):
        await kraken.place(ON_KRAKEN, "limit", "buy", 0.1, price)
    await kraken.place(OTHER_THERE, "market", "sell", 1, stopLossPrice=1_000)
    step = cancelling("kraken", keep=[])
    result = await cancel_orders.execute(step, attempt(left=PATIENT), kraken.surroundings)
    assert (result.applied, result.facts["cancelled"]) == (Applied.APPLIED, "3")
    assert set(kraken.counted.values()) == {1}


async def test_on_kraken_a_lost_answer_leaves_it_unclear_and_what_is_stuck_is_told(kraken: Trading) -> None:
    await kraken.place(ON_KRAKEN, "limit", "buy", 0.1, 40_000)
    kraken.fails(Fault.LOST_REPLY)
    result = await cancel_orders.execute(cancelling("kraken"), attempt(left=PATIENT), kraken.surroundings)
    assert result.applied is Applied.UNCLEAR
    kraken.mend(Fault.LOST_REPLY)
    found = await cancel_orders.reconcile(cancelling("kraken"), attempt(left=PATIENT), kraken.surroundings)
    assert found.applied is Applied.APPLIED
    await kraken.place(ON_KRAKEN, "limit", "buy", 0.1, 40_000)
    kraken.fails(Fault.STUCK)
    result = await cancel_orders.execute(cancelling("kraken"), attempt(left=PATIENT), kraken.surroundings)
    assert (result.applied, result.facts["left"]) == (Applied.NOT_APPLIED, "1")


# --- every order is one or the other ---------------------------------------------------------------------------------


def _order(number: int, market: str, stops: bool, lowers: Any) -> OpenOrder:  # noqa: FBT001 - by hypothesis
    side: Any = "sell" if lowers == "long" else "buy"
    return OpenOrder(
        str(number), SWAP, side, market, market, Decimal(1), Decimal(0), stops=stops, lowers=lowers, conditional=stops
    )


made = st.builds(
    _order,
    st.integers(0, 50),
    st.sampled_from(["spot", "linear"]),
    st.booleans(),
    st.sampled_from([None, "long", "short"]),
)
holdings = st.frozensets(st.sampled_from([(SWAP, "long"), (SWAP, "short"), (OTHER, "long")]))


@given(st.lists(made, unique_by=lambda order: (order.section, order.id)), holdings, st.booleans())
def test_every_order_goes_or_stays_and_only_what_lowers_a_position_that_is_there_stays(
    orders: list[OpenOrder],
    held: Any,
    sparing: bool,  # noqa: FBT001 - by hypothesis
) -> None:
    options: Any = cancelling(keep=[cancel_orders.PROTECTIVE_STOPS] if sparing else []).options
    found = cancel_orders.sort(Look(tuple(orders), held, 0.0), options)
    assert sorted([*found.going, *found.kept], key=repr) == sorted(orders, key=repr)
    for order in found.kept:
        assert sparing
        assert order.stops
        assert order.market == "spot" or (order.symbol, order.lowers) in held
    if not sparing:
        assert found.kept == ()


@given(st.lists(made, max_size=20), st.integers(1, 20))
def test_at_most_is_what_is_said(orders: list[OpenOrder], most: int) -> None:
    problem = cancel_orders.beyond(cancel_orders.AtMost(orders=most), tuple(orders))
    assert (problem is None) is (len(orders) <= most)
