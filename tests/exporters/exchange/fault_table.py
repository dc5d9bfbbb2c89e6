"""Every fault of the venue server, and what shows it on the exporter's page: for the tests, and for the table in the docs.

`python -m tests.exporters.exchange.fault_table` measures how long each takes to be shown, and prints the table.
"""

from __future__ import annotations

import asyncio
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from demo.venue.accounts import Opening
from demo.venue.faults import Fault
from demo.venue.server import Server
from exporters.exchange.__main__ import EXCHANGE
from tests.exporters.exchange.accounts import KEYS, OFTEN, account, trader
from tests.exporters.exchange.support import BTC, break_it, configured, tuned, venue, venues
from tests.exporters.support import Running, Seen, running

ROUNDS = 5
WITHIN = 60.0
"""Seconds in which a fault must be shown, however slow the machine is."""

Labels = Mapping[str, str]
TOLD = ("check", "reason", "status", "network", "window", "kind")

HELD = "BTC/USDT:USDT"
ALPHA = {"venue": "alpha"}
KRAKEN = {"venue": "kraken", "symbol": "BTC/USD"}
SELL = {"side": "sell", "size_usd": "10000"}
ERC20 = {"venue": "alpha", "currency": "USDT", "network": "ERC20"}


def of_target(check: str, target: str = "alpha/BTC/USDT") -> Labels:
    return {"check": check, "target": target}


@dataclass(frozen=True, eq=False)
class Sign:
    """A family that shows a fault: what its series with these labels says then, in words and as a condition on its value
    before the fault and now.
    """

    family: str
    labels: Labels
    words: str
    holds: Callable[[float | None, float | None], bool]

    @property
    def series(self) -> str:
        """The family with those labels that tell more than of whom."""
        told = ",".join(f'{name}="{value}"' for name, value in self.labels.items() if name in TOLD)
        return self.family + (f"{{{told}}}" if told else "")

    def shown(self, before: Seen, now: Seen) -> bool:
        return self.holds(before(self.family, **self.labels), now(self.family, **self.labels))


def is_(value: float, family: str, **labels: str) -> Sign:
    return Sign(family, labels, f"is {value:g}", lambda _, now: now == value)


def above(value: float, family: str, **labels: str) -> Sign:
    return Sign(family, labels, f"above {value:g}", lambda _, now: now is not None and now > value)


def below(value: float, family: str, **labels: str) -> Sign:
    return Sign(family, labels, f"below {value:g}", lambda _, now: now is not None and now < value)


def grows(family: str, **labels: str) -> Sign:
    return Sign(family, labels, "grows", lambda before, now: (now or 0.0) > (before or 0.0))


def comes(family: str, **labels: str) -> Sign:
    return Sign(family, labels, "comes", lambda _, now: now is not None)


def goes(family: str, **labels: str) -> Sign:
    return Sign(family, labels, "goes", lambda before, now: before is not None and now is None)


def down(check: str, target: str = "alpha/BTC/USDT") -> Sign:
    return is_(0, "occ_target_up", **of_target(check, target))


def fails(reason: str, check: str, target: str = "alpha/BTC/USDT") -> Sign:
    return grows("occ_target_errors_total", **of_target(check, target), reason=reason)


# --- where it happens ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """Venues at one server, and what the exporter is told of them. An account whose wallet is not empty holds a bitcoin in contracts."""

    names: tuple[str, ...]
    symbol: str = "BTC/USDT"
    off: tuple[str, ...] = ()
    account: bool = False
    wallet: int = 0

    def config(self, server: Server) -> str:
        accounts = {"accounts": [account()]} if self.account else {}
        of_accounts = dict.fromkeys(("key", "margin", "positions", "reductions", "transfers"), OFTEN)
        checks = tuned(*self.off, **(of_accounts if self.account else {}))
        symbols = {"books": [self.symbol], "tickers": [HELD] if self.wallet else []}
        listed = [venue(server, name, symbols=symbols, checks=checks, **accounts) for name in self.names]
        return configured(*listed, sizes_usd=[10_000], dollar_like=["USD", "USDT"])


ONE = World(("alpha",), off=("currencies", "tickers"))
KEYED = World(("alpha",), off=("tickers", "trades"), account=True)
HOLDING = World(("alpha",), off=("tickers", "trades"), account=True, wallet=20_000)
THREE = World(("alpha", "beta", "gamma"), off=("currencies", "tickers", "status", "clock", "trades"))
CHECKSUMS = World(("kraken",), "BTC/USD", off=("currencies", "tickers", "status", "clock", "markets", "trades"))


