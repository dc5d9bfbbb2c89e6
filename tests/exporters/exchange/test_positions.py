"""Positions on the page: accounts on the venue server by ccxt's real classes, and in plain words what is made of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.venue.positions import Position
from demo.venue.accounts import Opening
from demo.venue.faults import Fault
from demo.venue.server import Server
from exporters.exchange.checks.positions import deltas, nearest, reading
from exporters.exchange.reading import SymbolPosition
from tests.exporters.exchange.accounts import OFTEN, account, only, trader, watching, with_keys
from tests.exporters.exchange.support import break_it, down, up, venue, venues
from tests.exporters.support import Running, Seen

DESK = {"venue": "alpha", "account": "desk"}
CONTRACT = "BTC/USDT:USDT"
POSITIONS = {"positions": OFTEN}
PRICES = {"USDT": {"venue": "kraken", "symbol": "USDT/USD"}}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch)


def base(seen: Seen, side: str, symbol: str = CONTRACT) -> float | None:
    return seen("exchange_position_base", **DESK, symbol=symbol, side=side)


def told(seen: Seen, name: str) -> float | None:
    return seen(f"exchange_position_{name}", **DESK, symbol=CONTRACT)


@asynccontextmanager
async def priced(folder: Path, **more: Any) -> AsyncIterator[tuple[Server, Running]]:
    """The exporter on alpha, with a dollar price of USDT."""
    asked = only(prices={"interval": "2s", "timeout": "2s", "stale_after": "8s"})
    async with (
        venues("alpha", "kraken", opening=Opening(wallet=Decimal(20_000))) as server,
        watching(server, folder, POSITIONS, venue(server, "kraken", checks=asked), prices=PRICES, **more) as exporter,
    ):
        yield server, exporter


async def test_a_flat_account_has_zeros_and_no_liquidation_price(tmp_path: Path) -> None:
    async with priced(tmp_path) as (_, exporter):
        seen = await exporter.until(lambda seen: base(seen, "long") is not None)
        assert [base(seen, side) for side in ("long", "short")] == [0, 0]
        assert [told(seen, name) for name in ("notional_usd", "unrealized_pnl_usd")] == [0, 0]
        assert [told(seen, name) for name in ("liquidation_price", "liquidation_distance_ratio", "adl_rank")] == [
            None
        ] * 3
        assert seen("exchange_position_unlisted_notional_usd", **DESK) == 0
        assert base(seen, "long", "BTC/USDT") is None, "a spot symbol has no position"


async def test_a_position_is_told_with_its_way_to_liquidation(tmp_path: Path) -> None:
    async with priced(tmp_path) as (server, exporter), trader(server) as desk:
        await desk.call("create_order", CONTRACT, "market", "sell", 2)
        seen = await exporter.until(lambda seen: base(seen, "short") == 2 and told(seen, "notional_usd") is not None)
        assert base(seen, "long") == 0
        notional, price, distance = (
            told(seen, name) for name in ("notional_usd", "liquidation_price", "liquidation_distance_ratio")
        )
        assert notional is not None
        assert price is not None
        assert distance is not None
        assert 0.05 < distance < 1
        assert price > notional / 2, "a short one is liquidated above the mark"
        assert told(seen, "adl_rank") in {1, 2, 3, 4, 5}
        assert told(seen, "unrealized_pnl_usd") is not None
        break_it(server, "alpha", Fault.MARGIN_SQUEEZE, account="trader", ratio=0.9)
        await exporter.until(lambda seen: 0 <= (told(seen, "liquidation_distance_ratio") or 1) < distance / 2)


async def test_in_hedge_mode_both_sides_are_told(tmp_path: Path) -> None:
    async with venues("alpha", opening=Opening(wallet=Decimal(20_000), hedged=True)) as server, trader(server) as desk:
        for side, holding, amount in (("buy", "LONG", 1), ("sell", "SHORT", 0.4)):
            await desk.call("create_order", CONTRACT, "market", side, amount, None, {"positionSide": holding})
        async with watching(server, tmp_path, POSITIONS) as exporter:
            seen = await exporter.until(lambda seen: base(seen, "long") == 1)
            assert base(seen, "short") == 0.4
            assert told(seen, "notional_usd") is None, "USDT has no price"


async def test_a_position_where_nobody_looks_is_dollars(tmp_path: Path) -> None:
    async with priced(tmp_path) as (server, exporter), trader(server) as desk:
        await exporter.until(lambda seen: seen("exchange_position_unlisted_notional_usd", **DESK) == 0)
        await desk.call("create_order", "ETH/USDT:USDT", "market", "sell", 1)
        seen = await exporter.until(lambda seen: (seen("exchange_position_unlisted_notional_usd", **DESK) or 0) > 100)
        assert base(seen, "short", "ETH/USDT:USDT") is None


async def test_one_that_can_not_be_valued_is_no_dollars_and_hides_nothing_else(tmp_path: Path, server: Server) -> None:
    """USDT has no price: what is configured goes on to be shown."""
    async with watching(server, tmp_path, POSITIONS) as exporter, trader(server) as desk:
        await exporter.until(lambda seen: base(seen, "long") == 0)
        await desk.call("create_order", CONTRACT, "market", "buy", 1)
        await desk.call("create_order", "ETH/USDT:USDT", "market", "sell", 1)
        seen = await exporter.until(lambda seen: seen("exchange_position_unlisted_notional_usd", **DESK) is None)
        assert up(seen, "positions", "alpha/desk") == 1
        await exporter.until(lambda seen: base(seen, "long") == 1)


async def test_an_account_of_spot_has_no_positions(tmp_path: Path, server: Server) -> None:
    async with watching(server, tmp_path, POSITIONS, accounts=[account(markets=["spot"])]) as exporter:
        seen = await exporter.until(lambda seen: up(seen, "positions", "alpha/desk") == 1)
        assert base(seen, "long") is None
        assert seen("exchange_position_unlisted_notional_usd", **DESK) is None


async def test_kraken_is_asked_for_positions_on_margin(tmp_path: Path) -> None:
    slow = {"positions": {"interval": "4s", "timeout": "4s"}}
    given = {"accounts": [account("KRAKEN")], "symbols": {"books": ["BTC/USD"]}}
    async with venues("kraken") as server, watching(server, tmp_path, slow, of="kraken", **given) as exporter:
        await exporter.until(lambda seen: seen("exchange_position_unlisted_notional_usd", venue="kraken") == 0)


@pytest.mark.parametrize(
    ("fault", "scope", "reason"),
    [
        (Fault.KEY_REFUSED, {}, "auth"),
        (Fault.PERMISSION_DENIED, {"call": "positionRisk"}, "auth"),
        (Fault.OTHER_ACCOUNT, {}, "bad_response"),
        (Fault.SILENCE, {}, "timeout"),
    ],
)
async def test_what_can_not_be_seen_is_no_flat_account(
    tmp_path: Path, server: Server, fault: Fault, scope: dict[str, str], reason: str
) -> None:
    async with trader(server) as desk, watching(server, tmp_path, POSITIONS) as exporter:
        await desk.call("create_order", CONTRACT, "market", "buy", 1)
        await exporter.until(lambda seen: base(seen, "long") == 1)
        break_it(server, "alpha", fault, **scope)
        await exporter.until(lambda seen: down(seen, "positions", reason, "alpha/desk"))
        await exporter.until(lambda seen: base(seen, "long") is None)


async def test_a_denied_permission_is_no_other_checks_matter(tmp_path: Path, server: Server) -> None:
    async with watching(server, tmp_path, {"balances": OFTEN, "positions": OFTEN, "orders": OFTEN}) as exporter:
        break_it(server, "alpha", Fault.PERMISSION_DENIED, call="positionRisk")
        await exporter.until(lambda seen: up(seen, "positions", "alpha/desk") == 0)
        await exporter.until(lambda seen: up(seen, "balances", "alpha/desk") == up(seen, "orders", "alpha/desk") == 1)
        assert up(exporter.page(), "positions", "alpha/desk") == 0


async def test_the_net_delta_is_over_all_accounts_and_absent_unless_all_are_seen(
    tmp_path: Path, server: Server
) -> None:
    checks = {"balances": OFTEN, "positions": OFTEN}
    accounts = [account(), account("IDLE", "idle")]
    async with trader(server) as desk, watching(server, tmp_path, checks, accounts=accounts) as exporter:
        await exporter.until(lambda seen: seen("exchange_net_delta_base", base="BTC") == 20)
        await desk.call("create_order", CONTRACT, "market", "sell", 1.5)
        seen = await exporter.until(lambda seen: seen("exchange_net_delta_base", base="BTC") == 18.5)
        assert seen("exchange_net_delta_base", base="ETH") == 300
        assert seen("exchange_net_delta_base", base="USDT") is None
        break_it(server, "alpha", Fault.KEY_REFUSED, account="idle")
        await exporter.until(lambda seen: seen("exchange_net_delta_base", base="BTC") is None)


# --- in plain words --------------------------------------------------------------------------------------------------

D = Decimal
LONG = Position("A/USD:USD", "A", "long", D(2), D(2), "USD", D(100), "USD", D(7), mark=D(100))
SHORT = replace(LONG, side="short", amount=D(1), delta=D(-1), profit=D(-3))


def usd(asset: str) -> float | None:
    return {"USD": 1.0, "USDT": 0.5}.get(asset)


def at(position: Position, price: float | str | None) -> Position:
    return replace(position, liquidation=None if price is None else D(str(price)))


@pytest.mark.parametrize(
    ("position", "price", "distance"),
    [
        (LONG, 80, 0.2),
        (LONG, 100, 0),
        (LONG, 101, 0),
        (SHORT, 120, 0.2),
        (SHORT, 100, 0),
        (SHORT, 99, 0),
        (SHORT, 350, 2.5),
    ],
)
def test_the_distance_falls_to_nothing_at_liquidation(position: Position, price: float, distance: float) -> None:
    assert nearest([at(position, price)]) == pytest.approx((distance, price))


def test_the_nearer_side_is_told() -> None:
    assert nearest([at(LONG, 50), at(SHORT, 120)]) == pytest.approx((0.2, 120))
    assert nearest([at(LONG, 95), at(SHORT, 120), at(LONG, None)]) == pytest.approx((0.05, 95))


def test_what_is_not_told_is_absent_and_not_far() -> None:
    assert nearest([]) is None
    assert nearest([at(LONG, None)]) is None
    assert nearest([replace(at(LONG, 50), mark=None)]) is None


@pytest.mark.parametrize(("price", "distance"), [(80, 0.2), (100, 0), (120, 0)])
def test_sides_that_are_liquidated_together_are_threatened_as_what_they_are_net(price: float, distance: float) -> None:
    """Binance's hedge mode on cross margin: two long and one short are one long."""
    assert nearest([at(LONG, price), at(SHORT, price)]) == pytest.approx((distance, price))
    even = replace(SHORT, amount=LONG.amount)
    assert nearest([at(LONG, price), at(even, price)]) == pytest.approx((abs(100 - price) / 100, price))


