"""Checks that want more of a venue's limits than they may use: each has its turn again and again, and the share is kept.

On virtual time, with the exporter's own poller, jobs and budget. The venue is its clock alone: a look is what its requests cost, and
each is answered after a tenth of a second.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.venue.budget import SELDOM, WINDOW, Budget
from adapters.venue.limits import shares
from adapters.venue.venue import limited
from occ.job import Pace, Polled, Target, every
from occ.poller import Poller
from occ.process import new_page
from tests import virtual
from tests.virtual import on_virtual_time

ANSWERED = 0.1


@dataclass(frozen=True)
class Look:
    """What a check asks for at each look: the part of the venue, and what each request costs in ccxt's units."""

    interval: float
    timeout: float
    requests: tuple[tuple[str, float], ...]


BINANCE = {
    "orders": Look(15, 12, (("private", 1.2), ("fapiPrivate", 1.0), ("fapiPrivate", 1.0))),
    "balances": Look(30, 24, (("private", 4.0), ("fapiPrivateV3", 5.0), ("dapiPrivate", 5.0))),
    "margin": Look(30, 30, (("fapiPrivate", 5.0), ("fapiPrivateV3", 5.0), ("dapiPrivate", 5.0))),
    "positions": Look(30, 24, (("fapiPrivateV3", 5.0), ("dapiPrivate", 1.0))),
    "reductions": Look(120, 60, (("fapiPrivate", 50.0), ("dapiPrivate", 50.0))),
    "unlisted_orders": Look(300, 240, (("private", 16.0), ("fapiPrivate", 40.0), ("fapiPrivate", 40.0))),
}
OKX = {
    "orders": Look(15, 12, (*(("private", 1.0),) * 7, ("private", 1 / 3))),
    "unlisted_orders": Look(300, 240, (*(("private", 1.0),) * 7, ("private", 1 / 3))),
    "balances": Look(30, 24, (("private", 2.0),)),
    "margin": Look(30, 30, (("private", 2.0), ("private", 2.0))),
    "positions": Look(30, 24, (("private", 2.0),)),
    "reductions": Look(120, 60, (("private", 2.0), ("private", 2.0))),
    "transfers": Look(300, 240, (("private", 5 / 3), ("private", 5 / 3))),
}

OKX_PUBLIC = {
    "status": Look(30, 10, (("public/system/status", 50.0),)),
    "clock": Look(60, 10, (("public/public/time", 2.0),)),
    "funding": Look(30, 24, (*(("public/public/mark-price", 2.0),) * 3, *(("public/market/index-tickers", 1.0),) * 2)),
    "open_interest": Look(60, 48, (*(("public/public/mark-price", 2.0),) * 2, ("public/public/open-interest", 1.0))),
    "tickers": Look(30, 10, (("public/market/tickers", 1.0),)),
    "prices": Look(30, 10, (("public/market/ticker", 1.0),)),
    "markets": Look(300, 10, (("public/public/instruments", 1.0),) * 5),
}


@dataclass
class Asked:
    """What was asked of a venue: when, of which part of it, at which cost; and when each look was done, by account and check."""

    requests: list[tuple[float, str, float]] = field(default_factory=list)
    looks: dict[tuple[int, str], list[float]] = field(default_factory=dict)

    def most_in_a_minute(self, part: str) -> float:
        of = [(at, cost) for at, where, cost in self.requests if where.startswith(part)]
        return max(sum(cost for at, cost in of if start <= at < start + WINDOW) for start, _ in of)

    def slowest(self, check: str, end: float) -> float:
        """The longest time without a look of this check, of any account."""
        times = [[0.0, *at, end] for (_, name), at in self.looks.items() if name == check]
        return max(after - before for at in times for before, after in pairwise(at))


