"""Binance spot over HTTP: public market data. Weights as documented."""

from collections.abc import Callable, Mapping

from demo.venue.assets import DOLLARS
from demo.venue.market import Market
from demo.venue.wire import Json, decimal

from .market_data import SHOWN, Numbers, aggregate, best, day, klines, latest, sides, status, trade, wire
from .protocol import Call, Endpoint, Fields, Routes, Weight, by_limit, several
from .trading import MOST_PRICE, MOST_QUANTITY

ORDER_TYPES = ("LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")

_DEPTH = 100  # levels where no limit is asked for
_MOST = 5000
_DAY_TICKERS = {20: 2, 100: 40}  # weight by number of symbols
_MORE_TICKERS = 80


def numbers(market: Market) -> Numbers:
    return Numbers(market, SHOWN)


def _nothing(_call: Call) -> Json:
    return {}


def _time(call: Call) -> Json:
    return {"serverTime": call.stamp}


def _exchange_info(call: Call) -> Json:
    limits = [
        {
            "rateLimitType": "REQUEST_WEIGHT",
            "interval": "MINUTE",
            "intervalNum": 1,
            "limit": call.segment.limiter.limit,
        },
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
        {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200_000},
        {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 61_000},
    ]
    symbols = [_symbol(market) for market in call.markets()]
    return {
        "timezone": "UTC",
        "serverTime": call.stamp,
        "rateLimits": limits,
        "exchangeFilters": [],
        "symbols": symbols,
    }


def _symbol(market: Market) -> Fields:
    listing = market.listing
    return {
        "symbol": wire(market),
        "status": status(market),
        "baseAsset": listing.base,
        "baseAssetPrecision": 8,
        "quoteAsset": listing.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ORDER_TYPES,
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "amendAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(market),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_MAKER"],
    }


def _filters(market: Market) -> list[Fields]:
    text = numbers(market)
    tick, most = text.price(market.tick), decimal(MOST_PRICE, 0, SHOWN)
    lot = text.quantity(1)
    notional = decimal(market.listing.min_notional, 0, SHOWN) if market.listing.quote in DOLLARS else "0.00010000"
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": most, "tickSize": tick},
        {
            "filterType": "LOT_SIZE",
            "minQty": lot,
            "maxQty": decimal(MOST_QUANTITY, 0, SHOWN),
            "stepSize": lot,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": notional,
            "applyMinToMarket": True,
            "maxNotional": most,
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
    ]


def _depth(call: Call) -> Json:
    market = call.market()
    levels = sides(call, market, call.limit(_DEPTH, _MOST), numbers(market))
    return {"lastUpdateId": market.published.last_id, **levels}


def _trades(call: Call) -> Json:
    market = call.market()
    return [{**trade(each, numbers(market)), "isBestMatch": True} for each in latest(call, market)]


def _aggregates(call: Call) -> Json:
    market = call.market()
    return [{**aggregate(each, numbers(market)), "M": True} for each in latest(call, market)]


def _klines(call: Call) -> Json:
    return klines(call, numbers(call.market()))


def _day_ticker(call: Call) -> Json:
    return _each(call, _day)


def _day(market: Market, call: Call) -> Fields:
    text = numbers(market)
    told = day(market, call.stamp, text)
    return {**told, "prevClosePrice": told["openPrice"], **best(market, text)}


def _best_ticker(call: Call) -> Json:
    return _each(call, lambda market, _call: {"symbol": wire(market), **best(market, numbers(market))})


def _price_ticker(call: Call) -> Json:
    return _each(call, lambda market, _call: {"symbol": wire(market), "price": numbers(market).price(market.last)})


def _each(call: Call, tell: Callable[[Market, Call], Fields]) -> Json:
    """One object for `symbol`, else a list."""
    told = [tell(market, call) for market in call.markets()]
    return told[0] if "symbol" in call.params else told


def _day_weight(params: Mapping[str, str]) -> int:
    if "symbol" in params:
        return _DAY_TICKERS[20]
    if "symbols" not in params:
        return _MORE_TICKERS
    count = params["symbols"].count(",") + 1
    return next((weight for most, weight in _DAY_TICKERS.items() if count <= most), _MORE_TICKERS)


_depth_weight: Weight = by_limit({100: 5, 500: 25, 1000: 50, 5000: 250}, _DEPTH)

PUBLIC: Routes = {
    ("GET", "/api/v3/ping"): Endpoint(_nothing),
    ("GET", "/api/v3/time"): Endpoint(_time),
    ("GET", "/api/v3/exchangeInfo"): Endpoint(_exchange_info, 20),
    ("GET", "/api/v3/depth"): Endpoint(_depth, _depth_weight),
    ("GET", "/api/v3/trades"): Endpoint(_trades, 25),
    ("GET", "/api/v3/aggTrades"): Endpoint(_aggregates, 4),
    ("GET", "/api/v3/klines"): Endpoint(_klines, 2),
    ("GET", "/api/v3/ticker/24hr"): Endpoint(_day_ticker, _day_weight),
    ("GET", "/api/v3/ticker/bookTicker"): Endpoint(_best_ticker, several(2, 4)),
    ("GET", "/api/v3/ticker/price"): Endpoint(_price_ticker, several(2, 4)),
}
