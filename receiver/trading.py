"""The venues where the receiver may act, with keys of its own, which may trade. ccxt is loaded where one is configured alone."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from aiohttp import ClientSession

from occ.document import Loc
from occ.errors import Reason, SourceError

from . import canonical
from .actions import TooLate
from .catalogue import Catalogue
from .why import Why

if TYPE_CHECKING:
    from adapters.venue.orders import Cancel, Holding, OpenOrder, Orders

    from . import config as written

RESERVED = 0.5
"""Of what may be used of a venue's rate limit, for an action under way: whoever plans or verifies must not be in its way."""

_UNDECIDED = frozenset(
    {Reason.TIMEOUT, Reason.CONNECT, Reason.SERVER_ERROR, Reason.MAINTENANCE, Reason.BAD_RESPONSE, Reason.INTERNAL}
)
"""Failures after which what was sent may have taken effect all the same."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was open at one moment, and which positions there were where a stop may protect one; `at` by the loop's clock."""

    orders: tuple[OpenOrder, ...]
    held: frozenset[tuple[str, Holding]]
    at: float


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one request: `filled` in all by list and id as far as the answer tells; `lost` where nobody knows whether it
    took effect; else `why` it did not, in words where the venue said so.
    """

    filled: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)
    lost: bool = False
    why: Why | None = None
    said: str = ""


class Account:
    """One account at a venue. `orders` are those of its key."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._turns = asyncio.Semaphore(orders.manner.at_once)
        self._looks: dict[frozenset[str] | None, Look] = {}
        self._sent_at = -math.inf

    async def look(self, symbols: Collection[str] | None, *, within: float = 0.0, urgent: bool = False) -> Look:
        """What is open now, or was `within` so many seconds if nothing was sent since. Raises SourceError.

        `urgent`: with what is reserved of the rate limit.
        """
        key, now = None if symbols is None else frozenset(symbols), asyncio.get_running_loop().time()
        known = self._looks.get(key)
        if known is None or now - known.at > within or known.at <= self._sent_at:
            async with self._turns:
                orders = await self._orders.open(symbols, urgent=urgent)
                stops = {order.market for order in orders if order.stops and order.lowers}
                known = Look(orders, await self._orders.held(stops, urgent=urgent), now)
            self._looks[key] = known
        return known

    def cancels(self, orders: Iterable[OpenOrder], *, sparing: bool, account: bool) -> list[Cancel]:
        """The requests that cancel these orders: see `adapters.venue.orders.cancels`."""
        from adapters.venue.orders import cancels  # noqa: PLC0415 - loads ccxt, which this account has done

        return list(cancels(self._orders.manner, orders, sparing=sparing, account=account))

    async def cancel(self, request: Cancel, clear: Callable[[], Awaitable[None]], left: Callable[[], float]) -> Sent:
        """Sends a request, once, if it may still go. `left` tells the seconds that there are."""
        sent = False

        async def cleared() -> None:
            nonlocal sent
            await clear()
            sent = True

        try:
            async with asyncio.timeout(left()), self._turns:
                told = await self._orders.cancel(request, cleared)
                return Sent({(request.section, id_): amount for id_, amount in told.items()})
        except TooLate as late:
            return Sent(why=late.why)
        except TimeoutError:
            return Sent(lost=True) if sent else Sent(why=Why.DEADLINE)
        except SourceError as error:
            if sent and error.reason in _UNDECIDED:
                return Sent(lost=True, said=str(error))
            return Sent(why=Why.REFUSED if sent else Why.UNREACHABLE, said=str(error))
        finally:
            self._sent_at = asyncio.get_running_loop().time()

    async def filled(self, order: OpenOrder) -> Decimal | None:
        """What was filled of an order in all; None where the venue does not tell."""
        try:
            async with self._turns:
                return await self._orders.filled(order)
        except SourceError:
            return None


@dataclass(frozen=True, slots=True)
class Venue:
    """A venue with the accounts of the receiver. `definition` is what an approval covers of it."""

    definition: Mapping[str, str]
    accounts: Mapping[str, Account]


class Venues:
    """The venues of the configuration in force, open until the end of the context."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        self._open: dict[str, tuple[written.Venue, Venue, AsyncExitStack]] = {}

    async def follow(self, venues: Mapping[str, written.Venue]) -> Mapping[str, Venue]:
        """Those of this configuration from now on: what is configured as before stays open as it is."""
        for name in [name for name, (was, _, _) in self._open.items() if venues.get(name) != was]:
            await self._open.pop(name)[2].aclose()
        for name in venues.keys() - self._open.keys():
            stack = AsyncExitStack()
            venue = await stack.enter_async_context(_opened(venues[name], self._session))
            self._open[name] = venues[name], venue, stack
        return {name: venue for name, (_, venue, _) in self._open.items()}

    async def close(self) -> None:
        """Ends all that is open."""
        await self.follow({})


@asynccontextmanager
async def opened(venues: Mapping[str, written.Venue], session: ClientSession) -> AsyncIterator[Mapping[str, Venue]]:
    """The venues of a configuration until the end of the context."""
    made = Venues(session)
    try:
        yield await made.follow(venues)
    finally:
        await made.close()


@asynccontextmanager
async def _opened(config: written.Venue, session: ClientSession) -> AsyncIterator[Venue]:
    from adapters.venue import Credentials  # noqa: PLC0415 - ccxt is loaded where a venue is configured alone
    from adapters.venue import Venue as Wire  # noqa: PLC0415
    from adapters.venue.orders import MANNERS, OPTIONS, Orders  # noqa: PLC0415

    base = None if config.base_url is None else config.base_url.reveal()
    async with AsyncExitStack() as stack:
        accounts = {}
        for name, account in config.accounts.items():
            wire = Wire(
                config.exchange,
                session=session,
                base_url=base,
                credentials=Credentials(api_key=account.api_key, secret=account.secret, password=account.password),
                rate_limit_share=config.rate_limit_share / len(config.accounts),
                reserved=RESERVED,
                spread=False,
                options=OPTIONS,
            )
            stack.push_async_callback(wire.close)
            accounts[name] = Account(Orders(wire, MANNERS[config.exchange], frozenset(account.markets)))
        yield Venue(_definition(config), accounts)


def _definition(config: written.Venue) -> Mapping[str, str]:
    where = {} if config.base_url is None else {"base_url_sha256": canonical.sha256(config.base_url.reveal().encode())}
    return {"exchange": config.exchange, **where}


def unknown_accounts(catalogue: Catalogue, venues: Mapping[str, written.Venue]) -> Iterator[tuple[Loc, str]]:
    """Where in the catalogue a step acts for an account that is not configured, and what there is."""
    known = {f"{venue}/{account}" for venue, config in venues.items() for account in config.accounts}
    for index, action in enumerate(catalogue.actions):
        wanted = {
            (step.index, f"{step.options.venue}/{step.options.account}")
            for values in action.examples()
            for step in catalogue.steps(action, values)
            if hasattr(step.options, "venue") and hasattr(step.options, "account")
        }
        for at, name in sorted(wanted):
            if name not in known:
                told = f"there are: {', '.join(sorted(known))}" if known else "there is none"
                yield ("actions", index, "steps", at), f"receiver.yml has no account {name} under venues; {told}"
