"""Transfers on the page, and what is counted of withdrawals, on the venue server."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from adapters.venue.listing import Transfer
from demo.venue.faults import Fault
from demo.venue.server import Server
from exporters.exchange.__main__ import EXCHANGE
from exporters.exchange.checks import transfers as check
from occ.process import new_page
from tests.exporters.exchange.accounts import OFTEN, PATIENTLY, account, loaded, only, watching, with_keys
from tests.exporters.exchange.support import break_it, configured, down, mend, up, venue, venues
from tests.exporters.support import Running, Seen, parsed, running

DESK = {"venue": "alpha", "account": "desk"}
TRANSFERS: dict[str, Any] = {"transfers": OFTEN}
COLD = "0x52908400098527886E0F7030069857D2E4169EE7"
ELSEWHERE = "0x8617E340B3D01FA5F11F306F4090FD50E238070D"

UNLISTED, PENDING = "exchange_withdrawals_unlisted_total", "exchange_transfers_pending"
OLDEST = "exchange_transfer_oldest_pending_timestamp_seconds"


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch)


def unlisted(seen: Seen, currency: str = "USDT") -> float | None:
    return seen(UNLISTED, **DESK, currency=currency)


def pending(seen: Seen, kind: str = "withdrawal", currency: str = "USDT") -> float | None:
    return seen(PENDING, **DESK, currency=currency, kind=kind)


def withdraw(server: Server, address: str, *, seconds: float = 0, currency: str = "USDT") -> None:
    """One leaves the account, and is pending for so long."""
    mend(server, "alpha", Fault.WITHDRAWAL)
    given = {"account": "trader", "address": address, "currency": currency, "seconds": seconds, "amount": 1.0}
    break_it(server, "alpha", Fault.WITHDRAWAL, **given)


def send(server: Server, address: str) -> None:
    """One leaves the account, and is pending until it arrives."""
    given = {"account": "trader", "address": address, "currency": "USDT", "kind": "withdrawal", "amount": 1.0}
    break_it(server, "alpha", Fault.STUCK_TRANSFER, **given)


def arrive(server: Server) -> None:
    mend(server, "alpha", Fault.STUCK_TRANSFER)


def listing(*addresses: str) -> dict[str, Any]:
    return {"accounts": [account(withdraw_to=[*addresses])]}


async def looked(exporter: Running) -> None:
    """A read that has begun by now has ended."""
    at = time.time()
    last = "occ_target_last_attempt_timestamp_seconds"
    target = {"check": "transfers", "target": "alpha/desk"}
    await exporter.until(lambda seen: (seen(last, **target) or 0) > at and up(seen, "transfers", "alpha/desk") == 1)


async def test_nothing_on_its_way_is_told_by_zeros(tmp_path: Path, server: Server) -> None:
    async with watching(server, tmp_path, TRANSFERS, **listing(COLD)) as exporter:
        seen = await exporter.until(lambda seen: unlisted(seen) == 0)
        for currency in ("BTC", "USDT", "USD", "other"):
            assert (
                unlisted(seen, currency)
                == pending(seen, "deposit", currency)
                == pending(seen, "withdrawal", currency)
                == 0
            )
        assert seen(OLDEST, **DESK) is None


async def test_a_withdrawal_to_a_listed_address_is_pending_and_no_more(tmp_path: Path, server: Server) -> None:
    async with watching(server, tmp_path, TRANSFERS, **listing(COLD.lower())) as exporter:
        await exporter.until(lambda seen: pending(seen) == 0)
        send(server, COLD)
        await exporter.until(lambda seen: pending(seen) == 1)
        arrive(server)
        seen = await exporter.until(lambda seen: pending(seen) == 0)
        assert unlisted(seen) == 0


async def test_a_withdrawal_to_anywhere_else_is_counted_once(tmp_path: Path, server: Server) -> None:
    async with watching(server, tmp_path, TRANSFERS, **listing(COLD)) as exporter:
        await exporter.until(lambda seen: unlisted(seen) == 0)
        send(server, ELSEWHERE)
        await exporter.until(lambda seen: unlisted(seen) == pending(seen) == 1)
        arrive(server)
        await exporter.until(lambda seen: pending(seen) == 0)
        await looked(exporter)
        assert unlisted(exporter.page()) == 1
        assert ELSEWHERE.lower() not in exporter.poller.render().decode().lower()


async def test_it_is_counted_too_where_it_is_done_at_once_and_in_whatever_currency(
    tmp_path: Path, server: Server
) -> None:
    async with watching(server, tmp_path, TRANSFERS, **listing(COLD)) as exporter:
        await exporter.until(lambda seen: unlisted(seen) == 0)
        withdraw(server, ELSEWHERE)
        await exporter.until(lambda seen: unlisted(seen) == 1)
        withdraw(server, ELSEWHERE, currency="ETH")
        seen = await exporter.until(lambda seen: unlisted(seen, "other") == 1)
        assert unlisted(seen) == 1


async def test_without_a_list_every_withdrawal_is_unlisted(tmp_path: Path, server: Server) -> None:
    async with watching(server, tmp_path, TRANSFERS) as exporter:
        await exporter.until(lambda seen: unlisted(seen) == 0)
        withdraw(server, COLD)
        await exporter.until(lambda seen: unlisted(seen) == 1)


async def test_of_what_was_there_before_only_what_is_on_its_way_is_counted(tmp_path: Path, server: Server) -> None:
    withdraw(server, ELSEWHERE)
    withdraw(server, ELSEWHERE, seconds=3600)
    async with watching(server, tmp_path, TRANSFERS, **listing(COLD)) as exporter:
        await exporter.until(lambda seen: unlisted(seen) == 1)
        await looked(exporter)
        seen = exporter.page()
        assert (unlisted(seen), pending(seen)) == (1, 1)


@pytest.mark.parametrize("kind", ["deposit", "withdrawal"])
async def test_what_is_stuck_says_since_when(tmp_path: Path, server: Server, kind: str) -> None:
    async with watching(server, tmp_path, TRANSFERS, **listing(COLD)) as exporter:
        await exporter.until(lambda seen: pending(seen, kind) == 0)
        stuck = {"account": "trader", "currency": "USDT", "kind": kind, "seconds": 7200, "address": COLD, "amount": 1.0}
        began = time.time() - 7200
        break_it(server, "alpha", Fault.STUCK_TRANSFER, **stuck)
        seen = await exporter.until(lambda seen: pending(seen, kind) == 1)
        assert abs((seen(OLDEST, **DESK) or 0) - began) < 30
        mend(server, "alpha", Fault.STUCK_TRANSFER)
        await exporter.until(lambda seen: pending(seen, kind) == 0 and seen(OLDEST, **DESK) is None)


async def test_what_happens_while_nobody_can_look_is_counted_afterwards(tmp_path: Path, server: Server) -> None:
    async with watching(server, tmp_path, TRANSFERS, **listing(COLD)) as exporter:
        await exporter.until(lambda seen: unlisted(seen) == 0)
        break_it(server, "alpha", Fault.PERMISSION_DENIED, call="capital/deposit")
        await exporter.until(lambda seen: down(seen, "transfers", "auth", "alpha/desk"))
        await exporter.until(lambda seen: pending(seen) is None)
        withdraw(server, ELSEWHERE)
        mend(server, "alpha", Fault.PERMISSION_DENIED)
        seen = await exporter.until(lambda seen: up(seen, "transfers", "alpha/desk") == 1)
        assert unlisted(seen) == 1


CHANGES: Mapping[str, dict[str, Any]] = {
    "nothing": {},
    "the address is listed": listing(COLD, ELSEWHERE),
    "the key is replaced": {"accounts": [account("VIEWER", withdraw_to=[COLD])]},
    "the share": {"rate_limit_share": 0.5},
    "the team": {"labels": {"team": "trading", "tier": "1"}},
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_reload_neither_loses_nor_counts_again(tmp_path: Path, server: Server, change: str) -> None:
    def text(more: dict[str, Any]) -> str:
        checks = only(transfers=PATIENTLY)
        return configured(venue(server, "alpha", **{**listing(COLD), "checks": checks, **more}))

    page = new_page("exchange", "digest", EXCHANGE.families)
    async with loaded(tmp_path, text({}), page) as first:
        await first.once()
        withdraw(server, ELSEWHERE, seconds=3600)
        await first.once()
        assert unlisted(parsed(first.render())) == 1
        withdraw(server, "0x6666666666666666666666666666666666666666")
        async with loaded(tmp_path, text(CHANGES[change]), page, first) as second:
            await second.once()
            seen = parsed(second.render())
            assert (up(seen, "transfers", "alpha/desk"), unlisted(seen)) == (1, 2)


async def test_kraken_is_read_in_the_same_way(tmp_path: Path) -> None:
    slow = {"interval": "8s", "timeout": "8s"}
    of_desk = {"venue": "kraken", "account": "desk", "currency": "BTC"}
    async with venues("kraken") as server:
        given = {"accounts": [account("KRAKEN", withdraw_to=["bc1qcold"])], "symbols": {"books": ["BTC/USD"]}}
        text = configured(venue(server, "kraken", **given, checks=only(transfers=slow)))
        async with running(EXCHANGE, text, tmp_path) as exporter:
            await exporter.until(lambda seen: seen(UNLISTED, **of_desk) == 0)
            leaving = {"account": "trader", "currency": "BTC", "seconds": 3600, "amount": 1.0}
            break_it(server, "kraken", Fault.WITHDRAWAL, **leaving, address="bc1qelsewhere")
            await exporter.until(
                lambda seen: seen(UNLISTED, **of_desk) == seen(PENDING, **of_desk, kind="withdrawal") == 1
            )


async def test_an_exchange_that_is_not_known_shows_nothing_rather_than_zero(tmp_path: Path, server: Server) -> None:
    written = {**venue(server, "alpha", accounts=[account()], checks=only(**TRANSFERS)), "exchange": "gemini"}
    async with running(EXCHANGE, configured(written), tmp_path) as exporter:
        seen = await exporter.until(lambda seen: up(seen, "transfers", "alpha/desk") == 1)
        assert (unlisted(seen), pending(seen)) == (None, None)


# --- counting --------------------------------------------------------------------------------------------------------

CURRENCIES = ("BTC", "USDT")

TOLD = st.lists(
    st.builds(
        Transfer,
        id=st.integers(0, 99).map(str),
        kind=st.sampled_from(["deposit", "withdrawal"]),
        currency=st.sampled_from(["BTC", "USDT", "DOGE", "SHIB"]),
        at=st.none() | st.floats(1, 2e9),
        pending=st.booleans(),
        destination=st.sampled_from(["", "here", "there"]),
    ),
    unique_by=lambda each: (each.kind, each.id),
    max_size=20,
)


@given(TOLD)
def test_every_pending_transfer_is_in_one_number(told: list[Transfer]) -> None:
    found = check.reading(told, CURRENCIES)
    assert set(found.pending) == {(code, kind) for code in (*CURRENCIES, "other") for kind in check.KINDS}
    assert sum(found.pending.values()) == sum(each.pending for each in told)
    assert found.oldest_at == min((each.at for each in told if each.pending and each.at), default=None)


@given(TOLD)
def test_what_goes_to_a_listed_address_is_not_counted_and_all_else_is(told: list[Transfer]) -> None:
    found = check.unlisted(told, {"here"}, CURRENCIES)
    assert set(found) == {*CURRENCIES, "other"}
    assert sum(found.values()) == sum(each.destination != "here" for each in told)


class Looking(RuleBasedStateMachine):
    """Withdrawals begin and end, looks tell all of them or leave some out: each is new once, and what was over before the first look
    never.
    """

    leaving = Bundle("leaving")

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, Transfer] = {}
        self.seen = check.Seen()
        self.new = list[str]()
        self.expected = set[str]()

    @initialize(old=st.lists(st.booleans(), max_size=5))
    def begin(self, old: list[bool]) -> None:
        for pending in old:
            self._withdraw(pending=pending)
        self._look(set(self.history))
        self.expected = {each.id for each in self.history.values() if each.pending}

    @rule(target=leaving, pending=st.booleans())
    def withdraw(self, *, pending: bool) -> str:
        return self._withdraw(pending=pending)

    @rule(name=consumes(leaving))
    def end(self, name: str) -> None:
        self.history[name] = replace(self.history[name], pending=False)

    @rule()
    def look(self) -> None:
        self._look(set(self.history))

    @rule(data=st.data())
    def look_and_see_a_part(self, data: st.DataObject) -> None:
        self._look(data.draw(st.sets(st.sampled_from(sorted(self.history)))) if self.history else set())

    def _withdraw(self, *, pending: bool) -> str:
        name = str(len(self.history))
        self.history[name] = Transfer(name, "withdrawal", "BTC", 0.0, pending)
        return name

    def _look(self, names: set[str]) -> None:
        first = self.seen.known is None
        deposit = Transfer("deposit", "deposit", "BTC", 0.0, pending=True)
        self.expected |= set() if first else names - (self.seen.known or set())
        self.new += [each.id for each in self.seen.saw([deposit, *(self.history[name] for name in sorted(names))])]

    @invariant()
    def each_is_new_once(self) -> None:
        assert sorted(self.new) == sorted(self.expected)


TestLooking = Looking.TestCase
TestLooking.settings = settings(max_examples=100, deadline=None)
