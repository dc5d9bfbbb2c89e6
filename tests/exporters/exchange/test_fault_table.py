"""Every fault of the venue server is shown by the families that the docs name, with ccxt's own classes over HTTP and WebSocket."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from demo.venue.faults import Fault
from exporters.exchange.declared import FAMILIES
from occ.metrics import KERNEL_FAMILIES
from tests.exporters.exchange.accounts import with_keys
from tests.exporters.exchange.fault_table import OF_ORDERS, ROWS, Row, shown

DOCS = Path(__file__).parents[3] / "docs" / "exchange-faults.md"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault)
async def test_a_fault_is_shown(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch)
    assert len(await shown(row, tmp_path)) == len(row.signs)


def test_every_fault_has_its_row() -> None:
    assert sorted(row.fault for row in ROWS) == sorted(set(Fault) - OF_ORDERS)


def test_the_docs_have_every_row_and_seconds_that_keep_what_is_promised() -> None:
    told = re.findall(r"^\| `(\w+)` \| (.*) \| ([\d., ]+) \|$", DOCS.read_text(), re.MULTILINE)
    assert [(fault, signs) for fault, signs, _ in told] == [(str(row.fault), row.cell) for row in ROWS]
    for row, (_, _, seconds) in zip(ROWS, told, strict=True):
        each = [float(text) for text in seconds.split(", ")]
        assert len(each) == len(row.signs)
        assert row.at_most is None or max(each) <= row.at_most


def test_the_signs_are_families_of_the_exporter() -> None:
    names = {family.name for family in (*FAMILIES, *KERNEL_FAMILIES)}
    assert {sign.family for row in ROWS for sign in row.signs} <= names
