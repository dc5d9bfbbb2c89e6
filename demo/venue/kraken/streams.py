"""Kraken's WebSocket version 2: status, heartbeat, book with checksum, ticker, trade."""

import itertools
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from demo.venue.engine import Side
from demo.venue.exchange import Exchange, Segment
from demo.venue.market import Candle, Market, Print
from demo.venue.wire import Json, Line, Streams, told

from . import names
from .rest import iso, status

_DEPTHS = (10, 25, 100, 500, 1000)
_CHANNELS = ("book", "ticker", "trade")
_SUMMED = 10  # levels of a side that a checksum is made over
_RECENT = 50  # trades of a snapshot
_BEAT = 1.0  # seconds
HEARTBEAT = "heartbeat"

Top = dict[int, int]
"""Quantity by price of the best levels of one side."""


@dataclass(frozen=True)
class Subscription:
    channel: str
    market: Market
    depth: int = 0

    @property
    def stream(self) -> str:
        return f"{self.channel}/{self.market.name}/{self.depth}"


class Conversation:
    """One client."""

    def __init__(self, broadcast: "Broadcast", line: Line) -> None:
        self.line = line
        self._broadcast = broadcast
        self._joined: dict[str, None] = {}
        line.tell(broadcast.status())
        self._join(HEARTBEAT)

    def hear(self, text: str) -> None:
        began = self._broadcast.now()
        try:
            asked = orjson.loads(text)
        except ValueError:
            asked = None
        if not isinstance(asked, dict):
            self._say({"error": "Invalid JSON", "success": False}, {}, began)
            return
        method, params = asked.get("method"), asked.get("params")
        if method == "ping":
            self._say({"method": "pong"}, asked, began)
        elif method not in ("subscribe", "unsubscribe") or not isinstance(params, dict):
            self._say({"error": "Method not found", "method": str(method), "success": False}, asked, began)
        else:
            self._subscribe(str(method), params, asked, began)

    def close(self) -> None:
        for stream in self._joined:
            self._broadcast.streams.leave(stream, self.line)

    def _subscribe(self, method: str, params: dict[str, Json], asked: Json, began: float) -> None:
        for symbol in params.get("symbol") or [None]:
            try:
                wanted = self._broadcast.subscription(params, symbol)
            except ValueError as error:
                refusal = {"error": str(error), "method": method, "success": False, "symbol": symbol}
                self._say(refusal, asked, began)
                continue
            result = {"channel": wanted.channel, "symbol": symbol, "snapshot": True}
            depth = {"depth": wanted.depth} if wanted.depth else {}
            self._say({"method": method, "result": {**result, **depth}, "success": True}, asked, began)
            if method == "subscribe":
                self.line.tell(self._broadcast.snapshot(wanted))
                self._join(wanted.stream)
            else:
                self._joined.pop(wanted.stream, None)
                self._broadcast.streams.leave(wanted.stream, self.line)

    def _join(self, stream: str) -> None:
        self._joined[stream] = None
        self._broadcast.streams.join(stream, self.line)

    def _say(self, answer: dict[str, Json], asked: dict[str, Json], began: float) -> None:
        number = {"req_id": asked["req_id"]} if "req_id" in asked else {}
        self.line.tell({**answer, **number, "time_in": iso(began), "time_out": iso(self._broadcast.now())})


