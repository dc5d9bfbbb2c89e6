"""What spot and futures tell alike: depth, trades, candles, tickers."""

from demo.venue.engine import Side
from demo.venue.faults import Fault
from demo.venue.market import Candle, Market, Print, merged
from demo.venue.wire import Json, decimal, told

from .protocol import ApiError, Call, Fields

SHOWN = 8  # decimals of spot

_INTERVALS = {"1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "1d": 1440}  # minutes
_DAY = 86_400_000


class Numbers:
    """Prices, quantities and turnovers of one market as text."""

    def __init__(self, market: Market, shown: int | None) -> None:
        self._prices, self._lots, self._shown = market.listing.price_decimals, market.listing.lot_decimals, shown

    def price(self, units: int | None) -> str:
        return decimal(units or 0, self._prices, self._shown)

    def quantity(self, lots: int) -> str:
        return decimal(lots, self._lots, self._shown)

    def turnover(self, product: int) -> str:
        return decimal(product, self._prices + self._lots, self._shown)

    def levels(self, levels: list[tuple[int, int]]) -> list[tuple[str, str]]:
        return [(self.price(price), self.quantity(quantity)) for price, quantity in levels]


def wire(market: Market) -> str:
    return f"{market.listing.base}{market.listing.quote}"


def sides(call: Call, market: Market, count: int, numbers: Numbers) -> Fields:
    """The best `count` levels of each side."""
    book = market.published
    return {
        name: told(call.exchange, market, numbers.levels(book.top(side, count)))
        for name, side in (("bids", Side.BUY), ("asks", Side.SELL))
    }


def best(market: Market, numbers: Numbers) -> Fields:
    bid, ask = market.published.best(Side.BUY), market.published.best(Side.SELL)
    return {
        "bidPrice": numbers.price(bid),
        "bidQty": numbers.quantity(market.published.quantity(Side.BUY, bid or 0)),
        "askPrice": numbers.price(ask),
        "askQty": numbers.quantity(market.published.quantity(Side.SELL, ask or 0)),
    }


def latest(call: Call, market: Market, default: int = 500) -> list[Print]:
    """The last `limit` trades, from `fromId` on or within `startTime` and `endTime` where those are given."""
    start, end, first = call.integer("startTime"), call.integer("endTime"), call.integer("fromId")
    found = [
        each
        for each in market.prints
        if (first is None or each.id >= first)
        and (start is None or each.at >= start)
        and (end is None or each.at <= end)
    ]
    limit = call.limit(default, 1000)
    return found[:limit] if first is not None or start is not None else found[-limit:]


def trade(told_trade: Print, numbers: Numbers) -> Fields:
    return {
        "id": told_trade.id,
        "price": numbers.price(told_trade.price),
        "qty": numbers.quantity(told_trade.quantity),
        "quoteQty": numbers.turnover(told_trade.price * told_trade.quantity),
        "time": told_trade.at,
        "isBuyerMaker": told_trade.buyer_is_maker,
    }


def aggregate(told_trade: Print, numbers: Numbers) -> Fields:
    """Each trade is an aggregate of its own."""
    return {
        "a": told_trade.id,
        "p": numbers.price(told_trade.price),
        "q": numbers.quantity(told_trade.quantity),
        "f": told_trade.id,
        "l": told_trade.id,
        "T": told_trade.at,
        "m": told_trade.buyer_is_maker,
    }


def klines(call: Call, numbers: Numbers) -> Json:
    """Candles of this run, the oldest first; an interval without a trade has none."""
    market, interval = call.market(), call.text("interval")
    if interval not in _INTERVALS:
        raise ApiError(-1120, "Invalid interval.")
    length = _INTERVALS[interval] * 60_000
    start, end = call.integer("startTime") or 0, call.integer("endTime")
    kept = [
        (opened, candle)
        for opened, candle in merged(market.candles, length).items()
        if opened >= start and (end is None or opened <= end)
    ]
    limit = call.limit(500, 1000)
    kept = kept[:limit] if start else kept[-limit:]
    return [_kline(opened, opened + length - 1, candle, numbers) for opened, candle in kept]


def _kline(opened: int, closed: int, candle: Candle, numbers: Numbers) -> Json:
    prices = [numbers.price(price) for price in (candle.open, candle.high, candle.low, candle.close)]
    taken = [numbers.quantity(candle.bought), numbers.turnover(candle.bought_turnover)]
    turnover = numbers.turnover(candle.turnover)
    return [opened, *prices, numbers.quantity(candle.volume), closed, turnover, candle.trades, *taken, "0"]


def day(market: Market, now: int, numbers: Numbers) -> Fields:
    """The fields of a 24-hour ticker that spot and futures share; prices are 0 before the first trade."""
    candle = market.day(now) or Candle(now, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    change = candle.close - candle.open
    last = market.prints[-1] if market.prints else None
    average = candle.turnover // candle.volume if candle.volume else 0
    return {
        "symbol": wire(market),
        "priceChange": numbers.price(change),
        "priceChangePercent": f"{100 * change / candle.open if candle.open else 0:.3f}",
        "weightedAvgPrice": numbers.price(average),
        "lastPrice": numbers.price(candle.close),
        "lastQty": numbers.quantity(last.quantity if last else 0),
        "openPrice": numbers.price(candle.open),
        "highPrice": numbers.price(candle.high),
        "lowPrice": numbers.price(candle.low),
        "volume": numbers.quantity(candle.volume),
        "quoteVolume": numbers.turnover(candle.turnover),
        "openTime": now - _DAY,
        "closeTime": now,
        "firstId": last.id - candle.trades + 1 if last else -1,
        "lastId": last.id if last else -1,
        "count": candle.trades,
    }


def status(market: Market) -> str:
    return "HALT" if market.halted else "TRADING"


def withdrawn(call: Call, currency: str, network: str) -> bool:
    """Whether withdrawals of it are suspended."""
    scope = call.exchange.on(Fault.WITHDRAWALS_SUSPENDED)
    return scope is not None and scope.currency in (None, currency) and scope.network in (None, network)
