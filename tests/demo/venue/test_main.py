"""`python -m demo.venue` as a process of its own."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from demo.venue.server import Server
from tests.demo.venue.support import DEADLINE, TRADER, Client, rewritten

ROOT = Path(__file__).parents[3]


async def started(*arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "demo.venue", *arguments, cwd=ROOT, stdout=pipe, stderr=pipe
    )


async def test_accounts_begin_with_what_the_command_line_says(server: Server, client: Client) -> None:
    process = await started("--venue", "house=binance", "--symbols", "1", "--wallet", "20000", "--hedged")
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), DEADLINE)).decode()
        (base,) = re.findall(r"venues: (\S+/house);", line)
        trader = await client(**TRADER, options={"defaultType": "swap"})
        trader.urls["api"] = rewritten(type(trader)().urls["api"], base)
        assert (await trader.fetch_balance())["USDT"]["total"] == 20_000
        assert (await trader.fetch_position_mode())["hedged"] is True
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--wallet", "much"), "much is no number"),
        (("--wallet", "-1"), "-1 is no amount"),
        (("--wallet", "nan"), "nan is no amount"),
        (("--venue", "house=nyse"), "no kind nyse; kinds: binance, kraken"),
        (("--symbols", "9999"), "9999 symbols are too many"),
    ],
)
async def test_what_is_no_option_is_refused_with_the_reason(arguments: tuple[str, ...], why: str) -> None:
    process = await started(*arguments)
    _, said = await asyncio.wait_for(process.communicate(), DEADLINE)
    assert process.returncode == 2
    assert why in said.decode()
