"""Balances and equity on the page: accounts on the venue server by ccxt's real classes, and the sums in plain words."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.venue.balances import Balance
from demo.venue.faults import Fault
from demo.venue.server import Server
from exporters.exchange.checks import balances
from exporters.exchange.checks.balances import _tell, amounts, equity
from tests.exporters.exchange.accounts import OFTEN, account, only, trader, watching, with_keys
from tests.exporters.exchange.support import break_it, down, venue, venues
from tests.exporters.support import Seen

DESK = {"venue": "alpha", "account": "desk"}
BALANCES = {"balances": OFTEN}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch)


def total(seen: Seen, currency: str, kind: str = "total") -> float | None:
    return seen("exchange_balance", **DESK, currency=currency, kind=kind)


async def test_spot_and_contracts_are_one_account(tmp_path: Path, server: Server) -> None:
    async with watching(server, tmp_path, BALANCES) as exporter:
        seen = await exporter.until(lambda seen: total(seen, "USDT") is not None)
        assert total(seen, "USDT") == 2_000_000, "a million on spot, a million for contracts"
        assert total(seen, "USDT", "free") == 2_000_000
        assert total(seen, "BTC") == 20
        assert total(seen, "BTC", "used") == 0
        assert seen("exchange_equity_usd", **DESK) is None, "nothing has a price"
        assert (seen("exchange_requests_total", venue="alpha", method="fetch_balance") or 0) >= 3, (
            "counted as one method"
        )


async def test_what_an_order_holds_is_used(tmp_path: Path, server: Server) -> None:
    async with (
        trader(server) as desk,
        watching(server, tmp_path, BALANCES, accounts=[account(markets=["spot"])]) as exporter,
    ):
        await desk.call("create_order", "BTC/USDT", "limit", "sell", 2, 900_000)
        seen = await exporter.until(lambda seen: total(seen, "BTC", "used") == 2)
        assert total(seen, "BTC", "free") == 18
        assert total(seen, "BTC") == 20
        assert total(seen, "USDT") == 1_000_000, "no contracts were asked for"


async def test_equity_is_what_all_is_worth_by_configured_prices(tmp_path: Path) -> None:
    prices = {"USDT": {"venue": "kraken", "symbol": "USDT/USD"}, "BTC": {"venue": "alpha", "symbol": "BTC/USDT"}}
    checks = {"prices": OFTEN, "balances": {**OFTEN, "unvalued": ["ETH", "USDC"]}}
    asked = only(prices={"interval": "2s", "timeout": "2s", "stale_after": "4s"})
    async with venues("alpha", "kraken") as server:
        kraken = venue(server, "kraken", checks=asked)
        async with watching(server, tmp_path, checks, kraken, prices=prices) as exporter:
            seen = await exporter.until(lambda seen: seen("exchange_equity_usd", **DESK) is not None)
            value = seen("exchange_equity_usd", **DESK)
            assert value is not None
            assert 2_300_000 < value < 20_000_000, "twenty bitcoin and two million USDT"
            break_it(server, "kraken", Fault.SILENCE)
            seen = await exporter.until(lambda seen: seen("exchange_equity_usd", **DESK) is None)
            assert total(seen, "BTC") == 20, "only what leans on the price is gone"


async def test_assets_without_a_price_are_named_once(
    tmp_path: Path, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    def looked(seen: Seen) -> float:
        return seen("occ_target_last_success_timestamp_seconds", check="balances", target="alpha/unpriced") or 0.0

    with caplog.at_level(logging.WARNING):
        async with watching(
            server, tmp_path, BALANCES, accounts=[account("IDLE"), account(name="unpriced")]
        ) as exporter:
            first = looked(await exporter.until(lambda seen: looked(seen) > 0))
            await exporter.until(lambda seen: looked(seen) > first)
    told = [each.getMessage() for each in caplog.records if each.name == balances.__name__]
    (said,) = [text for text in told if "alpha/unpriced" in text]
    assert "for BTC, ETH, USDC, USDT, which" in said


async def test_an_alias_makes_no_dollar_of_a_stablecoin(
    tmp_path: Path, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    checks = {"balances": {**OFTEN, "unvalued": ["BTC", "ETH", "USDC"]}}
    async with watching(server, tmp_path, checks, assets={"USD": ["USDT"]}) as exporter:
        seen = await exporter.until(lambda seen: total(seen, "USDT") == 2_000_000)
        assert seen("exchange_equity_usd", **DESK) is None
    assert "no price is configured for USDT, which" in caplog.text


async def test_an_account_with_nothing_is_worth_nothing(tmp_path: Path, server: Server) -> None:
    async with watching(server, tmp_path, BALANCES, accounts=[account("IDLE")]) as exporter:
        seen = await exporter.until(lambda seen: total(seen, "BTC") is not None)
        assert [total(seen, "BTC", kind) for kind in ("free", "used", "total")] == [0, 0, 0]
        assert seen("exchange_equity_usd", **DESK) == 0
        assert total(seen, "USDC") is None, "nobody asks for it, and nothing is there"


@pytest.mark.parametrize(
    ("fault", "scope", "reason"),
    [
        (Fault.KEY_REFUSED, {}, "auth"),
        (Fault.PERMISSION_DENIED, {"call": "fapi/v3/account"}, "auth"),
        (Fault.OTHER_ACCOUNT, {}, "bad_response"),
        (Fault.GARBAGE, {}, "bad_response"),
    ],
)
async def test_what_can_not_be_seen_whole_is_not_told(
    tmp_path: Path, server: Server, fault: Fault, scope: dict[str, str], reason: str
) -> None:
    async with watching(server, tmp_path, BALANCES) as exporter:
        await exporter.until(lambda seen: total(seen, "BTC") == 20)
        break_it(server, "alpha", fault, **scope)
        await exporter.until(lambda seen: down(seen, "balances", reason, "alpha/desk"))
        await exporter.until(lambda seen: total(seen, "BTC") is None)


async def test_kraken_is_read_in_the_same_way(tmp_path: Path) -> None:
    slow = {"balances": {"interval": "4s", "timeout": "4s"}}
    here = {"venue": "kraken", "account": "desk"}
    symbols = {"books": ["BTC/USD"]}
    async with (
        venues("kraken") as server,
        watching(server, tmp_path, slow, of="kraken", accounts=[account("KRAKEN")], symbols=symbols) as exporter,
    ):
        seen = await exporter.until(lambda seen: seen("exchange_balance", **here, currency="BTC", kind="total") == 20)
        assert seen("exchange_balance", **here, currency="USD", kind="free") == 1_000_000


# --- in plain words --------------------------------------------------------------------------------------------------


def held(total: str, free: str | None = None, used: str | None = None) -> Balance:
    return Balance(Decimal(total), None if free is None else Decimal(free), None if used is None else Decimal(used))


def test_what_is_expected_is_zero_where_it_is_not_held_and_other_zeros_are_left_out() -> None:
    found = {"BTC": held("1", "1", "0"), "DUST": held("0", "0", "0"), "LENT": held("0", "-1", "1")}
    told = amounts(found, ["BTC", "ETH"])
    assert {asset for asset, _ in told} == {"BTC", "ETH", "LENT"}
    assert [told["ETH", kind] for kind in ("free", "used", "total")] == [0, 0, 0]


def test_what_the_venue_does_not_say_is_absent() -> None:
    assert amounts({"BTC": held("1")}, ()) == {("BTC", "free"): None, ("BTC", "used"): None, ("BTC", "total"): 1.0}


PRICES = {"USD": 1.0, "BTC": 60_000.0, "USDT": 0.99}


def test_however_many_lack_a_price_one_line_says_so(caplog: pytest.LogCaptureFixture) -> None:
    assets = tuple(f"COIN{number:04}" for number in range(2_000))
    for _ in range(2):
        _tell("alpha/many", assets)
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.endswith("COIN0008, COIN0009 and 1990 more, which `unvalued` does not name either")


def test_equity_is_a_sum_and_debts_are_negative() -> None:
    assert equity({"BTC": held("2"), "USDT": held("-50000"), "USD": held("100")}, PRICES.get) == pytest.approx(70_600)


def test_one_asset_without_a_price_makes_it_unknown_unless_it_is_left_out() -> None:
    found = {"BTC": held("1"), "DUST": held("0.00001")}
    assert equity(found, PRICES.get) is None
    assert equity(found, PRICES.get, ["DUST"]) == 60_000
    assert equity({"BTC": held("1"), "DUST": held("0")}, PRICES.get) == 60_000, "of which there is nothing"
    assert equity({"DUST": held("-3")}, PRICES.get) is None, "a debt is not left out"


@given(st.dictionaries(st.sampled_from([*PRICES, "DUST"]), st.decimals(-(10**6), 10**6, places=4)))
def test_equity_is_known_if_and_only_if_all_that_is_held_has_a_price(amounts: Mapping[str, Decimal]) -> None:
    found = {asset: Balance(amount, None, None) for asset, amount in amounts.items()}
    value = equity(found, PRICES.get)
    if amounts.get("DUST"):
        assert value is None
    else:
        assert value == pytest.approx(sum(float(amount) * PRICES.get(asset, 0) for asset, amount in amounts.items()))
