"""Kraken spot: its hosts, and what is served at each."""

from dataclasses import replace
from decimal import Decimal

from demo.venue.accounts import LOOPBACK, Account, Opening
from demo.venue.assets import listing, listings
from demo.venue.desk import Desk, SpotMoney
from demo.venue.exchange import Clock, Exchange, Segment, open_markets
from demo.venue.flow import Habits, Reference
from demo.venue.limits import Limiter
from demo.venue.transfers import Transfers
from demo.venue.wire import Answer, Line, Question, Talk

from . import private, rest
from .streams import Broadcast, Conversation

ACCOUNTS = (
    Account("trader", "demo" + "K" * 52, "dmVudWUtdHJhZGVyLWtyYWtlbg==", trades=True),
    Account("reader", "demo" + "L" * 52, "dmVudWUtcmVhZGVyLWtyYWtlbg==", trades=False),
)
"""For the demo and tests alone: keys of no real venue. The secrets sign, as a real one's would."""

IDLE = Account("idle", "demo" + "I" * 52, "dmVudWUtaWRsZS1rcmFrZW4=", trades=False, addresses=(LOOPBACK,))
"""Of an account that has nothing; its key may be used from this machine alone."""

OPENING = {"USD": Decimal(1_000_000), "USDT": Decimal(1_000_000), "BTC": Decimal(20), "ETH": Decimal(300)}
"""Balances that each account begins with."""

_CALLS = 1200  # a minute; Kraken names no number for public data, and bans who exceeds it
_QUOTES = ("USD", "USDT", "BTC", "ETH")
_DOLLARS = (listing("USDT", "USD"), listing("USDC", "USD"))  # what a dollar that is none is worth
_STREAMS = "ws.kraken.com"


class Kraken:
    """The first `symbols` of the known pairs, and what dollar-like coins are worth."""

    hosts = frozenset({"api.kraken.com", _STREAMS})

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        seed: int,
        symbols: int,
        habits: Habits,
        opening: Opening,  # noqa: ARG002 - there are no contracts
    ) -> None:
        pairs = {each.name: each for each in (*listings(symbols, _QUOTES), *_DOLLARS)}
        markets = open_markets(pairs, Reference(seed), habits, f"{seed}/{name}", clock())
        money = SpotMoney({**dict.fromkeys((account.name for account in ACCOUNTS), OPENING), IDLE.name: {}})
        self._segment = Segment(markets, Desk(money), Limiter(_CALLS))
        keys = {each.api_key: each for each in (*ACCOUNTS, IDLE)}
        self.exchange = Exchange(name, {"spot": self._segment}, keys, clock, Transfers(money))
        self._keys = private.Keys(self.exchange)
        self._broadcast = Broadcast(self.exchange, self._segment)

    def answer(self, question: Question) -> Answer:
        if question.host != "api.kraken.com":
            return Answer(404, b"Not found", content_type="text/plain")
        name = question.path.removeprefix(private.PREFIX) if question.path.startswith(private.PREFIX) else None
        endpoints, wanted = (rest.PUBLIC, question.path) if name is None else (private.PRIVATE, name)
        endpoint = endpoints.get(wanted, rest.unknown)
        told = Answer.json(rest.answer(lambda: self._let_in(question, signed=name is not None), endpoint))
        return replace(told, changes=name in private.CHANGES)

    def _let_in(self, question: Question, *, signed: bool) -> rest.Call:
        """ApiError where it is not."""
        rest.open_for(self.exchange, question.path)
        if not signed:
            return rest.Call(self.exchange, self._segment, rest.public(question))
        given = private.parameters(question)
        return rest.Call(self.exchange, self._segment, given, self._keys.admitted(question, given))

    def talk(self, host: str, path: str, line: Line) -> Talk | None:
        return Conversation(self._broadcast, line) if (host, path) == (_STREAMS, "/v2") else None

    def publish(self) -> None:
        self._broadcast.publish()
