"""Binance against the venue server: an update of a book that is none, and what calls cost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from adapters.venue import BookGapError, Venue, library
from adapters.venue.binance import Binance
from demo.venue import server as far_side
from demo.venue.binance import futures, spot, spot_orders
from demo.venue.binance.venue import ACCOUNT_OF_FUTURES
from demo.venue.wire import Dialect
from occ.errors import Reason, SourceError
from tests.adapters.venue.far import SPOT, venue
from tests.demo.venue.support import DEADLINE, opened


async def follows(asked: Venue, heard: Callable[[], None]) -> None:
    """Follows a book until it is lost."""
    async with asyncio.timeout(DEADLINE), aclosing(asked.watch("watch_order_book", "BTC/USDT", 100)) as feed:
        async for _ in feed:
            heard()


@pytest.mark.parametrize("side", ["a", "b"])
@pytest.mark.parametrize("levels", [None, {"x": 1}, "garbage"])
async def test_an_update_whose_side_is_no_list_is_a_gap(
    monkeypatch: pytest.MonkeyPatch, side: str, levels: object
) -> None:
    broken = asyncio.Event()

    def told(_venue: Dialect, text: str) -> str:
        message = json.loads(text)
        spoiled = broken.is_set() and message.get("e") == "depthUpdate"
        return json.dumps({**message, side: levels}) if spoiled else text

    monkeypatch.setattr(far_side, "_spoiled_text", told)
    async with opened("binance", rate=100) as server, venue(server.base_url("binance"), options=SPOT) as asked:
        with pytest.raises(BookGapError):
            await follows(asked, broken.set)


# --- what calls cost -------------------------------------------------------------------------------------------------

OF_SPOT, OF_CONTRACTS = 5, 1
"""Weight per unit of ccxt's costs."""

ASKED = [
    ("public", "GET", "/api/v3", "depth", {"symbol": "BTCUSDT", "limit": "500"}),
    ("public", "GET", "/api/v3", "depth", {"symbol": "BTCUSDT", "limit": "1000"}),
    ("public", "GET", "/api/v3", "trades", {"symbol": "BTCUSDT"}),
    ("public", "GET", "/api/v3", "ticker/24hr", {}),
    ("public", "GET", "/api/v3", "exchangeInfo", {}),
    ("private", "GET", "/api/v3", "openOrders", {}),
    ("private", "GET", "/api/v3", "openOrders", {"symbol": "BTCUSDT"}),
    ("private", "GET", "/api/v3", "order", {"symbol": "BTCUSDT"}),
    ("private", "DELETE", "/api/v3", "order", {"symbol": "BTCUSDT"}),
    ("private", "DELETE", "/api/v3", "openOrders", {"symbol": "BTCUSDT"}),
    ("fapiPublic", "GET", "/fapi/v1", "depth", {"symbol": "BTCUSDT", "limit": "500"}),
    ("fapiPublic", "GET", "/fapi/v1", "trades", {"symbol": "BTCUSDT"}),
    ("fapiPublic", "GET", "/fapi/v1", "ticker/24hr", {}),
    ("fapiPublic", "GET", "/fapi/v1", "premiumIndex", {}),
    ("fapiPublic", "GET", "/fapi/v1", "premiumIndex", {"symbol": "BTCUSDT"}),
    ("fapiPublic", "GET", "/fapi/v1", "openInterest", {"symbol": "BTCUSDT"}),
    ("fapiPrivate", "GET", "/fapi/v1", "openOrders", {}),
    ("fapiPrivate", "GET", "/fapi/v1", "openAlgoOrders", {}),
    ("fapiPrivate", "GET", "/fapi/v1", "openOrders", {"symbol": "BTCUSDT"}),
    ("fapiPrivate", "GET", "/fapi/v1", "order", {"symbol": "BTCUSDT"}),
    ("fapiPrivate", "DELETE", "/fapi/v1", "order", {"symbol": "BTCUSDT"}),
    ("fapiPrivate", "DELETE", "/fapi/v1", "allOpenOrders", {"symbol": "BTCUSDT"}),
    ("fapiPrivate", "DELETE", "/fapi/v1", "algoOpenOrders", {"symbol": "BTCUSDT"}),
    ("private", "GET", "/api/v3", "account", {}),
    ("fapiPrivateV3", "GET", "/fapi/v3", "account", {}),
    ("fapiPrivateV3", "GET", "/fapi/v3", "positionRisk", {}),
]


@pytest.mark.parametrize(("part", "verb", "base", "path", "params"), ASKED)
def test_what_a_call_costs_is_no_less_than_what_the_venue_counts(
    part: str, verb: str, base: str, path: str, params: dict[str, str]
) -> None:
    """The venue server counts as Binance's documents say."""
    exchange = library.extended("binance", Binance)()
    config = exchange.describe()["api"][part][verb.lower()][path]
    config = config if isinstance(config, dict) else {"cost": config}
    cost = exchange.calculate_rate_limiter_cost(part, verb, path, {**params, **_limit(params)}, config)
    of_futures = {**futures.PUBLIC, **ACCOUNT_OF_FUTURES}
    endpoint = {**spot.PUBLIC, **spot_orders.SIGNED, **of_futures}[verb, f"{base}/{path}"]
    unit = OF_CONTRACTS if part.startswith("fapi") else OF_SPOT
    assert cost * unit >= endpoint.cost(params)


@pytest.mark.parametrize(
    ("method", "params", "cost"),
    [
        ("publicGetTrades", {"symbol": "BTCUSDT"}, 5),
        ("fapiPublicGetPremiumIndex", {}, 10),
        ("fapiPublicGetPremiumIndex", {"symbol": "BTCUSDT"}, 1),
        ("fapiPrivateV3GetPositionRisk", {}, 5),
    ],
)
async def test_a_call_is_charged_what_it_costs(method: str, params: dict[str, str], cost: int) -> None:
    """ccxt hands a call the cost that its list of endpoints was made with, whatever `describe` says."""

    class Charged(Binance):
        async def throttle(self, cost: Any = None) -> None:
            raise SourceError(Reason.RATE_LIMITED, str(cost))

    exchange = library.extended("binance", Charged)()
    with pytest.raises(SourceError, match=rf"\A{cost}\Z"):
        await getattr(exchange, method)(params)
    await exchange.close()


def _limit(params: dict[str, str]) -> dict[str, int]:
    return {"limit": int(params["limit"])} if "limit" in params else {}
