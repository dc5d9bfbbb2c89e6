"""Exchanges of which no server can be had: the real classes of ccxt on answers in the shapes of their public documentation.

The wire is faked: what is replayed was written by hand after the examples of the exchange's API reference, and a test that uses
it names the page. Markets are the same for all tests: BTC on spot, as linear and as inverse perpetual, ETH on spot.

async with replayed("okx", {"GET /api/v5/account/balance": {"code": "0", "msg": "", "data": []}}) as replay:
    ...  # replay.keyed is the account's, replay.asked what was asked
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapters.venue import Credentials, Venue
from adapters.venue.account import Keyed
from occ.config import Secret
from tests.occ.servers import CANARY, listening

Answer = Any | Callable[[web.Request], Any]
"""JSON, or what makes it (or a whole response) of a request."""


@dataclass
class Replay:
    """What is answered by method and path, and what was asked for in order, with the query."""

    answers: dict[str, Answer]
    asked: list[str] = field(default_factory=list)
    keyed: Keyed = field(init=False)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        _, _, path = request.path.removeprefix(f"/{CANARY}/").partition("/")
        self.asked.append(f"{request.method} /{path}" + (f"?{request.query_string}" if request.query_string else ""))
        if (key := f"{request.method} /{path}") not in self.answers:
            return web.json_response({"message": f"nothing is replayed for {key}"}, status=501)
        answer = self.answers[key]
        told = answer(request) if callable(answer) else answer
        return told if isinstance(told, web.StreamResponse) else web.json_response(told)

    def paths(self) -> list[str]:
        """What was asked for beside the markets, without queries."""
        markets = MARKETS[self.keyed.exchange]
        return [path for each in self.asked if (path := each.partition("?")[0]) not in markets]


@asynccontextmanager
async def replayed(exchange: str, answers: Mapping[str, Answer], *markets: str) -> AsyncIterator[Replay]:
    """An account at an exchange that answers so; `markets` are where it trades, all that is known without any."""
    replay = Replay({**MARKETS[exchange], **answers})
    async with listening(replay.handle) as port, aiohttp.ClientSession() as session:
        base = f"http://127.0.0.1:{port}/{CANARY}"
        async with Venue.open(
            exchange, session=session, base_url=base, credentials=credentials(exchange), spread=False
        ) as venue:
            replay.keyed = Keyed(venue, exchange, frozenset(markets))
            yield replay


def credentials(exchange: str) -> Credentials:
    """As the exchange wants them to be formed; the secrets sign, and open nothing anywhere."""
    if exchange == "coinbase":
        made = ec.generate_private_key(ec.SECP256R1())
        signing = made.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        return Credentials(api_key=Secret("organizations/desk/apiKeys/canary"), secret=Secret(signing.decode()))
    return Credentials(api_key=Secret("canary-key"), secret=Secret("Y2FuYXJ5LXNlY3JldA=="), password=Secret("canary"))


def by(parameter: str, found: Mapping[str, Any], otherwise: Any) -> Callable[[web.Request], Any]:
    """An answer by a parameter of the query."""
    return lambda request: found.get(request.query.get(parameter, ""), otherwise)


# --- okx: "Get instruments" ------------------------------------------------------------------------------------------


def _okx(data: list[Any]) -> Any:
    return {"code": "0", "msg": "", "data": data}


def _okx_instrument(name: str, kind: str, **more: str) -> Mapping[str, str]:
    base, quote = name.split("-")[:2]
    common = {"instId": name, "instType": kind, "state": "live", "tickSz": "0.1", "lotSz": "0.01", "minSz": "0.01"}
    empty = dict.fromkeys(
        ("alias", "category", "ctMult", "ctType", "ctVal", "ctValCcy", "expTime", "settleCcy", "uly"), ""
    )
    spot = {"baseCcy": base, "quoteCcy": quote} if kind == "SPOT" else {"baseCcy": "", "quoteCcy": ""}
    return {**common, **empty, "lever": "10", "listTime": "1597026383085", "optType": "", "stk": "", **spot, **more}


def _okx_swap(quote: str, kind: str, size: str, counted: str, settled: str) -> Mapping[str, str]:
    uly = f"BTC-{quote}"
    facts = {"ctType": kind, "ctVal": size, "ctValCcy": counted, "ctMult": "1", "settleCcy": settled}
    return _okx_instrument(f"{uly}-SWAP", "SWAP", uly=uly, instFamily=uly, **facts)


_OKX_BY_KIND = {
    "SPOT": _okx([_okx_instrument("BTC-USDT", "SPOT"), _okx_instrument("ETH-USDT", "SPOT")]),
    "SWAP": _okx(
        [_okx_swap("USDT", "linear", "0.01", "BTC", "USDT"), _okx_swap("USD", "inverse", "100", "USD", "BTC")]
    ),
}
_OKX: Mapping[str, Answer] = {
    "GET /api/v5/asset/currencies": _okx([]),
    "GET /api/v5/public/instruments": by("instType", _OKX_BY_KIND, _okx([])),
}

# --- bybit: "Get Instruments Info" -----------------------------------------------------------------------------------


def _bybit(category: str, listed: list[Any]) -> Any:
    result = {"category": category, "nextPageCursor": "", "list": listed}
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": 1672712495660}


def _bybit_spot(base: str) -> Mapping[str, Any]:
    return {
        "symbol": f"{base}USDT",
        "baseCoin": base,
        "quoteCoin": "USDT",
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "both",
        "lotSizeFilter": {
            "basePrecision": "0.000001",
            "quotePrecision": "0.00000001",
            "minOrderQty": "0.000048",
            "maxOrderQty": "71.73956243",
            "minOrderAmt": "1",
            "maxOrderAmt": "4000000",
        },
        "priceFilter": {"tickSize": "0.01"},
        "riskParameters": {"limitParameter": "0.03", "marketParameter": "0.03"},
    }


def _bybit_perpetual(kind: str, quote: str, settled: str) -> Mapping[str, Any]:
    return {
        "symbol": f"BTC{quote}",
        "contractType": kind,
        "status": "Trading",
        "baseCoin": "BTC",
        "quoteCoin": quote,
        "launchTime": "1585526400000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": "2",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": "0.10"},
        "lotSizeFilter": {
            "maxOrderQty": "1190.000",
            "minOrderQty": "0.001",
            "qtyStep": "0.001",
            "postOnlyMaxOrderQty": "1190.000",
            "maxMktOrderQty": "500.000",
            "minNotionalValue": "5",
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "settleCoin": settled,
        "copyTrading": "both",
        "upperFundingRate": "0.00375",
        "lowerFundingRate": "-0.00375",
    }


_BYBIT_BY_KIND = {
    "spot": _bybit("spot", [_bybit_spot("BTC"), _bybit_spot("ETH")]),
    "linear": _bybit("linear", [_bybit_perpetual("LinearPerpetual", "USDT", "USDT")]),
    "inverse": _bybit("inverse", [_bybit_perpetual("InversePerpetual", "USD", "BTC")]),
    "option": _bybit("option", []),
}


def _bybit_instruments(request: web.Request) -> Any:
    """What is not yet launched is nothing."""
    category = request.query["category"]
    return _bybit(category, []) if request.query.get("status") == "PreLaunch" else _BYBIT_BY_KIND[category]


_BYBIT: Mapping[str, Answer] = {
    "GET /v5/asset/coin/query-info": {"retCode": 0, "retMsg": "", "result": {"rows": []}, "time": 1672194582264},
    "GET /v5/market/instruments-info": _bybit_instruments,
}

# --- kraken: "Get Asset Info", "Get Tradable Asset Pairs" ------------------------------------------------------------


def _kraken_asset(name: str, decimals: int, shown: int) -> Mapping[str, Any]:
    return {"aclass": "currency", "altname": name, "decimals": decimals, "display_decimals": shown, "status": "enabled"}


def _kraken_pair(altname: str, base: str, quote: str) -> Mapping[str, Any]:
    return {
        "altname": altname,
        "wsname": f"{altname[:3]}/{altname[3:]}",
        "aclass_base": "currency",
        "base": base,
        "aclass_quote": "currency",
        "quote": quote,
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": 1,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "leverage_buy": [2, 3, 4, 5],
        "leverage_sell": [2, 3, 4, 5],
        "fees": [[0, 0.26]],
        "fees_maker": [[0, 0.16]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": "0.0001",
        "costmin": "0.5",
        "tick_size": "0.1",
        "status": "online",
    }


def _kraken(result: Any) -> Any:
    return {"error": [], "result": result}


_KRAKEN: Mapping[str, Answer] = {
    "GET /0/public/Assets": _kraken(
        {
            "XXBT": _kraken_asset("XBT", 10, 5),
            "XETH": _kraken_asset("ETH", 10, 5),
            "ZUSD": _kraken_asset("USD", 4, 2),
            "USDT": _kraken_asset("USDT", 8, 4),
            "XBT.F": _kraken_asset("XBT.F", 10, 5),
            "ETH2.S": _kraken_asset("ETH2.S", 10, 5),
        }
    ),
    "GET /0/public/AssetPairs": _kraken(
        {"XXBTZUSD": _kraken_pair("XBTUSD", "XXBT", "ZUSD"), "XETHZUSD": _kraken_pair("ETHUSD", "XETH", "ZUSD")}
    ),
}

# --- kraken futures: "Get instruments" -------------------------------------------------------------------------------

_FUTURES = {
    "symbol": "PF_XBTUSD",
    "type": "flexible_futures",
    "tradeable": True,
    "tickSize": 1,
    "contractSize": 1,
    "impactMidSize": 1,
    "maxPositionSize": 1000000,
    "openingDate": "2022-01-01T00:00:00.000Z",
    "contractValueTradePrecision": 4,
    "fundingRateCoefficient": 8,
    "maxRelativeFundingRate": 0.001,
    "marginLevels": [],
    "retailMarginLevels": [],
    "category": "Layer 1",
    "base": "BTC",
    "quote": "USD",
    "pair": "BTC:USD",
    "tags": [],
}
_KRAKEN_FUTURES: Mapping[str, Answer] = {
    "GET /derivatives/api/v3/instruments": {"result": "success", "instruments": [_FUTURES], "serverTime": ""},
}

# --- coinbase: "List Public Products" --------------------------------------------------------------------------------


def _coinbase_spot(base: str) -> Mapping[str, Any]:
    return {
        "product_id": f"{base}-USD",
        "price": "64000.01",
        "price_percentage_change_24h": "1.2",
        "volume_24h": "12000",
        "base_increment": "0.00000001",
        "quote_increment": "0.01",
        "quote_min_size": "1",
        "quote_max_size": "150000000",
        "base_min_size": "0.00000001",
        "base_max_size": "3400",
        "base_name": base,
        "quote_name": "US Dollar",
        "is_disabled": False,
        "new": False,
        "status": "online",
        "cancel_only": False,
        "limit_only": False,
        "post_only": False,
        "trading_disabled": False,
        "auction_mode": False,
        "product_type": "SPOT",
        "quote_currency_id": "USD",
        "base_currency_id": base,
        "base_display_symbol": base,
        "quote_display_symbol": "USD",
        "price_increment": "0.01",
        "alias": "",
        "alias_to": [],
        "view_only": False,
    }


def _coinbase_products(request: web.Request) -> Any:
    kind = request.query.get("product_type")
    products = [] if kind == "FUTURE" else [_coinbase_spot("BTC"), _coinbase_spot("ETH")]
    return {"products": products, "num_products": len(products)}


_FEES: Mapping[str, Any] = {
    "total_volume": 0,
    "total_fees": 0,
    "fee_tier": {"pricing_tier": "", "taker_fee_rate": "0.006", "maker_fee_rate": "0.004"},
}
_COINBASE: Mapping[str, Answer] = {
    "GET /v2/currencies": {"data": [{"id": "USD", "name": "US Dollar", "min_size": "0.01"}]},
    "GET /v2/currencies/crypto": {"data": []},
    "GET /v2/exchange-rates": {"data": {"currency": "USD", "rates": {}}},
    "GET /api/v3/brokerage/market/products": _coinbase_products,
    "GET /api/v3/brokerage/products": _coinbase_products,
    "GET /api/v3/brokerage/transaction_summary": _FEES,
}

# --- deribit: "public/get_instruments" -------------------------------------------------------------------------------


def _deribit(result: Any) -> Any:
    return {"jsonrpc": "2.0", "result": result, "usIn": 1700000000000000, "usOut": 1700000000000100, "usDiff": 100}


def _deribit_perpetual(name: str, kind: str, settled: str, size: float) -> Mapping[str, Any]:
    return {
        "instrument_name": name,
        "kind": "future",
        "instrument_type": kind,
        "base_currency": "BTC",
        "counter_currency": "USD" if kind == "reversed" else "USDC",
        "quote_currency": "USD" if kind == "reversed" else "USDC",
        "settlement_currency": settled,
        "settlement_period": "perpetual",
        "contract_size": size,
        "tick_size": 0.5,
        "tick_size_steps": [],
        "min_trade_amount": size,
        "is_active": True,
        "expiration_timestamp": 32503708800000,
        "creation_timestamp": 1534167754000,
        "max_leverage": 50,
        "maker_commission": 0.0,
        "taker_commission": 0.0005,
        "price_index": "btc_usd" if kind == "reversed" else "btc_usdc",
        "instrument_id": 210838,
        "rfq": False,
    }


_CURRENCIES = [
    {"currency": code, "currency_long": code, "fee_precision": 4, "min_confirmations": 1, "withdrawal_fee": 0.0001}
    for code in ("BTC", "ETH", "USDC")
]
_DERIBIT: Mapping[str, Answer] = {
    "GET /api/v2/public/get_currencies": _deribit(_CURRENCIES),
    "GET /api/v2/public/get_instruments": _deribit(
        [
            _deribit_perpetual("BTC-PERPETUAL", "reversed", "BTC", 10.0),
            _deribit_perpetual("BTC_USDC-PERPETUAL", "linear", "USDC", 0.0001),
        ]
    ),
}

MARKETS: Mapping[str, Mapping[str, Answer]] = {
    "bybit": _BYBIT,
    "coinbase": _COINBASE,
    "deribit": _DERIBIT,
    "kraken": _KRAKEN,
    "krakenfutures": _KRAKEN_FUTURES,
    "okx": _OKX,
}
