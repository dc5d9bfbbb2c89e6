"""Kraken over HTTP: `{"error": [], "result": …}` with status 200, whatever happened."""

import email.utils
import re
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from demo.venue.accounts import Account
from demo.venue.assets import DOLLARS
from demo.venue.engine import Side
from demo.venue.exchange import Exchange, Segment
from demo.venue.faults import Fault
from demo.venue.limits import TooManyRequestsError
from demo.venue.market import Candle, Market, Print, merged
from demo.venue.wire import Json, Question, told

from . import names

_INTERVALS = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)  # minutes
_FEES = [[0, 0.4], [10_000, 0.35], [50_000, 0.24], [100_000, 0.22]]  # by volume, in percent
_MAKER_FEES = [[0, 0.25], [10_000, 0.2], [50_000, 0.14], [100_000, 0.12]]
_MOST = 500  # levels
_NUMBER = re.compile("[0-9]{1,20}([.][0-9]{1,9})?")
_LATEST_SECOND = 10**12
_STATUS = "/0/public/SystemStatus"


class ApiError(Exception):
    """One of Kraken's errors, as EQuery:Unknown asset pair."""


@dataclass(frozen=True)
class Call:
    """A request that was let in. `account` is None where it was not signed."""

    exchange: Exchange
    segment: Segment
    params: Mapping[str, str]
    account: Account | None = None

    @property
    def signer(self) -> Account:
        """Whose key it is; only private endpoints ask."""
        if self.account is None:
            raise AssertionError("the endpoint is not private")
        return self.account

    @property
    def at(self) -> float:
        return self.exchange.now()

    def markets(self) -> list[Market]:
        """Those of `pair`, by any of their names, or all."""
        listed = list(self.segment.listed())
        if "pair" not in self.params:
            return listed
        known = {
            name: each for each in listed for name in (names.pair(each), names.alternative(each), names.old_name(each))
        }
        try:
            return [known[name] for name in self.params["pair"].split(",")]
        except KeyError:
            raise ApiError("EQuery:Unknown asset pair") from None

    def market(self) -> Market:
        if "pair" not in self.params:
            raise ApiError("EGeneral:Invalid arguments")
        return self.markets()[0]

    def count(self, default: int, most: int) -> int:
        if not (text := self.params.get("count", str(default))).isascii() or not text.isdigit():
            raise ApiError("EGeneral:Invalid arguments:count")
        return min(most, max(1, int(text)))


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _time(call: Call) -> Json:
    return {"unixtime": int(call.at), "rfc1123": email.utils.formatdate(call.at)}


def status(exchange: Exchange) -> str:
    return "maintenance" if exchange.on(Fault.MAINTENANCE) else "online"


def _status(call: Call) -> Json:
    return {"status": status(call.exchange), "timestamp": iso(int(call.at))}


def _assets(call: Call) -> Json:
    codes = dict.fromkeys(code for each in call.segment.listed() for code in (each.listing.base, each.listing.quote))
    return {names.asset(code): _asset(call, code) for code in codes}


def _asset(call: Call, code: str) -> Json:
    suspended = call.exchange.on(Fault.WITHDRAWALS_SUSPENDED)
    closed = suspended is not None and suspended.currency in (None, code)
    return {
        "aclass": "currency",
        "altname": names.short(code),
        "decimals": 4 if code == "USD" else 10,
        "display_decimals": 2 if code == "USD" else 5,
        "status": "deposit_only" if closed else "enabled",
    }


def _pairs(call: Call) -> Json:
    return {names.pair(market): _pair(market) for market in call.markets()}


def _pair(market: Market) -> Json:
    listing = market.listing
    return {
        "altname": names.alternative(market),
        "wsname": names.old_name(market),
        "aclass_base": "currency",
        "base": names.asset(listing.base),
        "aclass_quote": "currency",
        "quote": names.asset(listing.quote),
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": listing.price_decimals,
        "lot_decimals": names.LOTS,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": _FEES,
        "fees_maker": _MAKER_FEES,
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": names.quantity(market, max(1, listing.min_notional)),
        "costmin": "0.5" if listing.quote in DOLLARS else "0.00002",
        "tick_size": names.price(market, market.tick),
        "status": "cancel_only" if market.halted else "online",
    }


def _ticker(call: Call) -> Json:
    return {names.pair(market): _tick(market, call.at) for market in call.markets()}


