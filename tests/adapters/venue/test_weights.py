"""What looks at an account take, against what they ask: by ccxt's own costs and ours, on replayed answers of accounts with nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from adapters.venue import Venue
from adapters.venue.account import Keyed
from adapters.venue.balances import held
from adapters.venue.budget import PARTS, SELDOM, Budget
from adapters.venue.looking import MANNERS as LOOKED
from adapters.venue.looking import Looked
from adapters.venue.margin_asked import usage
from adapters.venue.orders import MANNERS, OPTIONS, Orders
from adapters.venue.positions import listings, opened
from adapters.venue.reductions import reductions
from adapters.venue.weights import LOOKS, wanted
from tests.adapters.venue.replays import MARKETS, Replay, credentials
from tests.adapters.venue.test_balances import okx as okx_balance
from tests.adapters.venue.test_looking import okx as okx_orders
from tests.adapters.venue.test_margin_of_binance import BINANCE, information
from tests.occ.servers import CANARY, listening

NOW = 1_700_000_000.0
SYMBOLS = {"spot": "BTC/USDT", "linear": "BTC/USDT:USDT", "inverse": "BTC/USD:BTC"}
ONE_EACH = dict.fromkeys(SYMBOLS, 1)

SPOT = {"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT", "status": "TRADING", "filters": [], "isSpotTradingAllowed": True, "permissionSets": [["SPOT"]]}  # fmt: skip
CONTRACT_LISTS = ("openOrders", "openAlgoOrders", "forceOrders", "positionRisk")
NO_ORDERS = ("/api/v3/openOrders", "/fapi/v3/positionRisk", *(f"/{api}/v1/{name}" for api in ("fapi", "dapi") for name in CONTRACT_LISTS))  # fmt: skip
EMPTY: Mapping[str, Mapping[str, Any]] = {
    "binance": {
        **BINANCE,
        "GET /api/v3/exchangeInfo": information(SPOT),
        "GET /api/v3/account": {"balances": []},
        "GET /fapi/v3/account": {"assets": [], "positions": []},
        "GET /dapi/v1/account": {"assets": [], "positions": []},
        "GET /fapi/v1/accountConfig": {"multiAssetsMargin": False},
        **{f"GET {path}": [] for path in NO_ORDERS},
    },
    "okx": {
        **MARKETS["okx"],
        **okx_orders([], {}),
        "GET /api/v5/account/balance": okx_balance(),
        "GET /api/v5/account/positions": {"code": "0", "msg": "", "data": []},
        "GET /api/v5/system/status": {"code": "0", "msg": "", "data": []},
        "GET /api/v5/account/bills": {"code": "0", "msg": "", "data": []},
    },
}  # fmt: skip


class Counting(Budget):
    """Also counts what is spent, by the part of the venue, and remembers for which endpoints."""

    def __init__(self, exchange: str) -> None:
        super().__init__(0.0, 1.0, by_the_minute=False)
        self.spent = Counter[str]()
        self.endpoints: list[str] = []
        self._known = PARTS.get(exchange, {})

    @asynccontextmanager
    async def spend(self, cost: float, *, of: str = "", urgent: bool = False) -> AsyncIterator[None]:
        self.endpoints.append(of)
        self.spent[next((part for part in self._known if of.startswith(part)), "")] += cost  # type: ignore[assignment]
        async with super().spend(cost, of=of, urgent=urgent):
            yield


def orders(keyed: Keyed) -> Orders | Looked:
    if keyed.exchange in MANNERS:
        return Orders(keyed.venue, MANNERS[keyed.exchange])
    return Looked(keyed, LOOKED[keyed.exchange])


async def positions(keyed: Keyed) -> None:
    await opened(keyed, listings(keyed) or ())


ASKED: Mapping[str, Callable[[Keyed], Awaitable[object]]] = {
    "orders": lambda keyed: orders(keyed).open(tuple(SYMBOLS.values())),
    "unlisted_orders": lambda keyed: orders(keyed).open(),
    "balances": held,
    "margin": usage,
    "positions": positions,
    "reductions": lambda keyed: reductions(keyed, NOW, None),
}


@asynccontextmanager
async def counted(exchange: str) -> AsyncIterator[tuple[Keyed, Counting]]:
    """An account with nothing, of which the markets are loaded already."""
    budget = Counting(exchange)
    async with (
        listening(Replay(dict(EMPTY[exchange])).handle) as port,
        aiohttp.ClientSession() as session,
        Venue.open(
            exchange,
            session=session,
            base_url=f"http://127.0.0.1:{port}/{CANARY}",
            credentials=credentials(exchange),
            budget=budget,
            spread=False,
            options=OPTIONS,
        ) as venue,
    ):
        await venue.markets()
        budget.spent.clear()
        budget.endpoints.clear()
        yield Keyed(venue, exchange), budget


@pytest.mark.parametrize(("exchange", "check"), [(exchange, check) for exchange, of in LOOKS.items() for check in of])
async def test_a_look_takes_what_is_reckoned_for_it(exchange: str, check: str) -> None:
    async with counted(exchange) as (keyed, budget):
        await ASKED[check](keyed)

    reckoned = Counter[str]()
    for cost in LOOKS[exchange][check]:
        reckoned[cost.part] += cost.units  # type: ignore[assignment]
    assert {part: pytest.approx(units) for part, units in budget.spent.items() if units} == reckoned


async def test_what_okx_allows_seldom_is_called_as_the_budget_knows_it() -> None:
    async with counted("okx") as (keyed, budget):
        await keyed.venue.call("fetch_status")
        assert budget.endpoints == list(SELDOM["okx"])


def test_what_is_wanted_is_a_share_of_each_parts_limit() -> None:
    found = wanted("binance", {"reductions": 120.0, "orders": 15.0}, (), ONE_EACH)
    assert found == pytest.approx({"": 1.2 * 4 / 1200, "fapi": (25 + 2 * 4) / 2400, "dapi": (25 + 2 * 4) / 2400})
    assert wanted("binance", {"orders": 15.0}, (), {"linear": 10}) == pytest.approx(
        {"": 0, "fapi": 80 / 2400, "dapi": 0}
    )


def test_where_an_account_does_not_trade_it_wants_nothing() -> None:
    assert wanted("binance", {"reductions": 120.0, "orders": 15.0}, ("spot",), ONE_EACH).keys() == {""}
    assert wanted("binanceusdm", {"reductions": 120.0, "balances": 30.0}, (), ONE_EACH).keys() == {"fapi"}


def test_of_exchanges_and_checks_that_are_not_reckoned_nothing_is_said() -> None:
    assert wanted("kraken", {"orders": 15.0}, (), ONE_EACH) == wanted("okx", {"key": 300.0}, (), ONE_EACH) == {}
