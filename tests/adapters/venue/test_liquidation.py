"""Liquidation prices: the examples that the venues publish, and what holds for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from adapters.venue.margin import used
from tests.adapters.venue.liquidation import Held, collateral, deduction, inverse, linear, maintenance

D = Decimal

# --- as published -----------------------------------------------------------------------------------------------------

BTC, ETH = (
    Held(D("109.488"), D("32481.98"), D("0.025"), D(16300)),
    Held(D("3683.979"), D("1456.84"), D("0.1"), D(135365)),
)
WALLET = D("1535443.01")
OF_BTC, OF_ETH = (D("-56354.57"), D("71200.81144")), (D("-448192.89"), D("356512.508"))


@pytest.mark.parametrize(
    ("held", "covered_by", "published"),
    [
        (BTC, collateral(WALLET, [OF_ETH]), "26316.89"),
        (ETH, collateral(WALLET, [OF_BTC]), "1153.26"),
        (BTC, collateral(WALLET), "18778.73"),
        (ETH, collateral(WALLET), "1114.78"),
    ],
    ids=["cross BTC", "cross ETH", "isolated BTC", "isolated ETH"],
)
def test_binance_linear(held: Held, covered_by: Decimal, published: str) -> None:
    """ "How to Calculate Liquidation Price of USDⓈ-M Futures Contracts": two positions that share a wallet, and each alone."""
    found = linear([held], covered_by)
    assert found is not None
    assert round(found, 2) == D(published)


@pytest.mark.parametrize(
    ("floor", "rate", "rate_below", "below", "published"),
    [(250_000, "0.01", "0.005", "50", "1300"), (50, "0.05", "0.025", "0.56", "1.81")],
    ids=["USD-M, level 5", "COIN-M, level 5"],
)
def test_binance_maintenance_amount(floor: int, rate: str, rate_below: str, below: str, published: str) -> None:
    """The same page and "How to Calculate Liquidation Price of COIN-M Futures Contracts"."""
    assert deduction(D(floor), D(rate), D(rate_below), D(below)) == D(published)


def test_bybit_linear_whose_maintenance_margin_stays_as_it_was_at_entry() -> None:
    """ "Liquidation Price (USDT Contract)", example 1: 1 BTC at 20,000 with 50x, a rate of 0.5 %."""
    at_entry = maintenance(D(20_000), D("0.005"))
    assert at_entry == 100
    assert linear([Held(D(1), D(20_000), D(0), -at_entry)], collateral(D(400))) == 19_700


def test_bybit_inverse_whose_maintenance_margin_stays_as_it_was_at_entry() -> None:
    """ "Liquidation Price Calculation under Isolated Mode (Unified Trading Account)": short 60,000 USD at 50,000 with 10x and a rate
    of 0.5 %, by the page's formula: contracts / (value - (initial - maintenance margin)).
    """
    value = D(60_000) / 50_000
    margin, at_entry = value / 10, maintenance(value, D("0.005"))
    found = inverse([Held(D(-60_000), D(50_000), D(0), -at_entry)], collateral(margin))
    assert found is not None
    assert found == pytest.approx(60_000 / (value - (margin - at_entry)))


def test_bybit_inverse_by_the_mark_price() -> None:
    """The newer version of that page: long = size (MM rate + 1) / (size / entry + size / entry / leverage + MM deduction)."""
    size, entry, leverage, rate, deducted = D(60_000), D(50_000), 10, D("0.005"), D("0.001")
    found = inverse([Held(size, entry, rate, deducted)], collateral(size / entry / leverage))
    assert found == size * (rate + 1) / (size / entry + size / entry / leverage + deducted)


def test_bybit_inverse_on_cross_margin_with_the_fee_to_close() -> None:
    """ "How to calculate Liquidation Price (Inverse Contract)": 10,000 contracts at 8,000 with 0.5 BTC; published in ticks of 0.5."""
    fee_to_close = D(10_000) * D("0.00075") / D("5718.57")
    held = Held(D(10_000), D(8_000), D(0), -maintenance(D("1.25"), D("0.005")) - fee_to_close)
    found = inverse([held], collateral(D("0.5")))
    assert found is not None
    assert abs(found - D("5739.50")) < D("0.5")


@pytest.mark.parametrize(
    ("size", "entry", "balance", "used_margin", "published"),
    [("1", 20_000, 10_000, 4_000, "13200"), ("1.5", 30_000, 10_000, 9_000, "28133.33")],
)
def test_kraken_margin_call_price(size: str, entry: int, balance: int, used_margin: int, published: str) -> None:
    """ "Margin call level and margin liquidation level": a long position's used margin does not move with the price."""
    found = linear([Held(D(size), D(entry), D(0), -D("0.8") * used_margin)], D(balance))
    assert found is not None
    assert round(found, 2) == D(published)


