"""How much of a venue's limit is used by us: never more than a share of it, because others use the same address.

Costs are ccxt's units: a venue allows one per `rate_limit` seconds on the average.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from occ.deadline import held_back
from occ.errors import RateLimitError

from .turns import Turns

WINDOW = 60.0
BY_THE_MINUTE = frozenset({"binance", "binancecoinm", "binanceus", "binanceusdm", "bitvavo", "luno"})
"""Venues whose documents give a weight per minute. Elsewhere windows are short or unknown, so calls are spread evenly."""

_CONTRACTS = {"fapi": 2400.0, "dapi": 2400.0}
PARTS: Mapping[str, Mapping[str, float]] = {
    "binance": _CONTRACTS,
    "binancecoinm": _CONTRACTS,
    "binanceusdm": _CONTRACTS,
}
"""Of a venue whose documents give parts of it a count of their own: by the beginning of the part's name at ccxt the weight that
it allows a minute, in which ccxt's costs of that part are.
"""

SELDOM: Mapping[str, Mapping[str, float]] = {"okx": {"public/system/status": WINDOW / 0.11}}
"""The same of a venue that counts each of its endpoints for itself, where it allows one so seldom that others must not wait for it:
OKX tells its status once in 5 s ("Status" of its API reference).
"""

_ROUNDING = 1e-9


@dataclass(slots=True, eq=False)
class _Spent:
    """The cost of a call; until its answer came nobody knows to which of the venue's windows it counts. From then on it does so for
    `lasts` seconds.
    """

    cost: float
    urgent: bool
    part: str
    lasts: float = WINDOW
    answered: float = math.inf

    @property
    def until(self) -> float:
        """When it does not count any more, by the loop's clock."""
        return self.answered + self.lasts


class Budget:
    """What may be spent, and how long nothing may be.

    By the minute: in no 60 seconds, however a venue cuts them, does the sum of costs exceed the share. A call counts until 60
    seconds after its answer came, so that two calls between which the venue's minute lies were never counted as two minutes.
    One that alone costs as much as n minutes of the share begins when none other counts, and then takes n minutes, in which
    nothing else is begun: so on the average that is no more either.
    `reserved` of it (0 to 1) is left to what is urgent: all other calls together never take more than the rest.
    Spread evenly: after a call of cost c nothing is begun for c x rate_limit / share seconds.
    Each of `parts` has a limit a minute and a count of its own.
    Who waits is served by how late it is (`turns`), what is urgent before all others. A read that waits is held back
    (`occ.deadline`).
    """

    def __init__(
        self,
        rate_limit: float,
        share: float,
        *,
        by_the_minute: bool,
        reserved: float = 0.0,
        parts: Mapping[str, float] | None = None,
        waited: Callable[[float], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"rate_limit_share is more than 0 and at most 1, not {share:g}")
        if not 0 <= reserved < 1:
            raise ValueError(f"what is reserved is a share from 0 to less than 1, not {reserved:g}")
        self._rate_limit = rate_limit
        self._limits = {"": WINDOW / rate_limit if rate_limit > 0 else math.inf, **(parts or {})}
        self._share = share
        self._reserved = reserved
        self._by_the_minute = by_the_minute
        self._waited = waited
        self._clock = clock
        self._turns = {(urgent, part): Turns() for urgent in (False, True) for part in self._limits}
        self._changed = asyncio.Event()
        self._spent: list[_Spent] = []
        self._free_at = dict.fromkeys(self._limits, -math.inf)
        self._silent_until = -math.inf

    # --- spending ----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def spend(self, cost: float, *, of: str = "", urgent: bool = False) -> AsyncIterator[None]:
        """The block is run when its cost fits; `of` is what ccxt calls the endpoint that is asked, with the part of the venue that
        it belongs to before it. Raises RateLimitError while the venue wants to be left alone.
        """
        part = next((part for part in self._limits if part and of.startswith(part)), "")
        spent = await self._take(_Spent(max(cost, 0.0), urgent, part))
        try:
            yield
        finally:
            spent.answered = _now()
            self._changed.set()

    async def _take(self, spent: _Spent) -> _Spent:
        spent.lasts *= max(spent.cost / self._most(spent, urgent=spent.urgent), 1.0)
        began = _now()
        try:
            with held_back() as read:
                async with self._turns[spent.urgent, spent.part].one(read):
                    return await self._when_it_fits(spent)
        finally:
            self._waited(_now() - began)

    def _most(self, spent: _Spent, *, urgent: bool) -> float:
        """What a minute may hold of all calls to the same part, or of those that are not urgent."""
        return self._share * self._limits[spent.part] * (1.0 if urgent else 1 - self._reserved)

    async def _when_it_fits(self, spent: _Spent) -> _Spent:
        while True:
            self.admit()
            at = self._fits_at(spent)
            if at <= _now():
                break
            self._changed.clear()
            try:
                async with asyncio.timeout_at(at if math.isfinite(at) else None):
                    await self._changed.wait()
            except TimeoutError:
                continue
        self._forget()
        self._spent.append(spent)
        self._free_at[spent.part] = _now() + spent.cost * self._rate_limit / self._share
        return spent

    def _fits_at(self, call: _Spent) -> float:
        """When the call may begin, by the loop's clock, as far as is known now."""
        if not self._by_the_minute:
            return self._free_at[call.part]
        counted = [spent for spent in self._in_window() if spent.part == call.part]
        at = _room_at(counted, call.cost, self._most(call, urgent=True))
        if call.urgent or not self._reserved:
            return at
        calm = [spent for spent in counted if not spent.urgent]
        return max(at, _room_at(calm, call.cost, self._most(call, urgent=False)))

    def _in_window(self) -> list[_Spent]:
        """What counts still, or is on its way. Calls are not answered in the order in which they begin."""
        now = _now()
        return [spent for spent in self._spent if spent.until > now]

    def _forget(self) -> None:
        self._spent = self._in_window()

    # --- being told --------------------------------------------------------------------------------------------------

    def leave_alone(self, seconds: float) -> None:
        """The venue wants to hear nothing for so long: whoever waits is told so, too."""
        self._silent_until = max(self._silent_until, _now() + seconds)
        self._changed.set()

    def admit(self) -> None:
        """Raises RateLimitError while the venue wants to be left alone."""
        left = self._silent_until - _now()
        if left > 0:
            raise RateLimitError("the venue asks for patience: nothing is sent until then", left)

    @property
    def silent_until(self) -> float | None:
        """Unix time until which nothing is sent because the venue asked for it; None when it did not."""
        left = self._silent_until - _now()
        return self._clock() + left if left > 0 else None

    @property
    def used_ratio(self) -> float:
        """Our own use of the venue's whole limit in the last minute, of the part of which we have used most."""
        used, since = dict.fromkeys(self._limits, 0.0), _now() - WINDOW
        for spent in self._spent:
            if spent.answered > since:
                used[spent.part] += spent.cost
        return max(used[part] / limit for part, limit in self._limits.items())


def _room_at(counted: list[_Spent], cost: float, most: float) -> float:
    """When so much of what was spent does not count any more that the cost fits into `most`."""
    over = sum(min(spent.cost, most) for spent in counted) + min(cost, most) - most - _ROUNDING
    for spent in sorted(counted, key=lambda spent: spent.until):
        if over <= 0:
            break
        over -= min(spent.cost, most)
        if over <= 0:
            return spent.until
    return -math.inf


def _now() -> float:
    return asyncio.get_running_loop().time()
