"""An exchange of ccxt with our hand on its few gateways: requests, limiter, markets, sockets and background tasks."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import orjson

from occ import http
from occ.deadline import held_back
from occ.errors import RateLimitError, Reason, SourceError

from . import library
from .binance import Binance
from .budget import Budget
from .bybit import Bybit
from .call import CALL, Call
from .deribit import Deribit
from .errors import RAISED, translated
from .gate import Gate
from .kraken import Kraken
from .observer import Observer, Request
from .okx import Okx

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 30.0
"""For what ccxt asks in the background; whoever calls has a shorter deadline of their own."""

_ANY: Any = object  # ccxt's class comes after `Wired`, and has no types


@dataclass(eq=False, slots=True)
class Feed:
    """One subscription: the sockets on which it lives, and the newest that was told and not yet heard."""

    sockets: set[Any] = field(default_factory=set)
    newest: deque[Any] = field(default_factory=lambda: deque(maxlen=1))
    news: asyncio.Event = field(default_factory=asyncio.Event)


FEED: ContextVar[Feed | None] = ContextVar("occ_venue_feed", default=None)
"""The feed for which ccxt is at work."""


_SPENDING: ContextVar[tuple[AsyncExitStack, str] | None] = ContextVar("occ_venue_spending", default=None)
"""What is left when the request on whose behalf ccxt is at work was answered, and to which endpoint of which part of the venue it
goes.
"""


@dataclass(eq=False, slots=True)
class Wire:
    """What an exchange is wired to."""

    name: str
    gate: Gate
    observer: Observer
    markets: Callable[[], Any]
    budget: Budget
    spread: bool = True
    timers: list[asyncio.TimerHandle] = field(default_factory=list)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Wired(_ANY):  # type: ignore[misc]
    """Goes before an exchange of ccxt in the order of its bases."""

    def __init__(self, wire: Wire, config: Mapping[str, Any]) -> None:
        self.wire = wire
        super().__init__(config)

    # --- requests ----------------------------------------------------------------------------------------------------

    async def fetch2(self, path: Any, api: Any = "public", method: Any = "GET", params: Any = None, config: Any = None) -> Any:  # fmt: skip
        """Every request of ccxt, unless the venue wants to be left alone."""
        self.wire.budget.admit()
        async with AsyncExitStack() as spending:
            token = _SPENDING.set((spending, f"{api if isinstance(api, str) else api[0]}/{path}"))
            try:
                return await super().fetch2(path, api, method, params or {}, config or {})
            finally:
                _SPENDING.reset(token)

    async def throttle(self, cost: Any = None) -> None:
        """Before a request is signed: the limiter of ccxt itself, and then ours. Who gives up has used nothing of either.

        One at a time: those who have given up in ccxt's own queue are served there as if they still waited, before all others.
        """
        if self.wire.spread:
            await self._spread(cost)
        if (found := _SPENDING.get()) is not None:
            spending, endpoint = found
            call = CALL.get()
            urgent = call is not None and call.clear is not None
            await spending.enter_async_context(self.wire.budget.spend(float(cost or 0.0), of=endpoint, urgent=urgent))

    async def _spread(self, cost: Any) -> None:
        began = time.monotonic()
        try:
            with held_back():
                async with self.wire.turn:
                    await super().throttle(cost)
        finally:
            self.wire.observer.waited(time.monotonic() - began)

    async def fetch(self, url: Any, method: Any = "GET", headers: Any = None, body: Any = None) -> Any:
        """One request over the wire; the observer is told of it, and the venue left alone where it asks for that."""
        call = CALL.get() or Call("background")
        call.forget()
        if call.clear:
            await call.clear()
        began = time.perf_counter()
        error: SourceError | None = SourceError(Reason.INTERNAL, "not brought to its end")
        try:
            answer = _json(await super().fetch(url, method, headers, body), method)
            error = None
        except RAISED as failure:
            error = translated(failure, call)
            if isinstance(error, RateLimitError) and error.retry_after:
                self.wire.budget.leave_alone(error.retry_after)
            raise
        except asyncio.CancelledError:
            error = SourceError(Reason.TIMEOUT, "given up by the caller")
            raise
        else:
            return answer
        finally:
            seconds = time.perf_counter() - began
            self.wire.observer.requested(Request(call.method, seconds, error, call.answered_at, call.round_trip))

    async def load_markets(self, *_: Any, **_named: Any) -> Any:
        """Methods of ccxt ask for the markets here: they are loaded once, for all who wait."""
        return self.markets if self.markets else await self.wire.markets()

    # --- books -------------------------------------------------------------------------------------------------------

    def parse_order_book(self, orderbook: Any, symbol: Any, timestamp: Any = None, bidsKey: Any = "bids", asksKey: Any = "asks", *keys: Any) -> Any:  # fmt: skip # noqa: N803 - ccxt's names
        """A book. A side that is missing is none, where ccxt would take it for an empty one."""
        for side in (bidsKey, asksKey):
            if self.safe_value(orderbook, side) is None:
                raise http.bad_response(f"a book without its {side}")
        return super().parse_order_book(orderbook, symbol, timestamp, bidsKey, asksKey, *keys)

    # --- sockets -----------------------------------------------------------------------------------------------------

    def client(self, url: Any) -> Any:
        """The socket for an URL. A message that ccxt can not read ends it, rather than ccxt's reading of it for ever."""
        known = url in (self.clients or {})
        socket = super().client(url)
        if not known:
            socket.handle_message = functools.partial(_handle, socket, socket.handle_message)
        feed = FEED.get()
        if feed is not None:
            feed.sockets.add(socket)
        return socket

    def ws_dial_delay(self, _url: Any) -> float:
        """No waiting of ccxt's own before a socket is opened again: the caller backs off."""
        return 0.0

    # --- background --------------------------------------------------------------------------------------------------

    def spawn(self, method: Any, *args: Any) -> Any:
        """A task that nobody awaits, so its failure is told here."""
        future = super().spawn(method, *args)
        future.add_done_callback(functools.partial(_tell, self.wire.name))
        return future

    def delay(self, timeout: Any, method: Any, *args: Any) -> Any:
        """A task for later."""
        self.wire.timers = [timer for timer in self.wire.timers if not timer.cancelled() and timer.when() > _now()]
        timer = super().delay(timeout, method, *args)
        self.wire.timers.append(timer)
        return timer


