"""A kind is a file in the folder: it is configured, read and served, and nothing else knows of it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.pools import config, kinds
from exporters.pools.__main__ import POOLS, main
from tests.exporters.pools.desk import desk
from tests.exporters.support import once, parsed

DOCS = (Path(__file__).parents[3] / "docs" / "pool-kinds.md").read_text()

CONSTANT_SUM = '''
"""Two tokens that are always worth the same: what is paid is what is got, less a fee."""

from dataclasses import dataclass

from adapters.evm import EthCall
from adapters.evm.abi import account, sized, word
from exporters.pools.reading import PoolState
from exporters.pools.steps import needed
from occ.config import Model

BALANCE_OF = bytes.fromhex("70a08231")


class Options(Model):
    keep: float = 0.01


@dataclass(frozen=True)
class Sum:
    holds: tuple[int, int]
    keep: float

    def spot(self):
        return 1.0

    def swap(self, amount, paid):
        got = int(amount * (1 - self.keep))
        return got if got <= self.holds[1 - paid] else None

    def depth(self, paid, factor):
        return float(self.holds[1 - paid]), float(self.holds[1 - paid])


class PoolReader:
    def __init__(self, terms):
        self.terms, self.base = terms, 0
        tokens = (terms.base.address, terms.quote.address)
        self.calls = tuple(EthCall(token, BALANCE_OF + account(terms.pool.address)) for token in tokens)

    def steps(self):
        told = yield self.calls
        first, second = (word(sized("balanceOf", needed("balanceOf", reply), 1), 0) for reply in told)
        return PoolState(Sum((first, second), self.terms.pool.keep), 0, (first, second), self.terms.pool.keep)
'''


@pytest.fixture
def dropped(tmp_path: Path) -> Iterator[None]:
    """A file more in the folder of kinds."""
    folder = tmp_path / "kinds"
    folder.mkdir()
    (folder / "constant_sum.py").write_text(CONSTANT_SUM)
    kinds.__path__.append(str(folder))
    _forget()
    yield
    kinds.__path__.remove(str(folder))
    sys.modules.pop("exporters.pools.kinds.constant_sum", None)
    _forget()


def _forget() -> None:
    config.readers.cache_clear()
    config.models.cache_clear()


async def test_a_file_that_is_dropped_into_the_folder_is_served(dropped: None, tmp_path: Path) -> None:
    async with desk() as at:
        one, other = await at.market.tokens(("ONE", 6), ("TWO", 6))
        holder = at.market.v2_factory.address
        await at.market.chain.send(one.to("mint", holder, 5 * 10**9), other.to("mint", holder, 7 * 10**9))
        text = at.config().replace(
            "    positions:",
            f'      - {{name: sum, kind: constant_sum, address: "{holder}", base: ONE, quote: USDC, keep: 0.02}}\n    positions:',
        )
        text = text.replace("USDC: {address", f'ONE: {{address: "{one.address}", decimals: 6}}, USDC: {{address')
        text = text.replace("prices: {", "prices: {ONE: {pool: sum}, ")
        await at.market.chain.send(at.usdc.to("mint", holder, 7 * 10**10))
        seen = parsed(await once(POOLS, text, tmp_path))
        assert seen("occ_target_up", pool="sum") == 1
        assert seen("pool_info", pool="sum", kind="constant_sum", dex="constant", fee="0.02") == 1
        assert seen("pool_reserve", pool="sum", token="ONE") == 5_000
        assert seen("pool_tvl_usd", pool="sum") == 75_000
        assert seen("pool_price_impact_ratio", pool="sum", side="sell", size_usd="10000") == pytest.approx(0.02)
        assert seen("pool_price_impact_ratio", pool="sum", side="sell", size_usd="100000") is None
        assert seen("pool_liquidity", pool="sum") is None
        assert seen("pool_swaps_total", pool="sum") is None


def test_a_key_of_the_dropped_kind_is_checked(
    dropped: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pools.yml"
    token = '{address: "0x' + "1" * 40 + '", decimals: 6}'
    path.write_text(
        'chains:\n  - name: x\n    rpc: [{name: own, url: "http://127.0.0.1:1"}]\n'
        f"    tokens: {{A: {token}, B: {token}}}\n"
        f'    pools: [{{name: sum, kind: constant_sum, address: "0x{"2" * 40}", base: A, quote: B, keeep: 0.1}}]\n'
    )
    assert main(["--config", str(path), "--check-config"]) == 2
    assert "chains[0].pools[0].keeep: unknown key; did you mean `keep`?" in capsys.readouterr().err


def test_the_help_lists_the_kinds_and_the_docs_have_their_rows(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    helped = " ".join(capsys.readouterr().out.split())
    found = dict.fromkeys(name for part in config.PARTS for name in config.readers(part))
    assert f"Kinds: {', '.join(found)}." in helped
    assert set(re.findall(r"^\| `(\w+)` \|", DOCS, re.MULTILINE)) == set(found)