class Broadcast:
    """Tells all streams; `publish` comes after each step of the venue."""

    def __init__(self, exchange: Exchange, segment: Segment) -> None:
        self.streams = Streams(exchange)
        self._exchange = exchange
        self._segment = segment
        self._sent: dict[str, tuple[int, dict[Side, Top]]] = {}  # by stream: update id and levels that clients have
        self._tickers: dict[str, Json] = {}
        self._beaten = 0.0

    def now(self) -> float:
        return self._exchange.now()

    def status(self) -> Json:
        about = {"api_version": "v2", "connection_id": 1, "system": status(self._exchange), "version": "2.0.10"}
        return {"channel": "status", "type": "update", "data": [about]}

    def subscription(self, params: dict[str, Json], symbol: Json) -> Subscription:
        """ValueError where Kraken has no such thing."""
        channel, depth = params.get("channel"), params.get("depth", _DEPTHS[0])
        if channel not in _CHANNELS:
            raise ValueError(f"Channel {channel} not supported")
        market = next((each for each in self._segment.listed() if each.name == symbol), None)
        if market is None:
            raise ValueError(f"Currency pair not supported {symbol}")
        if channel == "book" and depth not in _DEPTHS:
            raise ValueError("Subscription depth not supported")
        return Subscription(str(channel), market, depth if channel == "book" else 0)

    def snapshot(self, wanted: Subscription) -> Json:
        """Of a book what the others on its stream have, so that the next update fits."""
        market = wanted.market
        if wanted.channel == "trade":
            data = [self._trade(market, each) for each in list(market.prints)[-_RECENT:]]
        elif wanted.channel == "ticker":
            data = [self._ticker(market)]
        else:
            if wanted.stream not in self._sent or wanted.stream not in self.streams:
                self._sent[wanted.stream] = market.published.last_id, self._tops(wanted)
            _, tops = self._sent[wanted.stream]
            data = [self._book(market, tops, tops)]
        return {"channel": wanted.channel, "type": "snapshot", "data": data}

    def publish(self) -> None:
        beats = self.now() - self._beaten >= _BEAT
        if beats:
            self._beaten = self.now()
            self.streams.say(HEARTBEAT, {"channel": "heartbeat"})
        for market in self._segment.listed():
            prints, market.news = market.news, []
            self._tell_trades(Subscription("trade", market), prints)
            self._tell_ticker(Subscription("ticker", market))
            for depth in _DEPTHS:
                self._tell_book(Subscription("book", market, depth))

    def _tell_trades(self, wanted: Subscription, prints: list[Print]) -> None:
        if prints and wanted.stream in self.streams:
            data = [self._trade(wanted.market, each) for each in prints]
            self.streams.say(wanted.stream, {"channel": "trade", "type": "update", "data": data})

    def _tell_ticker(self, wanted: Subscription) -> None:
        if wanted.stream not in self.streams:
            return
        now = self._ticker(wanted.market)
        text = orjson.dumps(now)
        if text != self._tickers.get(wanted.stream):
            self._tickers[wanted.stream] = text
            self.streams.say(wanted.stream, {"channel": "ticker", "type": "update", "data": [now]})

    def _tell_book(self, wanted: Subscription) -> None:
        if wanted.stream not in self.streams:
            self._sent.pop(wanted.stream, None)
            return
        last, before = self._sent[wanted.stream]
        if last == wanted.market.published.last_id:
            return
        tops = self._tops(wanted)
        self._sent[wanted.stream] = wanted.market.published.last_id, tops
        changes = {side: self._changes(wanted.market, side, before[side], tops[side]) for side in Side}
        if any(changes.values()):
            told_book = {**self._book(wanted.market, changes, tops), "timestamp": iso(self.now())}
            message = {"channel": "book", "type": "update", "data": [told_book]}
            self.streams.say_book(wanted.stream, wanted.market, message)

    def _changes(self, market: Market, side: Side, before: Top, now: Top) -> Top:
        """What came or changed, and what is gone from the book; what only left the depth is for the client to cut off."""
        gone = {price: 0 for price in before if not market.published.quantity(side, price)}
        return {**gone, **{price: size for price, size in now.items() if before.get(price) != size}}

    def _tops(self, wanted: Subscription) -> dict[Side, Top]:
        return {side: dict(wanted.market.published.top(side, wanted.depth)) for side in Side}

    def _book(self, market: Market, levels: dict[Side, Top], tops: dict[Side, Top]) -> dict[str, Json]:
        sides = {
            name: [
                {"price": names.number(price), "qty": names.number(size)}
                for price, size in told(self._exchange, market, _texts(market, levels[side].items()))
            ]
            for name, side in (("bids", Side.BUY), ("asks", Side.SELL))
        }
        return {"symbol": market.name, **sides, "checksum": checksum(market, tops)}

    def _trade(self, market: Market, each: Print) -> Json:
        return {
            "symbol": market.name,
            "side": "sell" if each.buyer_is_maker else "buy",
            "price": names.number(names.price(market, each.price)),
            "qty": names.number(names.quantity(market, each.quantity)),
            "ord_type": "market",
            "trade_id": each.id,
            "timestamp": iso(each.at / 1000),
        }

    def _ticker(self, market: Market) -> Json:
        day = market.day(self._exchange.stamp()) or Candle(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        average = day.turnover // day.volume if day.volume else 0
        bid, ask = (market.published.best(side) for side in Side)
        prices = {"last": day.close, "vwap": average, "low": day.low, "high": day.high, "change": day.close - day.open}
        sizes = {
            "bid_qty": market.published.quantity(Side.BUY, bid or 0),
            "ask_qty": market.published.quantity(Side.SELL, ask or 0),
            "volume": day.volume,
        }
        return {
            "symbol": market.name,
            **{
                name: names.number(names.price(market, units))
                for name, units in {"bid": bid, "ask": ask, **prices}.items()
            },
            **{name: names.number(names.quantity(market, lots)) for name, lots in sizes.items()},
            "change_pct": round(100 * (day.close - day.open) / day.open, 2) if day.open else 0.0,
        }


def _texts(market: Market, levels: Iterable[tuple[int, int]]) -> list[tuple[str, str]]:
    return [(names.price(market, price), names.quantity(market, size)) for price, size in levels]


def checksum(market: Market, tops: dict[Side, Top]) -> int:
    """CRC32 over price and quantity of the ten best asks, then bids, as texts without point and leading zeros."""
    best = [
        level
        for side in (Side.SELL, Side.BUY)
        for level in _texts(market, itertools.islice(tops[side].items(), _SUMMED))
    ]
    digits = (text.replace(".", "").lstrip("0") for level in best for text in level)
    return zlib.crc32("".join(digits).encode())