_OWN: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("binance", "binancecoinm", "binanceus", "binanceusdm"), (Binance,)),
    **dict.fromkeys(("bybit", "bybiteu", "bybitid"), (Bybit,)),
    "deribit": (Deribit,),
    "kraken": (Kraken,),
    **dict.fromkeys(("myokx", "okx", "okxus"), (Okx,)),
}
"""What single exchanges need besides."""


def exchange(wire: Wire, config: Mapping[str, Any]) -> Any:
    """A new exchange object."""
    return library.extended(wire.name, Wired, *_OWN.get(wire.name, ()))(
        wire,
        {
            "session": wire.gate,
            "timeout": int(TIMEOUT_SECONDS * 1000),
            "timeout_on_exit": 0,
            "enableLastHttpResponse": False,  # which would keep 20 MB of markets as text
            **config,
        },
    )


def left_behind(*owners: Any) -> list[asyncio.Task[Any]]:
    """The tasks that ccxt has started for these objects. It keeps no hold of them, so they are known by their frames."""
    owned = [owner for owner in owners if owner is not None]

    def ours(task: asyncio.Task[Any]) -> bool:
        known = getattr(getattr(task.get_coro(), "cr_frame", None), "f_locals", {})
        return any(known.get(name) is owner for owner in owned for name in ("self", "client"))

    return [task for task in asyncio.all_tasks() if ours(task)]


async def end(tasks: list[asyncio.Task[Any]]) -> None:
    """Cancels tasks, and waits until they are gone."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _json(answer: Any, method: str) -> Any:
    """The answer, if it is JSON. ccxt passes anything else on as text, and reads an empty book or no time from it."""
    if not isinstance(answer, (str, bytes)) and answer is not None:
        return answer
    if method != "GET" and not answer:
        return answer
    if not answer:
        raise http.bad_response("an empty answer")
    try:
        orjson.loads(answer)
    except orjson.JSONDecodeError:
        raise http.bad_response("an answer that is not JSON") from None
    return answer


def _handle(socket: Any, handle: Callable[[Any], None], message: Any) -> None:
    try:
        handle(message)
    except RAISED as error:
        socket.on_error(http.bad_response(f"a message that ccxt can not read: {type(error).__name__}"))


def _tell(name: str, future: asyncio.Future[Any]) -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        log.warning("%s: in the background: %s", name, translated(error) if isinstance(error, Exception) else "ended")


def _now() -> float:
    return asyncio.get_running_loop().time()