def job(asked: Asked, budget: Budget, account: int, check: str, look: Look) -> Polled[bool]:
    loop, target = asyncio.get_running_loop(), Target(f"venue/{account}", {"account": str(account)})
    done = asked.looks.setdefault((account, check), [])

    async def read(_: object) -> Mapping[Target, bool]:
        for part, cost in look.requests:
            async with budget.spend(cost, of=part):
                asked.requests.append((loop.time(), part, cost))
                await asyncio.sleep(ANSWERED)
        done.append(loop.time())
        return {target: True}

    pace = Pace(look.interval, look.timeout, 3 * look.interval)
    return every(pace, read, check=check, targets=(target,), families=(), columns=lambda _: ())


async def watched(looks: Mapping[str, Look], budgets: list[Budget], seconds: float) -> Asked:
    asked = Asked()
    jobs = [job(asked, budget, *each) for account, budget in enumerate(budgets) for each in _each(account, looks)]
    poller = Poller("exchange", jobs, new_page("exchange", "", (), 1000), clock=virtual.clock, chance=random.Random(7))
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await poller.run()
    return asked


def _each(account: int, looks: Mapping[str, Look]) -> list[tuple[int, str, Look]]:
    return [(account, check, look) for check, look in looks.items()]


@pytest.mark.parametrize("accounts", [1, 8, 16])
def test_with_so_many_accounts_at_one_address_every_check_has_its_turn_and_the_share_is_kept(accounts: int) -> None:
    share, seconds = 0.1, 3600.0

    @on_virtual_time
    async def run() -> None:
        _, keyed = shares("binance", share, keys=True)
        together = limited("binance", keyed, spread=False, clock=virtual.clock)
        asked = await watched(BINANCE, [together] * accounts, seconds)

        for part, limit in {"private": 1200.0, "fapi": 2400.0, "dapi": 2400.0}.items():
            assert asked.most_in_a_minute(part) <= keyed * limit + 1e-6
        wanted = accounts * sum(cost / look.interval for look in BINANCE.values() for part, cost in look.requests if part.startswith("fapi"))  # fmt: skip
        slower = max(1.0, wanted / (keyed * 2400.0 / WINDOW))
        for check, look in BINANCE.items():
            assert asked.slowest(check, seconds) < 3 * slower * look.interval + 2 * WINDOW

    run()


@pytest.mark.parametrize(("looks", "keys"), [(OKX, True), (OKX_PUBLIC, False)], ids=["an account", "without a key"])
def test_of_okx_all_is_fresh_by_a_tenth_of_the_limit(looks: Mapping[str, Look], keys: bool) -> None:  # noqa: FBT001 - a case
    seconds = 3600.0

    @on_virtual_time
    async def run() -> None:
        share = shares("okx", 0.1, keys=keys)[keys]
        asked = await watched(looks, [limited("okx", share, spread=not keys, clock=virtual.clock)], seconds)

        for seldom in (True, False):
            used = sum(cost for _, part, cost in asked.requests if (part in SELDOM["okx"]) is seldom) * 0.11
            assert used <= share * seconds + 6.0, "the last one is paid for afterwards"
        for check, look in looks.items():
            assert asked.slowest(check, seconds) < 3 * look.interval, "its values were stale"

    run()


@settings(max_examples=8)
@given(st.integers(1, 6), st.floats(0.01, 0.3), st.sampled_from(["binance", "okx", "gate"]))
def test_whatever_the_share_no_check_of_any_account_is_left_out(accounts: int, share: float, exchange: str) -> None:
    @on_virtual_time
    async def run() -> None:
        _, keyed = shares(exchange, share, keys=True)
        together = limited(exchange, keyed, spread=False, clock=virtual.clock)
        wanted = accounts * sum(cost / look.interval for look in BINANCE.values() for _, cost in look.requests)
        slower = max(1.0, wanted * 0.11 / keyed)  # no exchange of these gives less than a unit in 0.11 s
        seconds = 600 + 3 * slower * max(look.interval for look in BINANCE.values())
        asked = await watched(BINANCE, [together] * accounts, seconds)
        assert {key for key, times in asked.looks.items() if len(times) > 1} == set(asked.looks)

    run()