@pytest.mark.parametrize(
    ("size", "price", "rate", "published"),
    [(25, 100_000, "0.01125", 28_125), (25, 200, "0.020125", "100.625")],
)
def test_deribit_maintenance_margin(size: int, price: int, rate: str, published: str) -> None:
    """ "Linear Perpetual", margin calculation examples: BTC_USDC and SOL_USDC."""
    assert maintenance(D(size * price), D(rate)) == D(published)


# --- what holds ----------------------------------------------------------------------------------------------------------

positive = st.decimals(D("0.01"), D(100_000), places=2)
rates = st.decimals(D("0.001"), D("0.2"), places=3)


@dataclass(frozen=True)
class Case:
    """A position of one unit of what its sizes are counted in; what covers it as a share of its value at entry."""

    side: int
    entry: Decimal
    rate: Decimal
    share: Decimal
    inverse: bool

    @property
    def covered_by(self) -> Decimal:
        return self.share / self.entry if self.inverse else self.share * self.entry

    def price(self, scale: int = 1) -> Decimal | None:
        held = [Held(D(self.side) * scale, self.entry, self.rate)]
        return (inverse if self.inverse else linear)(held, self.covered_by * scale)

    def usage(self, mark: Decimal) -> float:
        size, worth = D(self.side), (1 / mark if self.inverse else mark)
        gained = size * (1 / self.entry - 1 / mark) if self.inverse else size * (mark - self.entry)
        return used(self.covered_by + gained, maintenance(worth, self.rate), held=True).maintenance


cases = st.builds(
    Case, st.sampled_from([1, -1]), positive, rates, st.decimals(D("0.005"), D("0.999"), places=3), st.booleans()
)


@given(cases)
def test_usage_is_1_at_the_liquidation_price(case: Case) -> None:
    found = case.price()
    assume(found is not None)
    assert found is not None
    assert case.usage(found) == pytest.approx(1)


@given(cases, st.integers(1, 98))
def test_usage_grows_as_the_mark_moves_against_the_position(case: Case, percent: int) -> None:
    worse, worst = (case.entry * (1 - case.side * D(part) / 100) for part in (percent, percent + 1))
    assert case.usage(worst) >= case.usage(worse) >= case.usage(case.entry)


@given(cases)
def test_the_liquidation_price_lies_where_the_position_loses_unless_it_could_not_be_opened(case: Case) -> None:
    assume(case.share > case.rate)
    found = case.price()
    assert found is None or (found - case.entry) * case.side < 0


@given(cases, st.integers(1, 1_000))
def test_the_price_does_not_depend_on_the_size_of_all(case: Case, scale: int) -> None:
    once = case.price()
    assert case.price(scale) == (None if once is None else pytest.approx(once))


@given(positive, rates, positive)
def test_a_hedge_of_equal_sides_is_liquidated_only_by_what_keeping_it_costs(
    entry: Decimal, rate: Decimal, covered_by: Decimal
) -> None:
    held = [Held(D(1), entry, rate), Held(D(-1), entry, rate)]
    assert linear(held, covered_by) == pytest.approx(covered_by / (2 * rate))


@pytest.mark.parametrize("covered_by", [D(100), D(101)])
def test_no_price_liquidates_what_is_paid_in_full(covered_by: Decimal) -> None:
    assert linear([Held(D(1), D(100), D("0.01"))], covered_by) is None
    assert inverse([Held(D(-100), D(50), D("0.01"))], covered_by) is None


def test_no_position_is_never_liquidated() -> None:
    assert linear([], D(1)) is None
    assert inverse([], D(1)) is None
