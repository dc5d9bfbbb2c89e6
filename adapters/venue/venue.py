"""A venue: one exchange of ccxt, for polling and streaming, with or without the key of an account."""

from __future__ import annotations

import asyncio
import difflib
import functools
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import aiohttp

from occ.config import Secret
from occ.deadline import held_back
from occ.errors import Reason, SourceError

from . import library, markets
from .budget import BY_THE_MINUTE, PARTS, SELDOM, Budget
from .call import CALL, Call
from .errors import RAISED, REASONS, of_feed, translated
from .gate import Gate
from .observer import Nobody, Observer
from .wired import FEED, Feed, Wire, end, exchange, left_behind

log = logging.getLogger(__name__)

UNSUBSCRIBE_SECONDS = 5.0
CLOSEST = 3

_CLOSED = SourceError(Reason.INTERNAL, "closed on this side")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an account is known by; which of these a venue wants is the venue's."""

    api_key: Secret | None = None
    secret: Secret | None = None
    password: Secret | None = None
    uid: Secret | None = None
    private_key: Secret | None = None
    wallet_address: Secret | None = None

    def revealed(self) -> dict[str, str]:
        """Under ccxt's names."""
        told = {
            "apiKey": self.api_key,
            "secret": self.secret,
            "password": self.password,
            "uid": self.uid,
            "privateKey": self.private_key,
            "walletAddress": self.wallet_address,
        }
        return {name: secret.reveal() for name, secret in told.items() if secret is not None}


def limited(
    exchange_id: str,
    share: float,
    *,
    reserved: float = 0.0,
    spread: bool = True,
    observer: Observer | None = None,
    clock: Callable[[], float] = time.time,
) -> Budget:
    """What may be spent of an exchange's limits, for one venue or for several that share it; parameters as of `Venue`."""
    return Budget(
        library.kind(exchange_id)().rateLimit / 1000,
        share,
        by_the_minute=exchange_id in BY_THE_MINUTE,
        reserved=reserved,
        parts=(SELDOM if spread else PARTS).get(exchange_id),
        waited=(observer or Nobody()).waited,
        clock=clock,
    )


def _unnoted(_: object) -> None:
    """For who wants the newest alone."""


