"""What is known of limits when the file is read: that the accounts of a venue want more than they may use."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from cli.main import main as occ
from exporters.exchange.__main__ import EXCHANGE, main
from exporters.exchange.wanted import notes
from occ import config


def written(folder: Path, accounts: int, **venue: object) -> Path:
    path = folder / "exchange.yml"
    found = [
        {"name": f"desk-{n}", "api_key": {"file": f"key-{n}"}, "secret": {"file": f"key-{n}"}} for n in range(accounts)
    ]
    for n in range(accounts):
        (folder / f"key-{n}").write_text(f"canary-{n}")
    given = {"name": "there", "exchange": "binance", "symbols": {"books": ["BTC/USDT", "BTC/USDT:USDT"]}, **venue}
    path.write_text(yaml.safe_dump({"venues": [{**given, "accounts": found}]}, sort_keys=False))
    return path


def told(path: Path) -> list[str]:
    return [str(note).removeprefix(f"{path}:") for note in notes(config.load(path, EXCHANGE.model))]


@pytest.mark.parametrize(
    ("accounts", "venue"),
    [
        (0, {}),
        (1, {}),
        (20, {"rate_limit_share": 1, "checks": {"reductions": "off", "unlisted_orders": {"interval": "1h"}}}),
        (3, {"checks": {"unlisted_orders": "off", "reductions": {"interval": "20m"}, "margin": {"interval": "2m"}}}),
        (50, {"exchange": "okx"}),
        (50, {"exchange": "kraken"}),
    ],
)
def test_what_fits_is_not_spoken_of(tmp_path: Path, accounts: int, venue: dict[str, object]) -> None:
    assert told(written(tmp_path, accounts, **venue)) == []


@pytest.mark.parametrize("accounts", [2, 8, 16])
def test_what_does_not_fit_is_said_with_its_place_and_what_would_do(tmp_path: Path, accounts: int) -> None:
    path = written(tmp_path, accounts, rate_limit_share=0.1)
    (note,) = told(path)
    line = path.read_text().splitlines().index("  rate_limit_share: 0.1") + 1
    assert note.startswith(
        f"{line}: venues[0].rate_limit_share: the checks of {accounts} accounts want more than 0.1 of the venue's limit"
    )
    enough = re.search(r"with ([\d.]+) it would fit", note)
    if enough is not None:
        assert told(written(tmp_path, accounts, rate_limit_share=min(1.0, float(enough[1]) * 1.05))) == []
    else:
        assert "even with 1 it would not fit" in note
        assert told(written(tmp_path, accounts, rate_limit_share=1))


def test_where_each_account_is_counted_one_alone_may_want_too_much(tmp_path: Path) -> None:
    (note,) = told(written(tmp_path, 1, exchange="okx", rate_limit_share=0.05))
    assert "the checks of 1 account want more than 0.05" in note


def test_it_is_said_by_check_config_which_is_content(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, 8)
    checks: list[Callable[[], int]] = [
        lambda: main(["--config", str(path), "--check-config"]),
        lambda: occ(["check-config", str(tmp_path)]),
    ]
    for check in checks:
        assert check() == 0
        valid, note = capsys.readouterr().out.splitlines()
        assert valid == f"{path}: valid"
        assert note.startswith(f"note: {path}:2: venues[0].rate_limit_share: the checks of 8 accounts")
