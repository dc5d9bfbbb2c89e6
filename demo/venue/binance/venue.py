"""The whole of Binance: its hosts, and what is served at each."""

import math
import urllib.parse
from collections.abc import Iterable
from decimal import Decimal

from demo.venue.accounts import LOOPBACK, Account, Opening
from demo.venue.assets import Listing, listings, perpetuals
from demo.venue.clearing import Clearing
from demo.venue.desk import Desk, SpotMoney
from demo.venue.exchange import Clock, Exchange, Segment, open_markets
from demo.venue.faults import Fault
from demo.venue.flow import Habits, Reference
from demo.venue.limits import Limiter
from demo.venue.positions import MarginMoney
from demo.venue.transfers import Transfers
from demo.venue.wire import Answer, Line, Question, Streams, Talk

from . import futures, futures_account, futures_history, futures_orders, futures_terms, spot, spot_orders, wallet
from .protocol import ApiError, Route, Routes, answer, banned
from .spot_users import HOST, PATH, ApiConversation, SpotUsers
from .streams import FUTURES, SPOT, Broadcast, Conversation
from .users import Users, listening

ACCOUNTS = (
    Account("trader", "demo" + "T" * 60, "venue-trader-hmac", trades=True),
    Account("reader", "demo" + "R" * 60, "venue-reader-hmac", trades=False),
)
"""For the demo and tests alone: keys of no real venue. The secrets sign, as a real one's would."""

VIEWER = Account("trader", "demo" + "V" * 60, "venue-viewer-hmac", trades=False, addresses=(LOOPBACK,))
"""A second key of the first one's account, which only reads, and only from this machine."""

IDLE = Account("idle", "demo" + "I" * 60, "venue-idle-hmac", trades=False)
"""Of an account that has nothing."""

OPENING = {"USDT": Decimal(1_000_000), "USDC": Decimal(1_000_000), "BTC": Decimal(20), "ETH": Decimal(300)}
"""Balances that each account begins with."""

_WEIGHT = 6_000  # a minute, of spot
_FUTURES_WEIGHT = 2_400
_WALLET_WEIGHT = 12_000
_ACCOUNT_WEIGHT = 180_000  # of this a second
_MAINTENANCE = {"code": 1, "msg": "System is under maintenance."}
CONTRACTS = 60
"""At most, of perpetual contracts."""

ACCOUNT_OF_FUTURES: Routes = {
    **futures_orders.SIGNED,
    **futures_account.ACCOUNT,
    **futures_terms.TERMS,
    **futures_history.HISTORY,
}

_STATUS = "/sapi/v1/system/status"


