"""Binance's WebSocket streams, of spot and of futures: subscriptions, and what is told to whom."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from demo.venue.engine import Side
from demo.venue.exchange import Exchange, Segment
from demo.venue.market import Market, Print
from demo.venue.published import Update
from demo.venue.wire import Line, Streams, told

from .futures import premium
from .market_data import Numbers, best, day, wire
from .protocol import Fields

_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS")
_PARTIAL = (5, 10, 20)  # levels of the streams that tell the whole top of a book
_SECOND = 1000  # ms


@dataclass(frozen=True)
class Style:
    """How spot and futures differ: decimals, ms between two updates of a book by the stream's suffix, and fields."""

    shown: int | None
    speeds: Mapping[str, int]
    contract: bool = False


SPOT = Style(8, {"@100ms": 100, "": 1000})
FUTURES = Style(None, {"@100ms": 100, "": 250, "@250ms": 250, "@500ms": 500}, contract=True)


class Conversation:
    """One client of the streams; a `combined` one gets each message with the name of its stream."""

    def __init__(self, broadcast: "Broadcast", line: Line, names: tuple[str, ...], *, combined: bool) -> None:
        self.line = line
        self._broadcast = broadcast
        self._names: dict[str, None] = {}
        if combined:
            line.envelope = _enveloped
        self._join(names)

    def hear(self, text: str) -> None:
        try:
            asked = orjson.loads(text)
        except ValueError:
            self._refuse(3, "Invalid JSON: expected value at line 1 column 1", None)
            return
        if not isinstance(asked, dict) or asked.get("method") not in _METHODS:
            known = ", ".join(f"`{method}`" for method in _METHODS)
            self._refuse(2, f"Invalid request: unknown variant, expected one of {known}", _id(asked))
        elif not _are_names(names := asked.get("params", [])):
            self._refuse(2, "Invalid request: params must be an array of strings", _id(asked))
        else:
            self._obey(asked["method"], tuple(names), _id(asked))

    def close(self) -> None:
        self._leave(tuple(self._names))

    def _obey(self, method: str, names: tuple[str, ...], number: object) -> None:
        if method == "SUBSCRIBE":
            self._join(names)
        elif method == "UNSUBSCRIBE":
            self._leave(names)
        self.line.tell({"result": list(self._names) if method == "LIST_SUBSCRIPTIONS" else None, "id": number})

    def _join(self, names: tuple[str, ...]) -> None:
        for name in names:
            self._names[name] = None
            self._broadcast.join(name, self.line)

    def _leave(self, names: tuple[str, ...]) -> None:
        for name in names:
            self._names.pop(name, None)
            self._broadcast.streams.leave(name, self.line)

    def _refuse(self, code: int, message: str, number: object) -> None:
        self.line.tell({"error": {"code": code, "msg": message}, "id": number})


def _enveloped(stream: str, text: str) -> str:
    return f'{{"stream":"{stream}","data":{text}}}'


def _id(asked: object) -> object:
    return asked.get("id") if isinstance(asked, dict) else None


def _are_names(names: Any) -> bool:
    return isinstance(names, list) and all(isinstance(name, str) for name in names)