def test_a_hedge_is_threatened_as_its_net_whatever_tick_each_side_is_told() -> None:
    """OKX's hedge mode on cross margin."""
    assert nearest([at(LONG, 80), at(SHORT, "80.1")]) == pytest.approx((0.199, 80.1))


def test_an_isolated_position_is_threatened_on_its_own() -> None:
    """Beyond its price it is 0, whatever else is held in the symbol."""
    lost = replace(at(LONG, 101), pot="isolated")
    for other in (replace(SHORT, amount=D(9)), replace(SHORT, amount=LONG.amount)):
        assert nearest([lost, other]) == pytest.approx((0, 101))
        assert nearest([lost, replace(other, pot="isolated")]) == pytest.approx((0, 101))


@pytest.mark.parametrize(("position", "price"), [(LONG, 120), (SHORT, 120), (LONG, 80), (SHORT, 80)])
def test_what_is_liquidated_with_the_account_is_threatened_from_both_sides(position: Position, price: float) -> None:
    """A leg of a spread at Deribit: where it gains, the other loses more."""
    assert nearest([replace(at(position, price), pot="account")]) == pytest.approx((0.2, price))


def test_both_sides_make_one_number_that_hides_neither() -> None:
    found = reading([replace(LONG, adl=2), replace(SHORT, adl=5)], [], ["A/USD:USD"], usd)
    assert found.symbols == {
        "A/USD:USD": SymbolPosition({"long": 2.0, "short": 1.0}, notional_usd=300.0, profit_usd=4.0, adl_rank=5)
    }
    assert found.deltas == {"A": 1.0, "USD": -100.0}
    assert found.unlisted_usd == 0


