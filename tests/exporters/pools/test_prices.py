"""Dollars by configured sources, and what leans on what. The chain's answers are written down: prices are pure."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from exporters.pools.config import Chain, PoolsConfig
from exporters.pools.maths.constant_product import ConstantProduct
from exporters.pools.prices import Prices, price_of, stale, usable
from exporters.pools.reading import FeedState, PoolState
from occ.config import load

ADDRESS = "0x" + "11" * 20

CONFIG = """
chains:
  - name: ethereum
    rpc: [{{name: own, url: "http://127.0.0.1:8545"}}]
    tokens: {{WETH: {{address: "0x{a:040x}", decimals: 18}}, USDC: {{address: "0x{b:040x}", decimals: 6}}, ODD: {{address: "0x{c:040x}", decimals: 9}}}}
    prices: {{WETH: {{feed: eth-usd}}, USDC: {{fixed: 1, check_against: {{feed: usdc-usd}}}}, ODD: {{pool: odd-weth}}}}
    feeds:
      - {{name: eth-usd, kind: chainlink, address: "0x{d:040x}", base: WETH, quote: USD, heartbeat: 1h, reference: {{pool: weth-usdc}}}}
      - {{name: usdc-usd, kind: chainlink, address: "0x{e:040x}", base: USDC, quote: USD, heartbeat: 24h}}
    pools:
      - {{name: weth-usdc, kind: uniswap_v2, address: "0x{f:040x}", base: WETH, quote: USDC, reference: {{feed: eth-usd}}}}
      - {{name: odd-weth, kind: uniswap_v2, address: "0x{g:040x}", base: WETH, quote: ODD, reference: {{pool: weth-usdc}}}}
""".format(**{name: number for number, name in enumerate("abcdefg", 1)})


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    path = tmp_path / "pools.yml"
    path.write_text(CONFIG)
    (found,) = load(path, PoolsConfig, {}).config.chains
    return found


FEEDS = {"eth-usd": 2_000.0, "usdc-usd": 1.0}
POOLS = {"weth-usdc": 2_020.0, "odd-weth": 4_000.0}


def test_a_feed_tells_it_a_fixed_price_holds_and_a_pool_turns_it_round(chain: Chain) -> None:
    prices = Prices(chain, FEEDS, POOLS)
    assert prices.usd("USD") == 1
    assert prices.usd("WETH") == 2_000
    assert prices.usd("USDC") == 1
    assert prices.usd("ODD") == pytest.approx(0.5)


def test_what_leans_on_what_is_not_there_has_no_price(chain: Chain) -> None:
    prices = Prices(chain, {"usdc-usd": 1.0}, POOLS)
    assert (prices.usd("WETH"), prices.usd("ODD"), prices.usd("USDC")) == (None, None, 1)
    assert Prices(chain, FEEDS, {}).usd("ODD") is None
    assert prices.usd("NEVER") is None


@pytest.mark.parametrize(("told", "holds"), [(1.0199, True), (0.9801, True), (1.0201, False), (0.9799, False)])
def test_a_fixed_price_holds_within_two_percent_of_its_check(chain: Chain, told: float, holds: bool) -> None:  # noqa: FBT001
    assert (Prices(chain, {"usdc-usd": told}, {}).usd("USDC") == 1) == holds


def test_a_pool_is_compared_in_the_quote_of_its_reference(chain: Chain) -> None:
    pool, odd = chain.pools
    prices = Prices(chain, FEEDS, POOLS)
    assert prices.compared(pool, 2_020.0) == pytest.approx(0.01)
    assert prices.compared(odd, 4_000.0) == pytest.approx(2_000 / 2_020 - 1)
    assert Prices(chain, {"eth-usd": 2_000.0}, POOLS).compared(pool, 2_020.0) is None
    assert prices.compared(pool, None) is None


def test_a_feed_is_compared_with_a_pool(chain: Chain) -> None:
    assert Prices(chain, FEEDS, POOLS).compared(chain.feeds[0], 2_000.0) == pytest.approx(2_000 / 2_020 - 1)
    assert Prices(chain, FEEDS, POOLS).compared(chain.feeds[1], 1.0) is None


NOW = 1_700_000_000


@pytest.mark.parametrize(("age", "late"), [(0, False), (3_900, False), (3_901, True), (-50, False), (-3_901, True)])
def test_a_feed_is_stale_beyond_heartbeat_and_grace_and_as_far_in_the_future(
    chain: Chain,
    age: int,
    late: bool,  # noqa: FBT001
) -> None:
    state = FeedState(price=2_000.0, at=NOW - age, round=1)
    assert stale(chain.feeds[0], state, NOW) == late
    assert usable(chain.feeds[0], state, NOW) != late


@pytest.mark.parametrize(
    ("bound", "up", "fit"), [(None, None, True), (False, True, True), (True, None, False), (None, False, False)]
)
def test_a_feed_at_its_bound_or_without_a_sequencer_is_not_leant_on(
    chain: Chain,
    bound: bool | None,  # noqa: FBT001
    up: bool | None,  # noqa: FBT001
    fit: bool,  # noqa: FBT001
) -> None:
    assert usable(chain.feeds[0], FeedState(2_000.0, NOW, 1, bound, up), NOW) == fit


@pytest.mark.parametrize(("base", "price"), [(0, 2_000.0), (1, 1 / 2_000.0)])
def test_a_price_is_quote_per_base_with_decimals_applied(base: int, price: float) -> None:
    reserves = (10**21, 2_000 * 10**9)
    state = PoolState(ConstantProduct(reserves, Fraction(0)), base, reserves, 0.0)
    assert price_of(state, (18, 6) if base == 0 else (6, 18)) == pytest.approx(price)


def test_an_empty_pool_has_no_price() -> None:
    state = PoolState(ConstantProduct((0, 0), Fraction(0)), 0, (0, 0), 0.0)
    assert price_of(state, (18, 6)) is None