@asynccontextmanager
async def opened(world: World, folder: Path) -> AsyncIterator[tuple[Server, Running]]:
    """The exporter on the venues of a world, once all of their books are followed."""
    opening = Opening(Decimal(world.wallet))
    async with (
        venues(*world.names, opening=opening) as server,
        running(EXCHANGE, world.config(server), folder) as exporter,
    ):
        if world.wallet:
            async with trader(server) as desk:
                await desk.call("create_order", HELD, "market", "buy", 1)
        for name in world.names:
            labels = {"venue": name, "symbol": world.symbol}
            await exporter.until(lambda seen: seen("exchange_mid_price", **labels) is not None)  # noqa: B023 - awaited here
            await exporter.until(lambda seen: seen("exchange_ws_connected", venue=name) == 1)  # noqa: B023
        await exporter.until(
            lambda seen: all(value for (family, _), value in seen.samples.items() if family == "occ_target_up")
        )
        yield server, exporter


# --- the faults ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A fault and its signs. `at_most` are the seconds in which the first of them is to be shown, where that was promised."""

    fault: Fault
    signs: tuple[Sign, ...]
    world: World = ONE
    scope: Mapping[str, object] = field(default_factory=dict)
    at_most: float | None = None

    @property
    def cell(self) -> str:
        """The signs in words."""
        return ", ".join(f"`{sign.series}` {sign.words}" for sign in self.signs)


DESK = {"venue": "alpha", "account": "desk"}

_BOOK: Mapping[str, object] = {"symbol": "BTC/USDT"}
_LEAVING: Mapping[str, object] = {"account": "trader", "currency": "USDT", "amount": 1.0, "address": "0x8617E340"}
_IS_DOWN = down("order_book"), fails("bad_response", "order_book"), goes("exchange_mid_price", **BTC)

