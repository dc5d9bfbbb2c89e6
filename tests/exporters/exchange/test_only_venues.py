"""A part of the file with accounts in it: `--only-venues`, by which processes share the work."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from exporters.exchange.__main__ import main
from tests.exporters.exchange.accounts import account, only, with_keys
from tests.exporters.exchange.support import configured, venue, venues
from tests.exporters.support import Seen, parsed

SLOWLY = {"interval": "20s", "timeout": "20s"}
ACCOUNTS = only(balances={**SLOWLY, "unvalued": ["ETH", "USDC"]}, positions=SLOWLY, orders=SLOWLY, prices=SLOWLY)
PRICES = {"USDT": {"venue": "kraken", "symbol": "USDT/USD"}, "BTC": {"venue": "beta", "symbol": "BTC/USDT"}}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch)


async def page(path: Path, capsys: pytest.CaptureFixture[str], *names: str) -> Seen:
    """What one look at the file tells, or at these venues of it."""
    part = ["--only-venues", ",".join(names)] if names else []
    assert await asyncio.to_thread(main, ["--config", str(path), "--once", "--log.level", "error", *part]) == 0
    return parsed(capsys.readouterr().out.encode())


def held(seen: Seen) -> dict[str, float | None]:
    of = {
        name: seen("exchange_balance", venue=name, account="desk", currency="BTC", kind="total")
        for name in ("alpha", "beta")
    }
    return {**of, "net": seen("exchange_net_delta_base", base="BTC")}


async def test_accounts_are_those_of_the_venues_that_are_named_and_the_net_delta_is_theirs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with venues("alpha", "beta", "kraken") as server:
        common = {"symbols": {"books": ["BTC/USDT", "BTC/USDT:USDT"]}, "checks": ACCOUNTS}
        path = tmp_path / "exchange.yml"
        path.write_text(
            configured(
                *(venue(server, name, accounts=[account()], **common) for name in ("alpha", "beta")),
                venue(server, "kraken", checks=only(prices=SLOWLY)),
                prices=PRICES,
            )
        )
        whole = await page(path, capsys)
        mine = await page(path, capsys, "alpha")
        other = await page(path, capsys, "beta", "kraken")

    assert held(whole) == {"alpha": 20, "beta": 20, "net": 40}
    assert held(mine) == {"alpha": 20, "beta": None, "net": 20}
    assert held(other) == {"alpha": None, "beta": 20, "net": 20}
    assert mine("exchange_equity_usd", venue="alpha", account="desk") is not None, (
        "by the prices of venues that are not named"
    )
    assert mine("occ_target_configured", target="alpha/desk", check="orders") == 1
    targets = {dict(labels)["target"] for name, labels in mine.samples if name == "occ_target_configured"}
    assert not any(target.startswith("beta/desk") for target in targets), "whose accounts are another process's"
