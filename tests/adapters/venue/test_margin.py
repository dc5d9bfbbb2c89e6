"""How near to liquidation an account is: pots of money, and what Binance tells. What others tell is in test_margin_asked.py."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.venue import margin
from adapters.venue.margin import Usage
from occ.errors import Reason, SourceError

# --- a pot -----------------------------------------------------------------------------------------------------------

amounts = st.decimals(Decimal("0.01"), Decimal(10**9), places=2)


@pytest.mark.parametrize("equity", [0, -1, -1000])
@pytest.mark.parametrize("needed", [0, 5])
def test_what_is_held_and_not_covered_is_beyond_liquidation(equity: int, needed: int) -> None:
    assert margin.used(Decimal(equity), Decimal(needed), held=True).maintenance == math.inf


def test_a_debt_of_dust_without_positions_needs_nothing() -> None:
    assert margin.used(Decimal("-0.00000001"), Decimal(0), Decimal(0), held=False) == Usage(0, 0)


@given(amounts, amounts, st.integers(1, 10**6))
def test_it_does_not_depend_on_the_unit_of_money(equity: Decimal, needed: Decimal, scale: int) -> None:
    once = margin.used(equity, needed, held=True)
    assert margin.used(equity * scale, needed * scale, held=True).maintenance == pytest.approx(once.maintenance)


@given(amounts, amounts, amounts)
def test_it_grows_as_equity_is_lost(equity: Decimal, needed: Decimal, loss: Decimal) -> None:
    before, after = (margin.used(left, needed, held=True) for left in (equity, equity - loss))
    assert after.maintenance > before.maintenance


@given(st.lists(st.builds(Usage, st.floats(0, 10), st.none() | st.floats(0, 10)), min_size=1))
def test_an_account_is_as_near_to_liquidation_as_the_worst_of_its_pots(pots: list[Usage]) -> None:
    found = margin.worst(pots)
    assert found.maintenance == max(pot.maintenance for pot in pots)
    assert found.initial == max((pot.initial for pot in pots if pot.initial is not None), default=None)


# --- binance ---------------------------------------------------------------------------------------------------------

SETTLED = {"BTCUSDT": "USDT", "ETHUSDT": "USDT", "BTCUSDC": "USDC", "BTCUSD_PERP": "BTC"}


def asset(name: str, wallet: str, profit: str = "0") -> dict[str, str]:
    return {"asset": name, "crossWalletBalance": wallet, "crossUnPnl": profit}


def position(symbol: str, amount: str, maintenance: str, initial: str = "0", **more: Any) -> dict[str, Any]:
    alone = {"isolatedMargin": "0", "isolatedWallet": "0", "unrealizedProfit": "0"}
    told = {"symbol": symbol, "positionSide": "BOTH", "positionAmt": amount, "maintMargin": maintenance}
    return {**told, "initialMargin": initial, **alone, **more}


def account(assets: list[Any], *positions: Any, **totals: str) -> dict[str, Any]:
    return {"assets": assets, "positions": list(positions), **totals}


def test_binance_cross_margin_of_the_published_example() -> None:
    """The positions of "How to Calculate Liquidation Price of USDⓈ-M Futures Contracts": at each one's liquidation price usage is 1."""
    btc, eth = position("BTCUSDT", "109.488", "71200.81144"), position("ETHUSDT", "3683.979", "356512.508")
    wallet, of_btc, of_eth = Decimal("1535443.01"), Decimal("-56354.57"), Decimal("-448192.89")
    found = margin.binance_linear(account([asset("USDT", str(wallet), str(of_btc + of_eth))], btc, eth), SETTLED)
    assert found.maintenance == pytest.approx(427713.31944 / 1030895.55)

    price = Decimal("26316.89")
    lost = (price - Decimal("32481.98")) * Decimal("109.488")
    needed = price * Decimal("109.488") * Decimal("0.025") - 16300
    there = account([asset("USDT", str(wallet), str(lost + of_eth))], {**btc, "maintMargin": str(needed)}, eth)
    assert margin.binance_linear(there, SETTLED).maintenance == pytest.approx(1, rel=1e-5)


def test_binance_assets_do_not_cover_each_other_in_single_asset_mode() -> None:
    told = account(
        [asset("USDT", "1000"), asset("USDC", "10", "-5"), asset("BNB", "0")],
        position("BTCUSDT", "0.1", "50", "500"),
        position("BTCUSDC", "-0.1", "4", "4.5"),
    )
    assert margin.binance_linear(told, SETTLED) == Usage(0.8, 0.9)


def test_binance_isolated_positions_have_pots_of_their_own_and_open_nothing_else() -> None:
    alone = {"isolatedWallet": "100", "isolatedMargin": "60", "unrealizedProfit": "-40"}
    told = account(
        [asset("USDT", "1000")],
        position("BTCUSDT", "1", "54", "90", **alone),
        position("ETHUSDT", "1", "100", "300"),
        totalMaintMargin="154",
        totalMarginBalance="1060",
    )
    assert margin.binance_linear(told, SETTLED) == Usage(0.9, 0.3)