class Venue:
    """One venue and account. Methods are called by ccxt's names, as `fetch_order_book`; every error is a SourceError.

    `session` stays its owner's. With `base_url` everything goes to BASE/<original host>/<path>. `rate_limit_share` of the
    venue's limit is more than 0 and at most 1; `reserved` of it is left to what takes effect (`act`). With a `budget` that is what
    may be used, together with all others that have it. With `spread` requests are also kept apart in time by ccxt; without it the
    share alone bounds them. `options` are ccxt's. Must be made where an event loop runs, and closed.
    """

    def __init__(
        self,
        exchange_id: str,
        *,
        session: aiohttp.ClientSession,
        base_url: str | None = None,
        credentials: Credentials | None = None,
        rate_limit_share: float = 1.0,
        reserved: float = 0.0,
        budget: Budget | None = None,
        spread: bool = True,
        observer: Observer | None = None,
        options: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        told = observer or Nobody()
        self._budget = budget or limited(
            exchange_id, rate_limit_share, reserved=reserved, spread=spread, observer=observer, clock=clock
        )
        self._gate = Gate(session, base_url, self._budget, clock, keyed=credentials is not None)
        self._wire = Wire(exchange_id, self._gate, told, self.markets, self._budget, spread)
        secrets = {} if credentials is None else credentials.revealed()
        self._config = {**secrets, "options": dict(options or {})}
        self._exchange = exchange(self._wire, self._config)
        self._offers = {name.lower(): bool(offered) for name, offered in self._exchange.has.items()}
        self._loading: asyncio.Task[None] | None = None
        self._feeds: set[Feed] = set()
        self._left: dict[tuple[Any, ...], set[Any]] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, exchange_id: str, **parts: Any) -> AsyncIterator[Self]:
        """A venue that is closed at the end; `parts` as for the constructor."""
        venue = cls(exchange_id, **parts)
        try:
            yield venue
        finally:
            await venue.close()

    async def close(self) -> None:
        """Ends all feeds and sockets, and whatever ccxt does in the background. What is called meanwhile fails."""
        for timer in self._wire.timers:
            timer.cancel()
        sockets = list((self._exchange.clients or {}).values())
        for socket in sockets:
            await self._end(socket)
        await self._exchange.close()
        owners = (self._exchange, self._exchange.throttler)
        await end([*left_behind(*owners), *([self._loading] if self._loading else [])])
        await self._gate.close()

    # --- asking ------------------------------------------------------------------------------------------------------

    def has(self, method: str) -> bool:
        """Whether the venue offers a method, by ccxt's table, or for the venue's own endpoints by ccxt's class."""
        return self._offers.get(method.replace("_", "").lower(), callable(getattr(self._exchange, method, None)))

    async def call(self, method: str, *args: Any, **named: Any) -> Any:
        """What a method of ccxt returns, unified or of the venue's own. Raises SourceError; the caller sets the deadline.

        Waits while our share of the venue's limit is used up, and fails at once while the venue wants to be left alone.
        """
        return await self._called(Call(method), self._method(method), *args, **named)

    async def ask(self, behalf: str, method: str, params: Mapping[str, Any]) -> Any:
        """As `call`, for an endpoint of the exchange's own that is asked in place of a unified method, as which it is counted."""
        return await self._called(Call(behalf), self._method(method), dict(params))

    async def act(self, clear: Callable[[], Awaitable[None]], method: str, *args: Any, **named: Any) -> Any:
        """As `call`, for what takes effect at the venue: with what is reserved, and with `clear` awaited when all else is done,
        right before a request is sent. What that raises is passed on, and then it is not sent.
        """
        return await self._called(Call(method, clear), self._method(method), *args, **named)

    async def _called(self, call: Call, asked: Callable[..., Any], *args: Any, **named: Any) -> Any:
        token = CALL.set(call)
        try:
            return await asked(*args, **named)
        except RAISED as error:
            raise _failure(error, call) from None
        finally:
            CALL.reset(token)

    def _method(self, name: str) -> Callable[..., Any]:
        found: Callable[..., Any] | None = getattr(self._exchange, name, None)
        if found is None or not self.has(name):
            raise SourceError(Reason.NOT_SUPPORTED, f"the venue does not offer {name}")
        return found

    # --- markets -----------------------------------------------------------------------------------------------------

    async def markets(self) -> Mapping[str, Any]:
        """The markets as ccxt has them, by symbol: loaded when first asked for, and then as the last `refresh` left them."""
        if not self._exchange.markets:
            await self.refresh()
        return self._exchange.markets or {}

    async def refresh(self) -> None:
        """Loads the markets anew; the old ones stand until all is there. One load serves all who ask meanwhile, and who waits for it is
        held back (`occ.deadline`): it has its turns to wait for, and each of its requests a deadline.

        Raises SourceError.
        """
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._load())
            self._loading.add_done_callback(_seen)
        with held_back():
            await asyncio.shield(self._loading)

    async def _load(self) -> None:
        FEED.set(None)
        CALL.set(call := Call("load_markets", bulk=True))
        try:
            await markets.load(self._exchange, self._wire.name, self._config)
        except RAISED as error:
            raise _failure(error, call) from None

    async def check(self, symbol: str) -> Mapping[str, Any]:
        """The market of a symbol. Raises SourceError; for one that the venue does not have it names the closest."""
        known = await self.markets()
        if symbol in known:
            found: Mapping[str, Any] = known[symbol]
            return found
        close = difflib.get_close_matches(symbol.upper(), known, CLOSEST)
        reason, words = REASONS["BadSymbol"]
        raise SourceError(reason, f"{words}: {symbol}" + (f"; the closest are {', '.join(close)}" if close else ""))

    def asset(self, name: str) -> str:
        """What ccxt calls an asset by the exchange's own name of it, as BTC for Kraken's XXBT."""
        return str(self._exchange.safe_currency_code(name))

    def is_own_key(self, told: str) -> bool:
        """Whether this is the key that it is called with."""
        return told == self._config.get("apiKey")

    # --- limits ------------------------------------------------------------------------------------------------------

    def usage(self) -> Mapping[str, float]:
        """The used share of the venue's limit by window: everybody's of this address where the venue told it within the
        last minute, else what we have used ourselves.
        """
        return self._gate.told_usage() or {"1m": self._budget.used_ratio}

    @property
    def silent_until(self) -> float | None:
        """Unix time until which nothing is sent because the venue wants to be left alone; None when it does not."""
        return self._budget.silent_until

    # --- following ---------------------------------------------------------------------------------------------------

    async def watch(
        self, method: str, *args: Any, note: Callable[[Any], object] = _unnoted, interval: float = 0.0
    ) -> AsyncGenerator[Any, None]:
        """The newest of what a `watch_` method of ccxt tells, not more often than every `interval` seconds. To be closed
        (`aclosing`). `note` is called with everything, as it comes: so it must be quick.

        Ends with the first failure, at once, so that no book is told that has a gap by now: BookGapError where its updates do not
        fit together, what `note` has raised, else another SourceError. Silence is for the caller to notice. A book is ccxt's own
        object, which goes on changing.
        """
        asked, call, feed = self._method(method), Call(method), Feed()
        self._budget.admit()
        await self._subscribe_afresh(method, args)
        self._feeds.add(feed)
        following = asyncio.create_task(_follow(functools.partial(asked, *args), call, feed, note))
        following.add_done_callback(lambda _: feed.news.set())
        try:
            while True:
                await feed.news.wait()
                feed.news.clear()
                if following.done():
                    raise _why(following, call)
                if feed.newest:
                    yield feed.newest.pop()
                if interval:
                    await asyncio.wait({following}, timeout=interval)
        finally:
            await end([following])
            await self._leave(feed, (method, *map(str, args)))

    async def _leave(self, feed: Feed, key: tuple[Any, ...]) -> None:
        """Ends the sockets on which no other feed lives."""
        self._feeds.discard(feed)
        shared = {socket for socket in feed.sockets if any(socket in other.sockets for other in self._feeds)}
        if shared:
            self._left[key] = shared
        for socket in feed.sockets - shared:
            await self._end(socket)

    async def _subscribe_afresh(self, method: str, args: tuple[Any, ...]) -> None:
        """Ends a former subscription of the same on a socket that is still open, which ccxt would take for a living one."""
        left = self._left.pop((method, *map(str, args)), set())
        open_ones = [socket for socket in left if self._exchange.clients.get(socket.url) is socket]
        opposite = method.replace("watch_", "un_watch_", 1)
        if not open_ones:
            return
        if self.has(opposite):
            try:
                async with asyncio.timeout(UNSUBSCRIBE_SECONDS):
                    await self._method(opposite)(*args[:1])
            except RAISED as error:
                log.info("%s: %s: %s", self._wire.name, opposite, translated(error))
            else:
                return
        for socket in open_ones:
            await self._end(socket)

    async def _end(self, socket: Any) -> None:
        """Closes a socket; who still follows something on it is told that the connection is gone."""
        if self._exchange.clients.get(socket.url) is socket:
            del self._exchange.clients[socket.url]
        socket.error = socket.error or _CLOSED
        await socket.close()
        while tasks := left_behind(socket, socket.connection, socket.throttle):
            await end(tasks)
            await socket.close()  # it may have been opening, and have come to be open in spite of us


