"""What of Binance the venue server has none of: multi-assets mode, coin-margined contracts, more forced orders than one answer holds.
The wire is replayed, in the shapes of Binance's documents that `margin` and `reductions` name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web

from adapters.venue.margin import Usage
from adapters.venue.margin_asked import usage
from adapters.venue.reductions import reductions
from occ.errors import Reason, SourceError
from tests.adapters.venue import replays
from tests.adapters.venue.replays import replayed

ACCOUNT, CONFIG = "GET /fapi/v3/account", "GET /fapi/v1/accountConfig"
COIN_ACCOUNT, COIN_RISK = "GET /dapi/v1/account", "GET /dapi/v1/positionRisk"
FORCED, COIN_FORCED = "GET /fapi/v1/forceOrders", "GET /dapi/v1/forceOrders"
NOW = 1_750_000_000.0


def listed(name: str, quote: str, settled: str, **more: Any) -> dict[str, Any]:
    """A perpetual of "Exchange Information"."""
    assets = {"baseAsset": "BTC", "quoteAsset": quote, "marginAsset": settled}
    digits = {"pricePrecision": 1, "quantityPrecision": 3, "baseAssetPrecision": 8, "quotePrecision": 8}
    dates = {"deliveryDate": 4133404800000, "onboardDate": 1569398400000}
    told = {"symbol": name, "pair": f"BTC{quote}", "contractType": "PERPETUAL", "status": "TRADING", "filters": []}
    return {**told, **assets, **digits, **dates, "orderTypes": [], "timeInForce": [], **more}


def information(*symbols: Any) -> Any:
    return {"timezone": "UTC", "serverTime": 1, "rateLimits": [], "exchangeFilters": [], "symbols": list(symbols)}


BINANCE: Mapping[str, Any] = {
    "GET /api/v3/exchangeInfo": information(),
    "GET /sapi/v1/capital/config/getall": [],
    "GET /sapi/v1/margin/allPairs": [],
    "GET /sapi/v1/margin/isolated/allPairs": [],
    "GET /fapi/v1/exchangeInfo": information(listed("BTCUSDT", "USDT", "USDT")),
    "GET /dapi/v1/exchangeInfo": information(
        listed("BTCUSD_PERP", "USD", "BTC", contractStatus="TRADING", contractSize=100)
    ),
}


@pytest.fixture(autouse=True)
def markets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "MARKETS", {**replays.MARKETS, "binance": BINANCE})


def position(symbol: str, maintenance: str, initial: str, **more: Any) -> dict[str, Any]:
    told = {"symbol": symbol, "positionSide": "BOTH", "positionAmt": "1", "unrealizedProfit": "0"}
    return {**told, "maintMargin": maintenance, "initialMargin": initial, **more}


async def asked(answers: Mapping[str, Any], *markets: str) -> tuple[Usage | None, list[str]]:
    async with replayed("binance", answers, *markets) as replay:
        return await usage(replay.keyed), replay.paths()


async def test_multi_assets_mode_by_the_totals() -> None:
    totals = {"totalMarginBalance": "1000", "totalMaintMargin": "250", "totalInitialMargin": "500"}
    account = {**totals, "assets": [], "positions": [position("BTCUSDT", "250", "500")]}
    found, _ = await asked({CONFIG: {"multiAssetsMargin": True}, ACCOUNT: account}, "linear")
    assert found == Usage(0.25, 0.5)


async def test_a_configuration_that_does_not_tell_the_mode_is_refused() -> None:
    with pytest.raises(SourceError) as refused:
        await asked({CONFIG: {"feeTier": 0}, ACCOUNT: {"assets": [], "positions": []}}, "linear")
    assert refused.value.reason is Reason.BAD_RESPONSE


COINS = [{"asset": "BTC", "crossWalletBalance": "2", "crossUnPnl": "-1"}]


async def test_coin_margined_positions_on_cross_margin() -> None:
    account = {"assets": COINS, "positions": [position("BTCUSD_PERP", "0.25", "0.5", isolated=False)]}
    found, paths = await asked({COIN_ACCOUNT: account}, "inverse")
    assert found == Usage(0.25, 0.5)
    assert COIN_RISK not in paths


async def test_an_isolated_coin_margined_position_is_asked_for_its_margin() -> None:
    account = {"assets": COINS, "positions": [position("BTCUSD_PERP", "0.09", "0.1", isolated=True)]}
    risk = [{"symbol": "BTCUSD_PERP", "positionSide": "BOTH", "isolatedMargin": "0.1", "marginType": "isolated"}]
    found, _ = await asked({COIN_ACCOUNT: account, COIN_RISK: risk}, "inverse")
    assert found == Usage(0.9, 0.0)


async def test_a_position_in_a_contract_that_nobody_lists_is_refused() -> None:
    account = {"assets": COINS, "positions": [position("NEWUSD_PERP", "0.1", "0.1", isolated=False)]}
    with pytest.raises(SourceError, match="margin asset is not told"):
        await asked({COIN_ACCOUNT: account}, "inverse")


async def test_an_account_of_spot_alone_is_not_asked() -> None:
    assert await asked({}, "spot") == (None, [])


async def test_more_forced_orders_than_one_answer_holds_are_asked_for_in_halves() -> None:
    at = [int(NOW * 1000) - 60_000 * number for number in range(250)]

    def orders(request: web.Request) -> Any:
        since, until = int(request.query["startTime"]), int(request.query["endTime"])
        told = [
            {"orderId": moment, "symbol": "BTCUSDT", "clientOrderId": f"autoclose-{moment}", "time": moment}
            for moment in at
            if since <= moment <= until
        ]
        return told[: int(request.query["limit"])]

    async with replayed("binance", {FORCED: orders, COIN_FORCED: []}) as replay:
        found = await reductions(replay.keyed, NOW, NOW - 5 * 3600)
    assert found is not None
    assert {each.at for each in found} == {moment / 1000 for moment in at}
