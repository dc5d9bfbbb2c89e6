"""The whole of Binance: its hosts, and what is served at each."""

import math
import urllib.parse
from collections.abc import Iterable, Mapping
from decimal import Decimal

from demo.venue.assets import Listing, listings, perpetuals
from demo.venue.desk import Account, Desk, SpotMoney
from demo.venue.exchange import Clock, Exchange, Segment, open_markets
from demo.venue.faults import Fault
from demo.venue.flow import Habits, Reference
from demo.venue.limits import Limiter
from demo.venue.margin import MarginMoney
from demo.venue.wire import Answer, Line, Question, Talk

from . import futures, futures_orders, spot, spot_orders, wallet
from .protocol import ApiError, Route, Routes, answer, banned
from .streams import FUTURES, SPOT, Broadcast, Conversation

ACCOUNTS = (
    Account("trader", "demo" + "T" * 60, "venue-trader-hmac", trades=True),
    Account("reader", "demo" + "R" * 60, "venue-reader-hmac", trades=False),
)
"""For the demo and tests alone: keys of no real venue. The secrets sign, as a real one's would."""

VIEWER = Account("trader", "demo" + "V" * 60, "venue-viewer-hmac", trades=False)
"""A second key of the first one's account, which only reads."""

OPENING = {"USDT": Decimal(1_000_000), "USDC": Decimal(1_000_000), "BTC": Decimal(20), "ETH": Decimal(300)}
"""Balances that each account begins with."""

WALLET = Decimal(1_000_000)
"""USDT for contracts that each account begins with."""

_WEIGHT = 6_000  # a minute, of spot
_FUTURES_WEIGHT = 2_400
_WALLET_WEIGHT = 12_000
_MAINTENANCE = {"code": 1, "msg": "System is under maintenance."}
CONTRACTS = 60
"""At most, of perpetual contracts."""

_STATUS = "/sapi/v1/system/status"


class Binance:
    """Spot and USD-M perpetuals, `symbols` of each. `seed` decides, with the clock, what happens there."""

    hosts = frozenset({
        "api.binance.com", "stream.binance.com:9443", "fapi.binance.com", "fstream.binance.com", "dapi.binance.com",
    })  # fmt: skip

    def __init__(self, name: str, clock: Clock, *, seed: int, symbols: int, habits: Habits) -> None:
        reference, began = Reference(seed), clock()
        names = [account.name for account in ACCOUNTS]
        pairs = open_markets(_wires(listings(symbols)), reference, habits, f"{seed}/{name}/spot", began)
        contracts = open_markets(
            _wires(perpetuals(min(symbols, CONTRACTS))), reference, habits, f"{seed}/{name}/futures", began
        )
        spot_desk = Desk(SpotMoney(dict.fromkeys(names, OPENING)))
        on_spot = Segment(pairs, spot_desk, Limiter(_WEIGHT))
        on_futures = Segment(contracts, Desk(MarginMoney(dict.fromkeys(names, WALLET))), Limiter(_FUTURES_WEIGHT))
        segments = {"spot": on_spot, "futures": on_futures}
        self.exchange = Exchange(name, segments, {each.api_key: each for each in (*ACCOUNTS, VIEWER)}, clock)
        in_wallet = Segment(pairs, spot_desk, Limiter(_WALLET_WEIGHT))
        coin_margined = Segment({}, Desk(MarginMoney({})), Limiter(_FUTURES_WEIGHT))
        self._routes = {
            "api.binance.com": {
                **_routed({**spot.PUBLIC, **spot_orders.SIGNED}, on_spot),
                **_routed(wallet.WALLET, in_wallet, "X-SAPI-USED-IP-WEIGHT-1M"),
            },
            "fapi.binance.com": _routed({**futures.PUBLIC, **futures_orders.SIGNED}, on_futures),
            "dapi.binance.com": _routed(futures.COIN_MARGINED, coin_margined),
        }
        self._broadcasts = {
            "stream.binance.com:9443": Broadcast(self.exchange, on_spot, SPOT),
            "fstream.binance.com": Broadcast(self.exchange, on_futures, FUTURES),
        }

    def answer(self, question: Question) -> Answer:
        if self.exchange.on(Fault.MAINTENANCE) and question.path != _STATUS:
            return Answer.json(_MAINTENANCE, 503)
        if ban := self.exchange.on(Fault.BAN):
            return self._banned(round(ban.patience))
        route = self._routes.get(question.host, {}).get((question.method, question.path))
        if route is None:
            return Answer(404, b"<html><body><h2>404 Not found</h2></body></html>", content_type="text/html")
        return answer(self.exchange, route, question)

    def talk(self, host: str, path: str, line: Line) -> Talk | None:
        """`/ws` and `/ws/<stream>`, plain, and `/stream?streams=<stream>/<stream>`, combined."""
        if (broadcast := self._broadcasts.get(host)) is None:
            return None
        path, _, query = path.partition("?")
        parts = [part for part in path.split("/") if part and part not in _CATEGORIES]
        if parts[:1] == ["stream"]:
            named = urllib.parse.parse_qs(query).get("streams", [""])[0]
            return Conversation(broadcast, line, tuple(filter(None, named.split("/"))), combined=True)
        if parts[:1] == ["ws"]:
            return Conversation(broadcast, line, tuple(parts[1:]), combined=False)
        return None

    def publish(self) -> None:
        for broadcast in self._broadcasts.values():
            broadcast.publish()

    def _banned(self, seconds: int) -> Answer:
        try:
            banned(math.floor(self.exchange.now()) + seconds, seconds)
        except ApiError as error:
            return error.answer


_CATEGORIES = ("public", "market", "private")  # that the streams of futures are divided into


def _wires(pairs: Iterable[Listing]) -> dict[str, Listing]:
    return {f"{pair.base}{pair.quote}": pair for pair in pairs}


def _routed(
    endpoints: Routes, segment: Segment, header: str = "X-MBX-USED-WEIGHT-1M"
) -> Mapping[tuple[str, str], Route]:
    return {at: Route(endpoint, segment, header) for at, endpoint in endpoints.items()}
