"""Margin usage on the page: an account on the venue server by ccxt's real classes, squeezed, refused and told in another shape."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from demo.venue.faults import Fault
from demo.venue.server import Server
from tests.adapters.venue.liquidation import Held, collateral, linear
from tests.exporters.exchange.accounts import OFTEN, account, trader, watching, with_keys
from tests.exporters.exchange.support import break_it, down, mend, up, venues
from tests.exporters.support import Seen

DESK = {"venue": "alpha", "account": "desk"}
MARGIN = {"margin": OFTEN}
CONTRACT = "BTC/USDT:USDT"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch)


def maintenance(seen: Seen, name: str = "desk") -> float | None:
    return seen("exchange_maintenance_margin_usage_ratio", venue="alpha", account=name)


def initial(seen: Seen) -> float | None:
    return seen("exchange_initial_margin_usage_ratio", **DESK)


async def test_nothing_held_needs_nothing_and_a_position_its_margin(tmp_path: Path, server: Server) -> None:
    async with trader(server) as desk, watching(server, tmp_path, MARGIN) as exporter:
        seen = await exporter.until(lambda seen: maintenance(seen) == 0)
        assert initial(seen) == 0
        await desk.call("create_order", CONTRACT, "market", "buy", 1)
        seen = await exporter.until(lambda seen: (maintenance(seen) or 0) > 0)
        needed, opening = maintenance(seen), initial(seen)
        assert needed is not None
        assert opening is not None
        assert needed < opening < 1


async def test_open_orders_need_initial_margin_alone(tmp_path: Path, server: Server) -> None:
    async with trader(server) as desk, watching(server, tmp_path, MARGIN) as exporter:
        await desk.call("create_order", CONTRACT, "limit", "buy", 1, 40_000)
        seen = await exporter.until(lambda seen: (initial(seen) or 0) > 0)
        assert maintenance(seen) == 0


@pytest.mark.parametrize("mode", ["cross", "isolated"])
async def test_a_squeezed_account_is_told_as_near_to_liquidation_as_it_is(
    tmp_path: Path, server: Server, mode: str
) -> None:
    async with trader(server) as desk, watching(server, tmp_path, MARGIN) as exporter:
        if mode == "isolated":
            await desk.call("set_margin_mode", mode, CONTRACT)
        await desk.call("create_order", CONTRACT, "market", "sell", 5)
        break_it(server, "alpha", Fault.MARGIN_SQUEEZE, account="trader", ratio=0.9)
        await exporter.until(lambda seen: maintenance(seen) == pytest.approx(0.9, abs=0.01))


@pytest.mark.parametrize("mode", ["cross", "isolated"])
async def test_the_venue_liquidates_where_the_formula_says(server: Server, mode: str) -> None:
    async with trader(server) as desk:
        if mode == "isolated":
            await desk.call("set_margin_mode", mode, CONTRACT)
        await desk.call("create_order", CONTRACT, "market", "sell", 5)
        (position,) = await desk.call("fapiPrivateV3GetPositionRisk")
        account = await desk.call("fapiPrivateV3GetAccount")
        (told,) = await desk.call("fapiPrivateGetLeverageBracket", {"symbol": position["symbol"]})
    wallet = position["isolatedWallet"] if mode == "isolated" else account["totalCrossWalletBalance"]
    price, size, entry = (Decimal(position[key]) for key in ("liquidationPrice", "positionAmt", "entryPrice"))
    bracket = next(each for each in told["brackets"] if abs(size) * price <= each["notionalCap"])
    rate, deducted = Decimal(str(bracket["maintMarginRatio"])), Decimal(str(bracket["cum"]))
    found = linear([Held(size, entry, rate, deducted)], collateral(Decimal(wallet)))
    assert found == pytest.approx(price, rel=Decimal("1e-4"))


async def test_both_sides_of_a_hedge_are_needed_for(tmp_path: Path, server: Server) -> None:
    async with trader(server) as desk, watching(server, tmp_path, MARGIN) as exporter:
        await desk.call("fapiPrivatePostPositionSideDual", {"dualSidePosition": "true"})
        await desk.call("create_order", CONTRACT, "market", "buy", 1, None, {"positionSide": "LONG"})
        seen = await exporter.until(lambda seen: (maintenance(seen) or 0) > 0)
        one_side = maintenance(seen) or 0
        await desk.call("create_order", CONTRACT, "market", "sell", 1, None, {"positionSide": "SHORT"})
        await exporter.until(lambda seen: maintenance(seen) == pytest.approx(2 * one_side, rel=0.05))


async def test_an_account_that_has_nothing_needs_nothing(tmp_path: Path, server: Server) -> None:
    async with watching(server, tmp_path, MARGIN, accounts=[account("IDLE")]) as exporter:
        await exporter.until(lambda seen: maintenance(seen) == 0)


async def test_an_account_that_trades_on_spot_alone_has_no_margin(tmp_path: Path, server: Server) -> None:
    async with watching(server, tmp_path, MARGIN, accounts=[account(markets=["spot"])]) as exporter:
        seen = await exporter.until(lambda seen: up(seen, "margin", "alpha/desk") == 1)
        assert maintenance(seen) is None


@pytest.mark.parametrize(
    ("fault", "scope", "reason"),
    [
        (Fault.KEY_REFUSED, {}, "auth"),
        (Fault.PERMISSION_DENIED, {"call": "accountConfig"}, "auth"),
        (Fault.PERMISSION_DENIED, {"call": "dapi/v1/account"}, "auth"),
        (Fault.OTHER_ACCOUNT, {}, "bad_response"),
        (Fault.GARBAGE, {}, "bad_response"),
        (Fault.SILENCE, {}, "timeout"),
    ],
)
async def test_what_can_not_be_seen_is_no_zero(
    tmp_path: Path, server: Server, fault: Fault, scope: dict[str, object], reason: str
) -> None:
    async with watching(server, tmp_path, MARGIN) as exporter:
        await exporter.until(lambda seen: maintenance(seen) == 0)
        break_it(server, "alpha", fault, **scope)
        await exporter.until(lambda seen: down(seen, "margin", reason, "alpha/desk"))
        await exporter.until(lambda seen: maintenance(seen) is None)
        mend(server, "alpha", fault)
        await exporter.until(lambda seen: maintenance(seen) == 0)


async def test_one_accounts_wrong_key_is_nobody_elses_matter(tmp_path: Path, server: Server) -> None:
    both = [account(), account("WRONG", "spoiled")]
    async with watching(server, tmp_path, MARGIN, accounts=both) as exporter:
        await exporter.until(lambda seen: maintenance(seen) == 0)
        seen = await exporter.until(lambda seen: up(seen, "margin", "alpha/spoiled") == 0)
        assert maintenance(seen, "spoiled") is None
        assert up(seen, "margin", "alpha/desk") == 1


async def test_kraken_is_read_in_the_same_way(tmp_path: Path) -> None:
    slow, symbols = {"margin": {"interval": "4s", "timeout": "4s"}}, {"books": ["BTC/USD"]}
    async with (
        venues("kraken") as server,
        watching(server, tmp_path, slow, of="kraken", accounts=[account("KRAKEN")], symbols=symbols) as exporter,
    ):
        here = {"venue": "kraken", "account": "desk"}
        seen = await exporter.until(lambda seen: seen("exchange_maintenance_margin_usage_ratio", **here) == 0)
        assert seen("exchange_initial_margin_usage_ratio", **here) == 0