class Binance:
    """Spot and USD-M perpetuals, `symbols` of each. `seed` decides, with the clock, what happens there."""

    hosts = frozenset({
        "api.binance.com", "stream.binance.com:9443", HOST, "fapi.binance.com", "fstream.binance.com", "dapi.binance.com",
    })  # fmt: skip

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        seed: int,
        symbols: int,
        habits: Habits,
        opening: Opening,
    ) -> None:
        reference, began = Reference(seed), clock()
        pairs = open_markets(_wires(listings(symbols)), reference, habits, f"{seed}/{name}/spot", began)
        perpetual = _wires(perpetuals(min(symbols, CONTRACTS)))
        contracts = open_markets(perpetual, reference, habits, f"{seed}/{name}/futures", began, first=len(pairs))
        names = [account.name for account in ACCOUNTS]
        spot_money = SpotMoney({**dict.fromkeys(names, OPENING), IDLE.name: {}})
        wallets = {**dict.fromkeys(names, opening.wallet), IDLE.name: Decimal(0)}
        futures_money = MarginMoney(wallets, contracts, clock, hedged=opening.hedged)
        spot_desk, futures_desk = Desk(spot_money), Desk(futures_money)
        on_spot = Segment(pairs, spot_desk, Limiter(_WEIGHT))
        on_futures = Segment(contracts, futures_desk, Limiter(_FUTURES_WEIGHT), Clearing(futures_money, futures_desk))
        keys = {each.api_key: each for each in (*ACCOUNTS, VIEWER, IDLE)}
        self.exchange = Exchange(name, {"spot": on_spot, "futures": on_futures}, keys, clock, Transfers(spot_money))
        told = {
            "spot": Broadcast(self.exchange, on_spot, SPOT),
            "futures": Broadcast(self.exchange, on_futures, FUTURES),
        }
        self._broadcasts = {"stream.binance.com:9443": told["spot"], "fstream.binance.com": told["futures"]}
        self._users = Users(self.exchange, on_futures, told["futures"].streams)
        self._spot_users = SpotUsers(self.exchange, on_spot, Streams(self.exchange))
        self.routes = self._served(on_spot, on_futures)

    def _served(self, on_spot: Segment, on_futures: Segment) -> dict[str, dict[tuple[str, str], Route]]:
        """By host. The wallet is counted apart, for an address and for an account."""
        pairs, desk = on_spot.markets, on_spot.desk
        limits = Limiter(_WALLET_WEIGHT), Limiter(_ACCOUNT_WEIGHT, 1), Limiter(_ACCOUNT_WEIGHT)
        by_address, by_second, by_account = (Segment(pairs, desk, limit) for limit in limits)
        coin_margined = Segment({}, Desk(MarginMoney({}, {}, self.exchange.clock)), Limiter(_FUTURES_WEIGHT))
        contracts = {**futures.PUBLIC, **ACCOUNT_OF_FUTURES, **listening(self._users)}
        return {
            "api.binance.com": {
                **_routed({**spot.PUBLIC, **spot_orders.SIGNED}, on_spot),
                **_routed(wallet.WALLET, by_address, "X-SAPI-USED-IP-WEIGHT-1M"),
                **_routed(wallet.BY_SECOND, by_second, "X-SAPI-USED-UID-WEIGHT-1S"),
                **_routed(wallet.BY_ACCOUNT, by_account, "X-SAPI-USED-UID-WEIGHT-1M"),
            },
            "fapi.binance.com": _routed(contracts, on_futures),
            "dapi.binance.com": _routed(futures.COIN_MARGINED, coin_margined),
        }

    def answer(self, question: Question) -> Answer:
        if self.exchange.on(Fault.MAINTENANCE) and question.path != _STATUS:
            return Answer.json(_MAINTENANCE, 503)
        if ban := self.exchange.on(Fault.BAN):
            return self._banned(round(ban.patience))
        route = self.routes.get(question.host, {}).get((question.method, question.path))
        if route is None:
            return Answer(404, b"<html><body><h2>404 Not found</h2></body></html>", content_type="text/html")
        return answer(self.exchange, route, question)

    def talk(self, host: str, path: str, line: Line) -> Talk | None:
        """`/ws` and `/ws/<stream>`, plain, and `/stream?streams=<stream>/<stream>`, combined; a listen key is a stream, too, and
        may be said by `?listenKey=`.
        """
        if (host, path) == (HOST, PATH):
            return ApiConversation(self._spot_users, line)
        if (broadcast := self._broadcasts.get(host)) is None:
            return None
        path, _, query = path.partition("?")
        parts = [part for part in path.split("/") if part and part not in _CATEGORIES]
        if parts[:1] == ["stream"]:
            named = urllib.parse.parse_qs(query).get("streams", [""])[0]
            return Conversation(broadcast, line, tuple(filter(None, named.split("/"))), combined=True)
        if parts[:1] == ["ws"]:
            keys = urllib.parse.parse_qs(query).get("listenKey", [])
            return Conversation(broadcast, line, (*parts[1:], *keys), combined=False)
        return None

    def publish(self) -> None:
        for broadcast in self._broadcasts.values():
            broadcast.publish()
        self._users.publish()

    def _banned(self, seconds: int) -> Answer:
        try:
            banned(math.floor(self.exchange.now()) + seconds, seconds)
        except ApiError as error:
            return error.answer


_CATEGORIES = ("public", "market", "private")  # that the streams of futures are divided into


def _wires(pairs: Iterable[Listing]) -> dict[str, Listing]:
    return {f"{pair.base}{pair.quote}": pair for pair in pairs}


def _routed(endpoints: Routes, segment: Segment, header: str = "X-MBX-USED-WEIGHT-1M") -> dict[tuple[str, str], Route]:
    return {at: Route(endpoint, segment, header) for at, endpoint in endpoints.items()}
