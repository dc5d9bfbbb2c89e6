"""A venue as the far side: the only place from which it is asked, and what is remembered of it."""

from __future__ import annotations

import asyncio
import functools
import math
import random
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp

from adapters.venue import BookGapError, Request, looking
from adapters.venue import Venue as Wire
from adapters.venue.account import Keyed
from adapters.venue.limits import counts_apart
from adapters.venue.orders import MANNERS, Orders
from exporters.exchange import wires
from exporters.exchange.checks import LOOK_SECONDS
from exporters.exchange.columns import METHODS, REQUEST_DURATION, REQUESTS, THROTTLED, WINDOWS, WS_GAP, WS_RECONNECTS
from exporters.exchange.config import ExchangeConfig, Venue
from exporters.exchange.feeds import BookFeed, Contract, TradesFeed
from exporters.exchange.prices import DOLLAR, Prices
from exporters.exchange.reading import ConnectionReading
from exporters.exchange.symbols import base_of, kind_of, quote_of
from occ.errors import RateLimitError, Reason, SourceError
from occ.job import Target
from occ.metrics import Family
from occ.page import Event, Page
from occ.plain import fingerprint

OPEN_SECONDS = 0.05
"""So long on the average each stream of a venue waits before it is opened again: two hundred of them, ten seconds."""

ASK_AGAIN_SECONDS = 600.0
"""After so long a venue is asked again for what it said that it does not offer."""

_KEPT = WeakKeyDictionary[Page, dict[Any, Any]]()

_UNREACHED = frozenset(
    {Reason.DNS, Reason.CONNECT, Reason.TLS, Reason.TIMEOUT, Reason.SERVER_ERROR, Reason.RATE_LIMITED}
)
"""Failures of a request that say something of the venue, and not of what was asked."""


class Targets:
    """What there is to read of a venue. A reload keeps what is known of a target while its `config` is the same."""

    def __init__(self, config: ExchangeConfig, venue: Venue) -> None:
        common = venue.model_copy(update={"symbols": None})
        facts = {
            "team": venue.labels.team,
            "tier": venue.labels.tier,
            "config": fingerprint(common, config.sizes_usd, config.prices, config.assets),
        }
        name, priced = venue.name, {source.symbol for source in config.prices.values() if source.venue == venue.name}

        def symbols(found: Any) -> tuple[Target, ...]:
            return tuple(Target(f"{name}/{symbol}", {"venue": name, "symbol": symbol}, facts) for symbol in found)

        venue_itself = (Target(name, {"venue": name}, facts),)
        tickers = venue.symbols.tickers
        self.per: Mapping[str, tuple[Target, ...]] = {
            "venue": venue_itself,
            "accounts": tuple(
                Target(f"{name}/{account.name}", {"venue": name, "account": account.name}, facts)
                for account in venue.accounts
            ),
            "books": symbols(venue.symbols.books),
            "tickers": (venue_itself if tickers is None else symbols(tickers)),
            "symbols": symbols(venue.symbols.named),
            "contracts": symbols(symbol for symbol in venue.symbols.named if kind_of(symbol) != "spot"),
            "prices": symbols(sorted(priced)),
        }