def test_binance_an_isolated_position_without_anything_left_is_lost() -> None:
    alone = {"isolatedWallet": "100", "isolatedMargin": "-1", "unrealizedProfit": "-101"}
    told = account([asset("USDT", "100000")], position("BTCUSDT", "1", "1", **alone))
    assert margin.binance_linear(told, SETTLED).maintenance == math.inf


def test_binance_both_sides_of_a_hedge_need_their_margin() -> None:
    told = account(
        [asset("USDT", "100")],
        position("BTCUSDT", "1", "20", "40", positionSide="LONG"),
        position("BTCUSDT", "-1", "20", "40", positionSide="SHORT"),
    )
    assert margin.binance_linear(told, SETTLED) == Usage(0.4, 0.8)


def test_binance_all_assets_cover_all_positions_in_multi_assets_mode() -> None:
    totals = {"totalMarginBalance": "1000", "totalMaintMargin": "250", "totalInitialMargin": "500"}
    told = account([asset("USDT", "-100"), asset("BTC", "1")], position("BTCUSDT", "1", "250", "500"), **totals)
    assert margin.binance_multi(told) == Usage(0.25, 0.5)
    assert margin.binance_multi({**told, "totalMarginBalance": "-1"}).maintenance == math.inf


def test_binance_open_orders_alone_need_initial_margin() -> None:
    told = account([asset("USDT", "100")], position("BTCUSDT", "0", "0", "30"))
    assert margin.binance_linear(told, SETTLED) == Usage(0.0, 0.3)


def test_binance_coin_margined_by_coin_with_isolated_ones_by_their_own_margin() -> None:
    told = account(
        [asset("BTC", "2", "-1"), asset("ETH", "5")],
        position("BTCUSD_PERP", "10", "0.25", "0.5", isolated=False),
        position("BTCUSD_PERP", "-10", "0.9", isolated=True, positionSide="SHORT"),
        position("DOTUSD_PERP", "0", "0", isolated=False),
    )
    risks = [{"symbol": "BTCUSD_PERP", "positionSide": "SHORT", "isolatedMargin": "1.2"}]
    assert margin.binance_inverse(told, risks, SETTLED) == Usage(0.75, 0.5)


class Counted(dict[str, Any]):
    """A position that counts how often any of them is looked at, or compared."""

    looks = 0

    def get(self, key: str, default: Any = None) -> Any:
        Counted.looks += 1
        return super().get(key, default)

    def __eq__(self, other: object) -> bool:
        Counted.looks += 1
        return super().__eq__(other)

    __hash__ = None


def looks(number: int) -> int:
    """How often positions are looked at where there are so many isolated ones, as many on cross margin, and as many assets."""
    alone = {"isolatedWallet": "100", "isolatedMargin": "60"}
    names = [f"C{each}USDT" for each in range(number)]
    held = [Counted(position(name, "1", "1", "1", **more)) for more in (alone, {}) for name in names]
    coins = [{"coin": "USDT", "equity": "1000000", "totalOrderIM": "0"}]
    margins = {"positionMM": "1", "positionIM": "2", "positionBalance": "10", "unrealisedPnl": "0"}
    of_bybit = [Counted(margins, tradeMode=mode) for mode in (0, 1) for _ in names]
    Counted.looks = 0
    margin.binance_linear(account([asset(name, "100") for name in names], *held), {name: name for name in names})
    wallet = {"result": {"list": [{"accountType": "CONTRACT", "coin": coins}]}}
    margin.bybit_classic(wallet, {"USDT": of_bybit})
    return Counted.looks


def test_twice_as_many_positions_are_no_more_than_twice_the_work() -> None:
    assert 0 < looks(200) <= 2 * looks(100)


@pytest.mark.parametrize(
    "told",
    [
        {"uniMMR": "5167.92", "accountEquity": "122607.35", "accountMaintMargin": "23.72"},
        account([{"asset": "USDT"}]),
        account([asset("USDT", "1")], position("NEWUSDT", "1", "1")),
        account([asset("USDT", "1")], {"symbol": "BTCUSDT", "positionAmt": "1"}),
        account([asset("USDT", "1")], position("BTCUSDT", "1", "-1")),
        account([asset("USDT", "NaN")]),
        account([asset("USDT", "1")], "no position"),
        account([{**asset("USDT", "1"), "maintMargin": "0.5"}]),
    ],
    ids=[
        "portfolio margin",
        "no balances",
        "unknown margin asset",
        "no margin",
        "below 0",
        "no number",
        "no object",
        "a margin for no position",
    ],
)
def test_binance_another_accounts_shape_is_refused(told: Any) -> None:
    with pytest.raises(SourceError) as refused:
        margin.binance_linear(told, SETTLED)
    assert refused.value.reason is Reason.BAD_RESPONSE


def test_binance_an_isolated_position_whose_margin_is_not_told_is_refused() -> None:
    told = account([asset("BTC", "1")], position("BTCUSD_PERP", "1", "0.1", isolated=True))
    with pytest.raises(SourceError, match="margin is not told"):
        margin.binance_inverse(told, [], SETTLED)