def test_what_has_no_price_has_no_value() -> None:
    (held,) = reading([replace(LONG, quote="EUR", settle="EUR")], [], ["A/USD:USD"], usd).symbols.values()
    assert (held.base["long"], held.notional_usd, held.profit_usd) == (2.0, None, None)


def test_unlisted_symbols_are_added_up_in_dollars() -> None:
    others = [replace(LONG, symbol="B/USDT:USDT", quote="USDT"), replace(SHORT, symbol="C/USD:C")]
    assert reading([LONG, *others], [], ["A/USD:USD"], usd).unlisted_usd == 200
    for unvalued in (replace(LONG, quote="EUR"), replace(LONG, price=None)):
        assert reading([unvalued, *others], [], [], usd).unlisted_usd is None


def test_a_delta_that_is_not_known_is_not_known_of_its_base() -> None:
    unknown = replace(LONG, base="B", delta=None)
    assert deltas([LONG, SHORT, unknown, replace(LONG, base="B")]) == {"A": 1.0, "B": None, "USD": None}


def test_what_is_quoted_in_another_asset_is_short_of_that() -> None:
    """Long 100 ETH for 3 BTC: that many of them are owed, or will be at the mark price."""
    contract = replace(LONG, base="ETH", quote="BTC", amount=D(100), delta=D(100), price=D("0.03"))
    assert deltas([contract]) == {"ETH": 100.0, "BTC": -3.0}
    assert deltas([replace(contract, side="short", delta=D(-100))]) == {"ETH": -100.0, "BTC": 3.0}
    assert deltas([replace(contract, apart=D("0.2"))]) == {"ETH": 100.0, "BTC": -2.8}


SIDES = st.sampled_from([LONG, SHORT])
PRICE = st.decimals(min_value="0.01", max_value=1000, places=2)


@given(st.lists(st.tuples(SIDES, st.none() | PRICE), max_size=6))
def test_the_distance_is_never_below_zero_and_never_further_than_any_alone(
    told: list[tuple[Position, Decimal | None]],
) -> None:
    positions = [replace(position, liquidation=price) for position, price in told]
    found = nearest(positions)
    assert (found is None) == all(each.liquidation is None for each in positions)
    if found is not None:
        distance, price = found
        assert distance >= 0
        assert price in {float(each.liquidation) for each in positions if each.liquidation is not None}


@given(st.lists(st.tuples(SIDES, st.decimals(0, 10**6, places=8)), max_size=8))
def test_deltas_are_the_signed_sum(told: list[tuple[Position, Decimal]]) -> None:
    positions = [replace(side, amount=amount, delta=amount if side is LONG else -amount) for side, amount in told]
    signed = sum((amount if side is LONG else -amount for side, amount in told), Decimal(0))
    assert deltas(positions) == ({"A": float(signed), "USD": float(-100 * signed)} if told else {})
