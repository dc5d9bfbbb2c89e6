"""Binance USD-M futures over HTTP: public market data. Weights as documented."""

import math

from demo.venue import funding, rights
from demo.venue.market import Market
from demo.venue.wire import Json

from .market_data import Numbers, aggregate, best, day, klines, latest, sides, trade, wire
from .protocol import ApiError, Call, Endpoint, Fields, Routes, by_limit, several
from .trading import MOST_PRICE, MOST_QUANTITY

ORDER_TYPES = ("LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET")

_DEPTHS = (5, 10, 20, 50, 100, 500, 1000)
_PERPETUAL = 4_133_404_800_000  # the delivery date of what is never delivered


def numbers(market: Market) -> Numbers:
    return Numbers(market, None)


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
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
    ]
    listed = list(call.segment.listed())
    assets = [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}]
    symbols = [_symbol(market) for market in listed]
    head = {"timezone": "UTC", "serverTime": call.stamp, "futuresType": "U_MARGINED", "rateLimits": limits}
    return {**head, "exchangeFilters": [], "assets": assets, "symbols": symbols}


def _symbol(market: Market) -> Fields:
    listing = market.listing
    return {
        "symbol": wire(market),
        "pair": wire(market),
        "contractType": "PERPETUAL",
        "deliveryDate": _PERPETUAL,
        "onboardDate": 1_569_398_400_000,
        "status": "SETTLING" if market.halted else "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": listing.base,
        "quoteAsset": listing.quote,
        "marginAsset": listing.settle,
        "pricePrecision": listing.price_decimals,
        "quantityPrecision": listing.lot_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": _filters(market),
        "orderTypes": ORDER_TYPES,
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def _filters(market: Market) -> list[Fields]:
    text = numbers(market)
    tick, lot = text.price(market.tick), text.quantity(1)
    sizes = {"minQty": lot, "maxQty": str(MOST_QUANTITY), "stepSize": lot}
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": str(MOST_PRICE), "tickSize": tick},
        {"filterType": "LOT_SIZE", **sizes},
        {"filterType": "MARKET_LOT_SIZE", **sizes},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
        {"filterType": "MIN_NOTIONAL", "notional": str(market.listing.min_notional)},
    ]


def _depth(call: Call) -> Json:
    market = call.market()
    asked = call.integer("limit") or 500
    if asked not in _DEPTHS:
        raise ApiError(-4021, f"{asked} is not valid depth limit.")
    told = sides(call, market, asked, numbers(market))
    return {"lastUpdateId": market.published.last_id, "E": call.stamp, "T": call.stamp, **told}


def _trades(call: Call) -> Json:
    market = call.market()
    return [{**trade(each, numbers(market)), "isRPITrade": False} for each in latest(call, market)]


def _aggregates(call: Call) -> Json:
    market = call.market()
    return [aggregate(each, numbers(market)) for each in latest(call, market)]


def _klines(call: Call) -> Json:
    return klines(call, numbers(call.market()))


def _listed(call: Call, tell: list[Fields]) -> Json:
    """One object for `symbol`, else a list."""
    return tell[0] if "symbol" in call.params else tell


def _day_ticker(call: Call) -> Json:
    return _listed(call, [day(market, call.stamp, numbers(market)) for market in call.markets()])


def _best_ticker(call: Call) -> Json:
    told = [{"symbol": wire(each), **best(each, numbers(each)), **_at(call, each)} for each in call.markets()]
    return _listed(call, told)


def _at(call: Call, market: Market) -> Fields:
    return {"time": call.stamp, "lastUpdateId": market.published.last_id}


def _price_ticker(call: Call) -> Json:
    told = [
        {"symbol": wire(each), "price": numbers(each).price(each.last), "time": call.stamp} for each in call.markets()
    ]
    return _listed(call, told)


def _premium_index(call: Call) -> Json:
    return _listed(call, [premium(market, call.exchange.clock(), call.stamp) for market in call.markets()])


def premium(market: Market, at: float, stamp: int) -> Fields:
    """Mark price, index and funding at the true time `at`; `stamp` is the venue's, in ms. What is called the last rate is that
    which is settled next, as it stands now: only the history has those that were.
    """
    index = _price(market, market.index(at))
    return {
        "symbol": wire(market),
        "markPrice": _price(market, market.mark(at)),
        "indexPrice": index,
        "estimatedSettlePrice": index,
        "lastFundingRate": f"{funding.rate(market, at):.8f}",
        "interestRate": f"{funding.INTEREST:.8f}",
        "nextFundingTime": (funding.settled(market, at) + funding.interval(market)) * 1000,
        "time": stamp,
    }


def _price(market: Market, units: float) -> str:
    return f"{units * market.listing.price_unit:.8f}"


def _funding_rates(call: Call) -> Json:
    """The latest ones, the oldest first; they follow from the premium, so that there is no end to the past."""
    now = call.exchange.clock()
    limit, end = call.limit(100, 1000), (call.integer("endTime") or round(now * 1000)) / 1000
    start = (call.integer("startTime") or 0) / 1000
    return [_funded(market, at) for market in call.markets() for at in _times(market, start, min(end, now), limit)]