ROWS = (
    Row(Fault.FROZEN, (is_(1, "exchange_book_frozen", **BTC),), scope=_BOOK, at_most=5),
    Row(Fault.GAP, (grows("exchange_book_sequence_gaps_total", **BTC),), scope=_BOOK, at_most=1),
    Row(
        Fault.CROSSED,
        (grows("exchange_book_crossed_seconds_total", **BTC), below(0, "exchange_spread_ratio", **BTC)),
        scope=_BOOK,
    ),
    Row(
        Fault.THIN,
        (is_(1, "exchange_book_too_thin", **KRAKEN, **SELL), goes("exchange_slippage_ratio", **KRAKEN, **SELL)),
        CHECKSUMS,
        {"symbol": "BTC/USD"},
    ),
    Row(Fault.FLASH_CRASH, (above(0.05, "exchange_mid_price_range_ratio", **BTC, window="1m"),), scope=_BOOK),
    Row(Fault.TICK_SIZE, (grows("exchange_market_spec_changes_total", **BTC),), scope=_BOOK),
    Row(
        Fault.HALT,
        (is_(0, "exchange_market_active", **BTC), is_(1, "exchange_book_frozen", **BTC)),
        THREE,
        _BOOK,
        at_most=10,
    ),
    Row(Fault.DELISTED, (down("markets"), fails("rpc_error", "markets")), scope=_BOOK),
    Row(Fault.REORDERED, (grows("exchange_book_sequence_gaps_total", **BTC),), scope=_BOOK, at_most=1),
    Row(
        Fault.CORRUPT,
        (grows("exchange_book_sequence_gaps_total", **KRAKEN),),
        CHECKSUMS,
        {"symbol": "BTC/USD"},
        at_most=1,
    ),
    Row(Fault.TRUNCATED, _IS_DOWN),
    Row(Fault.GARBAGE, _IS_DOWN),
    Row(Fault.ABSURD, _IS_DOWN),
    Row(Fault.ONE_SIDED, (goes("exchange_best_ask_price", **BTC), goes("exchange_mid_price", **BTC)), scope=_BOOK),
    Row(Fault.EMPTY, (goes("exchange_best_bid_price", **BTC), goes("exchange_best_ask_price", **BTC)), scope=_BOOK),
    Row(
        Fault.SILENCE,
        (down("connection", "alpha"), fails("timeout", "order_book"), goes("exchange_mid_price", **BTC)),
    ),
    Row(Fault.DROP, (is_(0, "exchange_ws_connected", **ALPHA), fails("connect", "order_book"))),
    Row(Fault.SLOW, (fails("timeout", "clock", "alpha"), down("clock", "alpha")), scope={"seconds": 2.0}),
    Row(Fault.SERVER_ERROR, (down("connection", "alpha"), fails("server_error", "clock", "alpha"))),
    Row(
        Fault.MAINTENANCE,
        (is_(1, "exchange_status", **ALPHA, status="maintenance"), fails("maintenance", "clock", "alpha")),
    ),
    Row(
        Fault.BAN,
        (
            comes("exchange_rate_limit_ban_until_timestamp_seconds", **ALPHA),
            fails("rate_limited", "clock", "alpha"),
        ),
    ),
    Row(Fault.CLOCK_SKEW, (above(3, "exchange_clock_skew_seconds", **ALPHA),), scope={"seconds": 7.0}),
    Row(
        Fault.WITHDRAWALS_SUSPENDED,
        (is_(0, "exchange_currency_withdraw_enabled", **ERC20),),
        KEYED,
        {"currency": "USDT", "network": "ETH"},
    ),
    Row(Fault.KEY_REFUSED, (down("orders", "alpha/desk"), fails("auth", "orders", "alpha/desk")), KEYED),
    Row(Fault.KEY_WITHDRAWS, (is_(1, "exchange_api_key_can_withdraw", **DESK),), KEYED),
    Row(Fault.KEY_EXPIRES, (comes("exchange_api_key_expiry_timestamp_seconds", **DESK),), KEYED, {"seconds": 3600.0}),
    Row(
        Fault.PERMISSION_DENIED,
        (down("key", "alpha/desk"), fails("auth", "key", "alpha/desk")),
        KEYED,
        {"call": "apiRestrictions"},
    ),
    Row(
        Fault.OTHER_ACCOUNT,
        (down("margin", "alpha/desk"), fails("bad_response", "margin", "alpha/desk")),
        KEYED,
    ),
    Row(
        Fault.MARGIN_SQUEEZE,
        (above(0.8, "exchange_maintenance_margin_usage_ratio", **DESK),),
        HOLDING,
        {"account": "trader", "ratio": 0.9},
    ),
    Row(
        Fault.ADL,
        (grows("exchange_forced_reductions_total", **DESK, kind="adl"),),
        HOLDING,
        {"account": "trader", "ratio": 0.5, "seconds": 1.0},
    ),
    Row(
        Fault.WITHDRAWAL,
        (
            grows("exchange_withdrawals_unlisted_total", **DESK, currency="USDT"),
            is_(1, "exchange_transfers_pending", **DESK, currency="USDT", kind="withdrawal"),
        ),
        KEYED,
        {**_LEAVING, "seconds": 60.0},
    ),
    Row(
        Fault.STUCK_TRANSFER,
        (comes("exchange_transfer_oldest_pending_timestamp_seconds", **DESK),),
        KEYED,
        {**_LEAVING, "seconds": 7200.0},
    ),
)

OF_ORDERS = frozenset({Fault.LOST_REPLY, Fault.STUCK, Fault.RACED})
"""Faults that only who places or cancels orders meets: the exporter reads alone."""


async def shown(row: Row, folder: Path) -> list[float]:
    """Seconds from the fault until each of its signs was on the page. Raises where one is there before, or not in time."""
    async with opened(row.world, folder) as (server, exporter):
        before = await exporter.until(lambda seen: not any(sign.shown(seen, seen) for sign in row.signs))
        began, found = time.monotonic(), dict[Sign, float]()

        def note(seen: Seen) -> bool:
            for sign in row.signs:
                if sign not in found and sign.shown(before, seen):
                    found[sign] = time.monotonic() - began
            return len(found) == len(row.signs)

        break_it(server, row.world.names[0], row.fault, **row.scope)
        await exporter.until(note, WITHIN)
    return [found[sign] for sign in row.signs]


# --- the table -------------------------------------------------------------------------------------------------------


async def _measured(row: Row) -> str:
    rounds = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            rounds.append(await shown(row, Path(folder)))
    return ", ".join(f"{statistics.median(column):.1f}" for column in zip(*rounds, strict=True))


def main() -> None:
    """Prints the table."""
    logging.disable()
    os.environ |= {
        f"{name}_{what}": secret
        for name, pair in KEYS.items()
        for what, secret in zip(("KEY", "SECRET"), pair, strict=True)
    }
    sys.stdout.write("| fault | signs | seconds |\n| --- | --- | --- |\n")
    for row in ROWS:
        sys.stdout.write(f"| `{row.fault}` | {row.cell} | {asyncio.run(_measured(row))} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
