"""What the engine takes itself to hold, by balances and fills."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.engine.ledger import Fill, Ledger, fill

SPOT = {"contract": False, "base": "BTC", "quote": "USDT"}
CONTRACT = {"contract": True, "contractSize": 0.1, "base": "BTC", "quote": "USDT"}
PAIR = {"contract": False, "base": "ETH", "quote": "BTC"}


def trade(
    side: str, amount: float, price: float, fee: tuple[float, str], symbol: str = "BTC/USDT"
) -> Mapping[str, Any]:
    """As ccxt has it."""
    cost, currency = fee
    told = {"id": "7", "symbol": symbol, "side": side, "amount": amount, "price": price}
    return {**told, "fee": {"cost": cost, "currency": currency}}


@pytest.mark.parametrize(
    ("side", "fee", "changes"),
    [
        ("buy", (0.002, "BTC"), {"BTC": "1.998", "USDT": "-200"}),
        ("sell", (0.2, "USDT"), {"BTC": "-2", "USDT": "199.8"}),
        ("buy", (0.01, "BNB"), {"BTC": "2", "USDT": "-200", "BNB": "-0.01"}),
    ],
)
def test_a_fill_of_spot_changes_both_assets_and_that_of_the_fee(
    side: str, fee: tuple[float, str], changes: Mapping[str, str]
) -> None:
    told = fill(trade(side, 2, 100, fee), SPOT)
    assert told == Fill("BTC/USDT", 7, side == "buy", {name: Decimal(amount) for name, amount in changes.items()})


def test_a_fill_of_a_contract_changes_the_position_by_its_size_and_no_base_asset() -> None:
    told = fill(trade("sell", 30, 100, (0.1, "USDT"), "BTC/USDT:USDT"), CONTRACT)
    assert told.changes == {"BTC/USDT:USDT": Decimal("-3.0")}


def test_a_position_is_balances_and_contracts_of_all_accounts() -> None:
    ledger = Ledger(["one", "other"])
    ledger.open("one", {"BTC": Decimal(2), "ETH": Decimal(5), "BTC/USDT:USDT": Decimal(-3)})
    ledger.open("other", {"BTC": Decimal("0.5")})
    assert ledger.position("BTC") == Decimal("-0.5")
    assert ledger.position("ETH") == 5
    assert ledger.position("SOL") == 0


def test_a_base_that_is_the_quote_of_another_pair_pays_for_it() -> None:
    ledger = Ledger(["one"])
    ledger.open("one", {"BTC": Decimal(1)})
    ledger.book("one", fill(trade("buy", 10, 0.05, (0.01, "ETH"), "ETH/BTC"), PAIR))
    assert (ledger.position("BTC"), ledger.position("ETH")) == (Decimal("0.5"), Decimal("9.99"))


def test_nothing_is_known_until_every_account_is() -> None:
    ledger = Ledger(["one", "other"])
    ledger.open("one", {"BTC": Decimal(2)})
    assert ledger.position("BTC") is None
    assert ledger.held("other", "BTC") is None
    ledger.open("other", {})
    assert ledger.position("BTC") == 2
    ledger.forget("one")
    assert ledger.position("BTC") is None


def test_what_nobody_knows_is_not_booked_on() -> None:
    with pytest.raises(ValueError, match="one is not open"):
        Ledger(["one"]).book("one", Fill("BTC/USDT", 1, buys=True, changes={}))


def test_who_has_no_account_holds_nothing() -> None:
    assert Ledger().position("BTC") == 0


AMOUNTS = st.decimals(min_value=-1000, max_value=1000, places=8, allow_nan=False)


@given(st.lists(st.tuples(st.sampled_from(["BTC", "BTC/USDT:USDT", "ETH"]), AMOUNTS)))
def test_a_position_is_the_sum_of_what_was_booked(changes: list[tuple[str, Decimal]]) -> None:
    ledger = Ledger(["one"])
    ledger.open("one", {})
    for number, (name, amount) in enumerate(changes):
        ledger.book("one", Fill(name, number, amount > 0, {name: amount}))
    assert ledger.position("BTC") == sum((amount for name, amount in changes if name != "ETH"), Decimal(0))


@given(st.floats(0.001, 1000), st.floats(0.01, 1e5))
def test_what_is_bought_and_sold_again_leaves_the_fees(amount: float, price: float) -> None:
    bought = fill(trade("buy", amount, price, (0.001, "BTC")), SPOT).changes
    sold = fill(trade("sell", amount, price, (0.002, "USDT")), SPOT).changes
    assert {name: bought[name] + sold[name] for name in bought} == {"BTC": Decimal("-0.001"), "USDT": Decimal("-0.002")}