def _tick(market: Market, at: float) -> Json:
    """`today` and `day` are both the last 24 hours, or what there is of them."""
    day = market.day(round(at * 1000)) or Candle(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    average = day.turnover // day.volume if day.volume else 0
    last = market.prints[-1] if market.prints else None
    return {
        **{name: _quote(market, side) for name, side in (("a", Side.SELL), ("b", Side.BUY))},
        "c": [names.price(market, day.close), names.quantity(market, last.quantity if last else 0)],
        "v": [names.quantity(market, day.volume)] * 2,
        "p": [names.price(market, average)] * 2,
        "t": [day.trades] * 2,
        "l": [names.price(market, day.low)] * 2,
        "h": [names.price(market, day.high)] * 2,
        "o": names.price(market, day.open),
    }


def _quote(market: Market, side: Side) -> list[str]:
    """Price, whole lots and lots."""
    best = market.published.best(side)
    size = names.quantity(market, market.published.quantity(side, best or 0))
    return [names.price(market, best), size.partition(".")[0], size]


def _depth(call: Call) -> Json:
    market, count = call.market(), call.count(100, _MOST)
    return {
        names.pair(market): {
            name: [[*level, int(call.at)] for level in told(call.exchange, market, _levels(market, side, count))]
            for name, side in (("asks", Side.SELL), ("bids", Side.BUY))
        }
    }


def _levels(market: Market, side: Side, count: int) -> list[tuple[str, str]]:
    top = market.published.top(side, count)
    return [(names.price(market, price), names.quantity(market, quantity)) for price, quantity in top]


def _trades(call: Call) -> Json:
    market, count = call.market(), call.count(1000, 1000)
    since = _nanoseconds(call.params.get("since"))
    prints = [each for each in market.prints if each.at * 1_000_000 > since]
    kept = prints[:count] if since else prints[-count:]
    last = kept[-1].at * 1_000_000 if kept else since
    return {names.pair(market): [_trade(market, each) for each in kept], "last": str(last)}


def _nanoseconds(text: str | None) -> int:
    """What is given in seconds, or in the nanoseconds that `last` is told in."""
    if not _NUMBER.fullmatch(text := text or "0"):
        raise ApiError("EGeneral:Invalid arguments:since")
    since = Decimal(text)
    return int(since if since > _LATEST_SECOND else since.scaleb(9))


def _trade(market: Market, each: Print) -> Json:
    side = "s" if each.buyer_is_maker else "b"
    at = each.at / 1000
    return [names.price(market, each.price), names.quantity(market, each.quantity), at, side, "m", "", each.id]


def _candles(call: Call) -> Json:
    market, interval = call.market(), call.params.get("interval", "1")
    if not interval.isascii() or not interval.isdigit() or int(interval) not in _INTERVALS:
        raise ApiError("EGeneral:Invalid arguments:interval")
    rows = [
        _candle(market, opened, candle) for opened, candle in merged(market.candles, int(interval) * 60_000).items()
    ]
    return {names.pair(market): rows, "last": rows[-2][0] if len(rows) > 1 else 0}


def _candle(market: Market, opened: int, candle: Candle) -> list[Json]:
    prices = (candle.open, candle.high, candle.low, candle.close, candle.turnover // candle.volume)
    texts = [names.price(market, price) for price in prices]
    return [opened // 1000, *texts, names.quantity(market, candle.volume), candle.trades]


PUBLIC: Mapping[str, Callable[[Call], Json]] = {
    "/0/public/Time": _time,
    _STATUS: _status,
    "/0/public/Assets": _assets,
    "/0/public/AssetPairs": _pairs,
    "/0/public/Ticker": _ticker,
    "/0/public/OHLC": _candles,
    "/0/public/Depth": _depth,
    "/0/public/Trades": _trades,
}


def unknown(_call: Call) -> Json:
    """No endpoint."""
    raise ApiError("EGeneral:Unknown method")


def answer(call: Callable[[], Call], endpoint: Callable[[Call], Json]) -> Json:
    """What is told to a request, which `call` lets in."""
    try:
        asked = call()
        _count(asked)
        return {"error": [], "result": endpoint(asked)}
    except ApiError as error:
        return {"error": [str(error)]}


def _count(call: Call) -> None:
    try:
        call.segment.limiter.spend(1, call.exchange.clock())
    except TooManyRequestsError:
        raise ApiError("EAPI:Rate limit exceeded") from None


def open_for(exchange: Exchange, path: str) -> None:
    """ApiError where nothing is answered, whoever asks."""
    if exchange.on(Fault.BAN):
        raise ApiError("EGeneral:Temporary lockout")
    if exchange.on(Fault.MAINTENANCE) and path != _STATUS:
        raise ApiError("EService:Unavailable")


def public(question: Question) -> dict[str, str]:
    """The parameters of a request that anybody may make."""
    return dict(urllib.parse.parse_qsl(question.query) + urllib.parse.parse_qsl(question.body))