def _times(market: Market, start: float, end: float, limit: int) -> list[int]:
    """When it was settled between, in Unix seconds."""
    length = funding.interval(market)
    last = math.floor(end / length)
    return [each * length for each in range(max(math.ceil(start / length), last - limit + 1), last + 1)]


def _funded(market: Market, at: float) -> Fields:
    rate = f"{funding.rate(market, at):.8f}"
    mark = _price(market, market.mark(at))
    return {"symbol": wire(market), "fundingTime": round(at * 1000), "fundingRate": rate, "markPrice": mark}


_ADJUSTED = ("BTC", "ETH")  # contracts with limits or an interval of their own; others are not listed


def _funding_info(call: Call) -> Json:
    limits = {"adjustedFundingRateCap": "0.02000000", "adjustedFundingRateFloor": "-0.02000000", "disclaimer": False}
    return [
        {"symbol": wire(market), **limits, "fundingIntervalHours": funding.interval(market) // 3600}
        for market in call.segment.listed()
        if market.listing.base in _ADJUSTED
    ]


def _open_interest(call: Call) -> Json:
    market = call.market()
    lots = round(market.reference.interest(market.listing.base, call.exchange.clock()) / market.listing.lot)
    return {"openInterest": numbers(market).quantity(lots), "symbol": wire(market), "time": call.stamp}


_depth_weight = by_limit({50: 2, 100: 5, 500: 10, 1000: 20}, 500)

PUBLIC: Routes = {
    ("GET", "/fapi/v1/ping"): Endpoint(_nothing),
    ("GET", "/fapi/v1/time"): Endpoint(_time),
    ("GET", "/fapi/v1/exchangeInfo"): Endpoint(_exchange_info),
    ("GET", "/fapi/v1/depth"): Endpoint(_depth, _depth_weight),
    ("GET", "/fapi/v1/trades"): Endpoint(_trades, 5),
    ("GET", "/fapi/v1/aggTrades"): Endpoint(_aggregates, 20),
    ("GET", "/fapi/v1/klines"): Endpoint(_klines, by_limit({99: 1, 499: 2, 1000: 5, 1500: 10}, 500)),
    ("GET", "/fapi/v1/ticker/24hr"): Endpoint(_day_ticker, several(1, 40)),
    ("GET", "/fapi/v1/ticker/bookTicker"): Endpoint(_best_ticker, several(2, 5)),
    ("GET", "/fapi/v1/ticker/price"): Endpoint(_price_ticker, several(1, 2)),
    ("GET", "/fapi/v2/ticker/price"): Endpoint(_price_ticker, several(1, 2)),
    ("GET", "/fapi/v1/premiumIndex"): Endpoint(_premium_index, several(1, 10)),
    ("GET", "/fapi/v1/fundingRate"): Endpoint(_funding_rates, 0),
    ("GET", "/fapi/v1/fundingInfo"): Endpoint(_funding_info, 0),
    ("GET", "/fapi/v1/openInterest"): Endpoint(_open_interest),
}


def _no_symbols(call: Call) -> Json:
    """Coin-margined futures: the host is there, and nothing is listed."""
    return {"timezone": "UTC", "serverTime": call.stamp, "rateLimits": [], "exchangeFilters": [], "symbols": []}


def _none(_call: Call) -> Json:
    """What an account has there."""
    return []


def _nothing_held(call: Call) -> Json:
    trades = rights.trades(call.exchange, call.signer)
    rights_of = {"canTrade": trades, "canDeposit": True, "canWithdraw": rights.withdraws(call.exchange, call.signer)}
    return {"feeTier": 0, **rights_of, "updateTime": 0, "assets": [], "positions": []}


COIN_MARGINED: Routes = {
    ("GET", "/dapi/v1/ping"): Endpoint(_nothing),
    ("GET", "/dapi/v1/time"): Endpoint(_time),
    ("GET", "/dapi/v1/exchangeInfo"): Endpoint(_no_symbols),
    ("GET", "/dapi/v1/openOrders"): Endpoint(_none, several(1, 40), signed=True),
    ("GET", "/dapi/v1/openAlgoOrders"): Endpoint(_none, several(1, 40), signed=True),
    ("GET", "/dapi/v1/account"): Endpoint(_nothing_held, 5, signed=True),
    ("GET", "/dapi/v1/balance"): Endpoint(_none, 1, signed=True),
    ("GET", "/dapi/v1/positionRisk"): Endpoint(_none, 1, signed=True),
    ("GET", "/dapi/v1/forceOrders"): Endpoint(_none, several(20, 50), signed=True),
    ("GET", "/dapi/v1/adlQuantile"): Endpoint(_none, 5, signed=True),
    ("GET", "/dapi/v1/premiumIndex"): Endpoint(_none, 10),
    ("GET", "/dapi/v2/leverageBracket"): Endpoint(_none, 1, signed=True),
}