class Broadcast:
    """Tells the streams of one segment; `publish` comes after each step of the venue."""

    def __init__(self, exchange: Exchange, segment: Segment, style: Style) -> None:
        self.streams = Streams(exchange)
        self._exchange = exchange
        self._segment = segment
        self._style = style
        self._best: dict[str, Fields] = {}
        self._told: dict[int, int] = {}  # the interval in ms to the last whole one in which it was told

    def join(self, stream: str, line: Line) -> None:
        """Updates of a book are collected from now on: a snapshot that is asked for next must find its place in them."""
        self.streams.join(stream, line)
        name, found, suffix = stream.partition("@depth")
        if found and suffix in self._style.speeds and (market := self._segment.markets.get(name.upper())):
            market.published.channel(stream)

    def publish(self) -> None:
        stamp = self._exchange.stamp()
        due = {speed for speed in {*self._style.speeds.values(), _SECOND} if self._due(speed, stamp)}
        listed = list(self._segment.listed())
        for market in listed:
            name, numbers = wire(market).lower(), Numbers(market, self._style.shown)
            self._trades(market, name, numbers, stamp)
            self._books(market, name, numbers, stamp, due)
            self._bests(market, name, numbers, stamp)
            if _SECOND in due:
                self._tickers(market, name, numbers, stamp)
                self._marks(market, name, stamp)
        if _SECOND in due:
            self._all_tickers(listed, stamp)

    def _due(self, interval: int, stamp: int) -> bool:
        before, self._told[interval] = self._told.get(interval), stamp // interval
        return before != self._told[interval]

    def _trades(self, market: Market, name: str, numbers: Numbers, stamp: int) -> None:
        prints, market.news = market.news, []
        for each, kind in itertools.product(prints, ("trade", "aggTrade")):
            if (stream := f"{name}@{kind}") in self.streams:
                self.streams.say(stream, self._trade(kind, market, each, numbers, stamp))

    def _trade(self, kind: str, market: Market, each: Print, numbers: Numbers, stamp: int) -> Fields:
        ids = {"t": each.id} if kind == "trade" else {"a": each.id, "f": each.id, "l": each.id}
        return {
            "e": kind,
            "E": stamp,
            "s": wire(market),
            **ids,
            "p": numbers.price(each.price),
            "q": numbers.quantity(each.quantity),
            "T": each.at,
            "m": each.buyer_is_maker,
            **({"X": "MARKET"} if self._style.contract and kind == "trade" else {}),
            **({} if self._style.contract else {"M": True}),
        }

    def _books(self, market: Market, name: str, numbers: Numbers, stamp: int, due: set[int]) -> None:
        for suffix, interval in self._style.speeds.items():
            stream = f"{name}@depth{suffix}"
            if stream not in self.streams:
                market.published.drop(stream)
            else:
                update = market.published.channel(stream).take(market.published.last_id) if interval in due else None
                if update is not None:
                    self.streams.say_book(stream, market, self._update(market, update, numbers, stamp))
            for levels in _PARTIAL:
                if interval in due and (partial := f"{name}@depth{levels}{suffix}") in self.streams:
                    self.streams.say(partial, self._top(market, levels, numbers, stamp))

    def _update(self, market: Market, update: Update, numbers: Numbers, stamp: int) -> Fields:
        sides = {
            "b": told(self._exchange, market, numbers.levels(list(update.bids.items()))),
            "a": told(self._exchange, market, numbers.levels(list(update.asks.items()))),
        }
        return self._depth(market, stamp, (update.first, update.last, update.before), sides)

    def _depth(self, market: Market, stamp: int, span: tuple[int, int, int], sides: Fields) -> Fields:
        """`span` is the first and the last update id, and the last one of the message before."""
        first, last, before = span
        times = {"E": stamp, "T": stamp} if self._style.contract else {"E": stamp}
        ids = {"U": first, "u": last, **({"pu": before} if self._style.contract else {})}
        return {"e": "depthUpdate", **times, "s": wire(market), **ids, **sides}

    def _top(self, market: Market, count: int, numbers: Numbers, stamp: int) -> Fields:
        book = market.published
        bids, asks = (told(self._exchange, market, numbers.levels(book.top(side, count))) for side in Side)
        if self._style.contract:
            return self._depth(market, stamp, (book.last_id, book.last_id, book.last_id - 1), {"b": bids, "a": asks})
        return {"lastUpdateId": book.last_id, "bids": bids, "asks": asks}

    def _bests(self, market: Market, name: str, numbers: Numbers, stamp: int) -> None:
        if (stream := f"{name}@bookTicker") not in self.streams:
            self._best.pop(name, None)
            return
        now = best(market, numbers)
        if now == self._best.get(name):
            return
        self._best[name] = now
        quote = {"b": now["bidPrice"], "B": now["bidQty"], "a": now["askPrice"], "A": now["askQty"]}
        contract = {"e": "bookTicker", "T": stamp, "E": stamp} if self._style.contract else {}
        self.streams.say(stream, {**contract, "u": market.published.last_id, "s": wire(market), **quote})

    def _tickers(self, market: Market, name: str, numbers: Numbers, stamp: int) -> None:
        for kind, tell in (("ticker", self._ticker), ("miniTicker", self._mini)):
            if (stream := f"{name}@{kind}") in self.streams:
                self.streams.say(stream, tell(market, numbers, stamp))

    def _marks(self, market: Market, name: str, stamp: int) -> None:
        """Every second, also where three are asked for."""
        for stream in (f"{name}@markPrice", f"{name}@markPrice@1s"):
            if self._style.contract and stream in self.streams:
                told = premium(market, self._exchange.clock(), stamp)
                fields = {short: told[long] for short, long in _MARK}
                self.streams.say(stream, {"e": "markPriceUpdate", "E": stamp, **fields})

    def _all_tickers(self, markets: list[Market], stamp: int) -> None:
        for kind, tell in (("ticker", self._ticker), ("miniTicker", self._mini)):
            if (stream := f"!{kind}@arr") in self.streams:
                self.streams.say(stream, [tell(each, Numbers(each, self._style.shown), stamp) for each in markets])

    def _ticker(self, market: Market, numbers: Numbers, stamp: int) -> Fields:
        told_day = day(market, stamp, numbers)
        quote = best(market, numbers)
        spot = {
            "x": told_day["openPrice"],
            "b": quote["bidPrice"],
            "B": quote["bidQty"],
            "a": quote["askPrice"],
            "A": quote["askQty"],
        }
        fields = {short: told_day[long] for short, long in _TICKER}
        return {"e": "24hrTicker", "E": stamp, **fields, **({} if self._style.contract else spot)}

    def _mini(self, market: Market, numbers: Numbers, stamp: int) -> Fields:
        told_day = day(market, stamp, numbers)
        return {"e": "24hrMiniTicker", "E": stamp, **{short: told_day[long] for short, long in _mini_fields()}}


_TICKER = (
    ("s", "symbol"),
    ("p", "priceChange"),
    ("P", "priceChangePercent"),
    ("w", "weightedAvgPrice"),
    ("c", "lastPrice"),
    ("Q", "lastQty"),
    ("o", "openPrice"),
    ("h", "highPrice"),
    ("l", "lowPrice"),
    ("v", "volume"),
    ("q", "quoteVolume"),
    ("O", "openTime"),
    ("C", "closeTime"),
    ("F", "firstId"),
    ("L", "lastId"),
    ("n", "count"),
)
"""The short names of a ticker on a stream."""

_MARK = (
    ("s", "symbol"),
    ("p", "markPrice"),
    ("i", "indexPrice"),
    ("P", "estimatedSettlePrice"),
    ("r", "lastFundingRate"),
    ("T", "nextFundingTime"),
)


def _mini_fields() -> Iterator[tuple[str, str]]:
    return ((short, long) for short, long in _TICKER if short in "sohlcvq")
