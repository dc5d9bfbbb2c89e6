"""What is said of a valid exchange.yml: that a key will be refused, for it lacks a part."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporters.exchange.__main__ import EXCHANGE
from exporters.exchange.noted import notes
from occ import config

KEY = "api_key: {file: key}, secret: {file: key}"


@pytest.mark.parametrize(
    ("exchange", "key", "lacking"),
    [
        ("okx", KEY, ["password"]),
        ("okx", f"{KEY}, password: {{file: key}}", []),
        ("binance", KEY, []),
        ("coinmate", KEY, ["uid"]),
        ("hyperliquid", KEY, ["privateKey and a walletAddress"]),
    ],
)
def test_a_key_without_a_part_that_the_exchange_wants_is_noted(
    tmp_path: Path, exchange: str, key: str, lacking: list[str]
) -> None:
    (tmp_path / "key").write_text("c4n4ry-of-a-key")
    path = tmp_path / "exchange.yml"
    account = f"rate_limit_share: 1, accounts: [{{name: desk, {key}}}]"
    path.write_text(f"venues:\n  - {{name: there, exchange: {exchange}, {account}}}\n")
    said = [str(note).removeprefix(f"{path}:") for note in notes(config.load(path, EXCHANGE.model))]
    assert said == [
        f"2: venues[0].accounts[0]: a key of this exchange has a {part} as well: it will be refused" for part in lacking
    ]
