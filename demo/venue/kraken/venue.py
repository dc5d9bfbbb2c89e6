"""Kraken spot: its hosts, and what is served at each."""

from demo.venue.assets import listing, listings
from demo.venue.desk import Desk, SpotMoney
from demo.venue.exchange import Clock, Exchange, Segment, open_markets
from demo.venue.flow import Habits, Reference
from demo.venue.limits import Limiter
from demo.venue.wire import Answer, Line, Question, Talk

from . import rest
from .streams import Broadcast, Conversation

_CALLS = 1200  # a minute; Kraken names no number for public data, and bans who exceeds it
_QUOTES = ("USD", "USDT", "BTC", "ETH")
_DOLLARS = (listing("USDT", "USD"), listing("USDC", "USD"))  # what a dollar that is none is worth
_STREAMS = "ws.kraken.com"


class Kraken:
    """The first `symbols` of the known pairs, and what dollar-like coins are worth. Public data alone: no key is known here."""

    hosts = frozenset({"api.kraken.com", _STREAMS})

    def __init__(self, name: str, clock: Clock, *, seed: int, symbols: int, habits: Habits) -> None:
        pairs = {each.name: each for each in (*listings(symbols, _QUOTES), *_DOLLARS)}
        markets = open_markets(pairs, Reference(seed), habits, f"{seed}/{name}", clock())
        self._segment = Segment(markets, Desk(SpotMoney({})), Limiter(_CALLS))
        self.exchange = Exchange(name, {"spot": self._segment}, {}, clock)
        self._broadcast = Broadcast(self.exchange, self._segment)

    def answer(self, question: Question) -> Answer:
        if question.host != "api.kraken.com":
            return Answer(404, b"Not found", content_type="text/plain")
        return rest.answer(self.exchange, self._segment, question)

    def talk(self, host: str, path: str, line: Line) -> Talk | None:
        return Conversation(self._broadcast, line) if (host, path) == (_STREAMS, "/v2") else None

    def publish(self) -> None:
        self._broadcast.publish()
