"""docs/audit.md against what the code records and measures."""

from __future__ import annotations

import re
from pathlib import Path

from receiver.audit.walk import Fault, Walk
from receiver.families import FAMILIES
from receiver.requests import Verdict

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/audit.md").read_text()


def test_it_has_every_kind_of_record() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "receiver").rglob("*.py"))
    kinds = {*re.findall(r'kind="([a-z_]+\.[a-z_]+)"', sources), *(f"decision.{verdict}" for verdict in Verdict)}
    assert len(kinds) > 10
    assert [kind for kind in sorted(kinds) if f"`{kind}`" not in PAGE] == []
    assert "`request.` and a state" in PAGE


def test_it_has_every_name_that_verification_gives() -> None:
    offline = set(Fault) - {Fault.ROW, Fault.SCHEMA}
    assert [name for name in sorted(offline) if f"| {name} |" not in PAGE] == []


def test_it_has_every_metric_of_the_audit() -> None:
    ours = [family.name for family in FAMILIES if family.domain == "audit"]
    assert len(ours) == 4
    assert [name for name in ours if f"`{name}`" not in PAGE] == []


def test_its_example_is_a_chain_and_has_the_hashes_that_it_says() -> None:
    [example] = re.findall(r"```\n(\{.*?)```", PAGE, re.DOTALL)
    walk = Walk()
    for line in example.encode().splitlines():
        walk.take(line)
    assert walk.troubles() == ()
    assert list(walk.hashes) == [1, 2]
    assert [found for found in walk.hashes.values() if f"`{found}`" not in PAGE] == []