async def _follow(asked: Callable[[], Any], call: Call, feed: Feed, note: Callable[[Any], object]) -> None:
    """In a task of its own, so that what it sets is seen by no other, and so that ccxt is asked for the next update before
    anything else is done: what it is not asked for, it does not tell.
    """
    CALL.set(call)
    FEED.set(feed)
    while True:
        update = await asked()
        call.status = None  # if noting fails, no answer of the venue is to blame
        note(update)
        feed.newest.append(update)
        feed.news.set()


def _failure(
    error: Exception, call: Call, meaning: Callable[[Exception, Call], SourceError] = translated
) -> SourceError:
    """What ccxt's error means; one that is no answer's fault is ours, and is logged where it happened."""
    found = meaning(error, call)
    if found.reason is Reason.INTERNAL and found is not error and not library.knows(error):
        log.error("%s failed in our own code", call.method, exc_info=error)
    return found


def _why(ended: asyncio.Task[None], call: Call) -> SourceError:
    """Why a feed is not followed any more. Ccxt cancels what waits on a socket that it closes."""
    error = None if ended.cancelled() else ended.exception()
    if isinstance(error, Exception):
        return _failure(error, call, of_feed)
    return SourceError(Reason.CONNECT, "the connection was closed")


def _seen(loading: asyncio.Task[None]) -> None:
    """Who asked may be gone before it failed."""
    if not loading.cancelled():
        loading.exception()