class Source:
    """Asks one venue, counts what is asked, and keeps what its feeds have told.

    `supported` tells of the checks that are made whether the venue offers what they need.
    """

    def __init__(
        self,
        config: ExchangeConfig,
        venue: Venue,
        session: aiohttp.ClientSession,
        page: Page,
        prices: Prices,
        *,
        clock: Callable[[], float] = time.time,
        chance: random.Random | None = None,
    ) -> None:
        self.config = config
        self.venue = venue
        self.targets = Targets(config, venue)
        self.supported: dict[str, bool] = {}
        self._page = page
        self._prices = prices
        self._clock = clock
        self._chance = chance or random.Random()
        self._labels = {"venue": venue.name}
        self.currencies = _currencies(config, venue)
        self._durations = {method: page.histogram(REQUEST_DURATION).labels(venue.name, method) for method in METHODS}
        self._gaps = page.histogram(WS_GAP).labels(venue.name)
        self._books: dict[Target, BookFeed] = {}
        self._trades: dict[Target, TradesFeed] = {}
        self._opened: set[tuple[Target, str]] = set()
        self._heard: set[tuple[Target, str]] = set()
        self._followed: set[tuple[Target, str]] = set()
        self._failed: SourceError | None = None
        self._asked = asyncio.Event()
        self._round_trips: dict[str, tuple[float, float]] = {}
        self._fine_clock = False
        self._wire, self._keyed = wires.opened(venue, session, self, clock)
        self._markets = {account.name: frozenset(account.markets) for account in venue.accounts}

    async def close(self) -> None:
        """Ends what is open to the venue."""
        for wire in (self._wire, *self._keyed.values()):
            await wire.close()

    # --- asking ------------------------------------------------------------------------------------------------------

    def offers(self, methods: tuple[str, ...]) -> bool:
        """Whether the venue has one of these methods of ccxt; True without any."""
        return not methods or any(map(self._wire.has, methods))

    @property
    def shown_books(self) -> frozenset[str]:
        """The symbols whose books are read."""
        return frozenset(self.venue.symbols.books if self.supported.get("order_book") else ())

    async def call(self, method: str, *args: Any) -> Any:
        """What a method of ccxt returns. Raises SourceError."""
        return await self._admitted(self._wire).call(method, *args)

    async def ask(self, behalf: str, method: str, params: Mapping[str, Any]) -> Any:
        """What an endpoint of the exchange's own answers, asked on `behalf` of a method of ccxt. Raises SourceError."""
        return await self._admitted(self._wire).ask(behalf, method, params)

    async def call_with_key(self, method: str, *args: Any) -> Any:
        """As `call`, with the key of the venue's first account, where there is one: some venues tell nobody else."""
        return await self._admitted(next(iter(self._keyed.values()), self._wire)).call(method, *args)

    def orders(self, target: Target) -> Orders | looking.Looked | None:
        """The orders of an account; None where it is not known how the exchange keeps them. Raises SourceError."""
        keyed = self.keyed(target)
        if (manner := MANNERS.get(keyed.exchange)) is not None:
            return Orders(keyed.venue, manner, keyed.markets)
        known = looking.MANNERS.get(keyed.exchange)
        return None if known is None else looking.Looked(keyed, known)

    def keyed(self, target: Target) -> Keyed:
        """The venue with the key of an account. Raises SourceError."""
        name = target.labels["account"]
        return Keyed(self._admitted(self._keyed[name]), self.venue.exchange, self._markets[name])

    def _admitted(self, wire: Wire) -> Wire:
        """Raises RateLimitError while the venue wants to be left alone."""
        if (until := self._silent_until(wire)) is not None:
            raise RateLimitError("the venue asks for patience: nothing is sent until then", until - self._clock())
        return wire

    def _silent_until(self, wire: Wire) -> float | None:
        """Unix time until which nothing may be sent that way, if there is one. Patience is asked of our address, with or without a key;
        but where keys or accounts are counted apart, what is said to one of them is for that one alone.
        """
        wires = {self._wire, wire} if counts_apart(self.venue.exchange) else {self._wire, *self._keyed.values()}
        return max((each.silent_until for each in wires if each.silent_until is not None), default=None)

    async def timed(self, method: str) -> tuple[Any, float, float]:
        """What a method returns, when its answer came (Unix time), and how many seconds after its request was sent."""
        answer = await self.call(method)
        answered_at, round_trip = self._round_trips[method]
        return answer, answered_at, round_trip

    def resolution(self, server_ms: float) -> float:
        """Seconds between two times that the venue can tell: 1 as long as it was only heard to tell whole seconds."""
        self._fine_clock = self._fine_clock or server_ms % 1000 != 0
        return 0.001 if self._fine_clock else 1.0

    async def market(self, symbol: str) -> Mapping[str, Any]:
        """The market of a symbol, as ccxt has it. Raises SourceError; for an unknown one with the closest that there are."""
        return await self._wire.check(symbol)

    async def markets(self, *, anew: bool = False) -> Mapping[str, Any]:
        """All markets by symbol, `anew` from the venue."""
        if anew:
            await self._wire.refresh()
        return await self._wire.markets()

    async def contract(self, symbol: str) -> Contract:
        """In what the venue tells the symbol's amounts."""
        market = await self.market(symbol)
        size = market.get("contractSize")
        if not market.get("contract") or size is None:
            return Contract()
        return Contract(float(size), bool(market.get("inverse")))

    # --- following ---------------------------------------------------------------------------------------------------

    async def follow(
        self, target: Target, method: str, *args: Any, note: Callable[[Any], object]
    ) -> AsyncGenerator[Any, None]:
        """The newest of what a stream of the target tells, for a look every LOOK_SECONDS, until it fails with SourceError.

        `note` is called with everything as it comes. Again is not at once: others want to as well.
        """
        key = target, method
        if key in self._opened:
            await asyncio.sleep(self._chance.uniform(0, OPEN_SECONDS * 2 * len(self._opened)))
        self._opened.add(key)
        loop, last = asyncio.get_running_loop(), math.nan

        def noted(update: Any) -> None:
            nonlocal last
            now = loop.time()
            if math.isnan(last):
                self._opens(key)
            else:
                self._gaps.observe(now - last)
            last = now
            note(update)

        try:
            async with aclosing(self._wire.watch(method, *args, note=noted, interval=LOOK_SECONDS)) as updates:
                async for update in updates:
                    yield update
        finally:
            self._followed.discard(key)

    def _opens(self, key: tuple[Target, str]) -> None:
        """A stream tells something."""
        self._followed.add(key)
        if key in self._heard:
            self._page.count(Event(WS_RECONNECTS, self._labels))
        self._heard.add(key)

    def follows(self, target: Target, method: str) -> bool:
        """Whether just now a stream of the target tells what happens as it happens: then no news is no change."""
        return (target, method) in self._followed

    @staticmethod
    def is_gap(error: SourceError) -> bool:
        """Whether a stream ended because its updates do not fit together."""
        return isinstance(error, BookGapError)

    def book(self, target: Target) -> BookFeed:
        """What is remembered of a symbol's book."""
        if target not in self._books:
            self._books[target] = self._new_book(target)
        return self._books[target]

    def asked_book(self, target: Target, method: str) -> BookFeed:
        """The same for a look by asking; beside the stream `method` (as a probe looks) it has nothing in common with that."""
        return self._new_book(target) if self.follows(target, method) else self.book(target)

    def _new_book(self, target: Target) -> BookFeed:
        dollars = self._dollars(target.labels["symbol"])
        return BookFeed(target.labels, self.config.sizes_usd, dollars, self._clock)

    def trades(self, target: Target) -> TradesFeed:
        """What is remembered of a symbol's trades."""
        if target not in self._trades:
            self._trades[target] = TradesFeed(target.labels, self._dollars(target.labels["symbol"]), self._clock)
        return self._trades[target]

    def kept(self, target: Target, kind: type) -> Any:
        """What a check keeps of a target from look to look, new where there is none. No reload forgets it, nor what was counted."""
        key = self.venue.exchange, self.venue.base_url, target.id, kind
        return _KEPT.setdefault(self._page, {}).setdefault(key, kind())

    def now(self) -> float:
        """Unix time."""
        return self._clock()

    # --- dollars -----------------------------------------------------------------------------------------------------

    @contextmanager
    def pricing(self, symbol: str) -> Iterator[Callable[[float], None]]:
        """While the venue is asked for a price by which others are made dollars; what it told is to be passed on."""
        try:
            yield functools.partial(self._prices.told, self.venue.name, symbol)
        finally:
            self._prices.asked(self.venue.name, symbol)

    async def first_prices(self, within: float) -> None:
        """Returns when it was tried to find out what is worth what, or after so many seconds; at once but for the first time."""
        await self._prices.first(within)

    def usd_per_quote(self, symbols: Sequence[str]) -> list[float | None]:
        """For each symbol the dollars per unit of its quote asset just now; None where nobody knows."""
        quotes = [quote_of(symbol) for symbol in symbols]
        rates = {quote: self._prices.usd(quote) for quote in set(quotes)}
        return [rates[quote] for quote in quotes]

    def usd_of(self, asset: str) -> float | None:
        """Dollars per unit of an asset just now, of an alias without a price of its own as of its base; None where nobody knows."""
        return self._prices.usd(self._priced_as(asset))

    def has_price(self, asset: str) -> bool:
        """Whether it is configured where the price of an asset comes from."""
        return self._priced_as(asset) in {DOLLAR, *self.config.prices}

    def _priced_as(self, asset: str) -> str:
        """What is like a dollar is never one because it is an alias: what it is worth, its own price says."""
        own = asset in self.config.prices or asset in self.config.dollar_like
        return asset if own else self.config.bases.get(asset, asset)

    def _dollars(self, symbol: str) -> Callable[[], float | None]:
        quote = quote_of(symbol)
        return lambda: self._prices.usd(quote)

    def count(self, family: Family, target: Target, amount: float = 1.0, **labels: str) -> None:
        """Something has happened to a target just now, so many times; `labels` stand beside its own."""
        self._page.count(Event(family, {**target.labels, **labels}, amount))

    # --- noticing ----------------------------------------------------------------------------------------------------

    def requested(self, request: Request) -> None:
        """A request to the venue has ended."""
        method = request.method if request.method in METHODS else "other"
        self._durations[method].observe(request.seconds)
        self._page.count(Event(REQUESTS, {**self._labels, "method": method}))
        if request.answered_at is not None and request.round_trip is not None:
            self._round_trips[request.method] = request.answered_at, request.round_trip
        self._asked.set()
        self._failed = request.error if request.error and request.error.reason in _UNREACHED else None

    def waited(self, seconds: float) -> None:
        """A request had to wait for its turn."""
        self._page.count(Event(THROTTLED, self._labels, seconds))

    async def connection(self) -> ConnectionReading:
        """How the requests fare, once there was one. Raises the SourceError of the last one, where it says that the venue was
        not reached.
        """
        await self._asked.wait()
        silent_until = self._silent_until(self._wire)
        if self._failed is not None and silent_until is None:
            # Without the patience that was asked for: this look sends nothing.
            raise SourceError(self._failed.reason, str(self._failed))
        usage: dict[str, float] = {}
        for window, ratio in self._wire.usage().items():
            name = window if window in WINDOWS else "other"
            usage[name] = max(usage.get(name, 0.0), ratio)
        return ConnectionReading(
            used=usage,
            ban_until=silent_until,
            followed=bool(self._followed) if self._opened else None,
            supported=dict(self.supported),
        )


def _currencies(config: ExchangeConfig, venue: Venue) -> tuple[str, ...]:
    """Every asset that the configuration speaks of in connection with this venue, or with all."""
    named = venue.symbols.named
    pairs = [(base_of(symbol), quote_of(symbol)) for symbol in named]
    return tuple(sorted({asset for pair in pairs for asset in pair} | set(config.bases) | set(config.dollar_like)))
