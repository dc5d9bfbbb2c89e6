"""`occ notifiers` against a real receiver that tells two real servers of ours, of which one refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.until import until
from tests.cli import desk as desks
from tests.receiver import acting
from tests.receiver.notifying.far import Far

NOTIFIERS = """
notifiers:
  - {{name: ops, kind: slack, url: {{file: hook}}}}
  - {{name: pager, kind: pagerduty, routing_key: {{file: hook}}, url: "{pager}"}}
"""


async def test_each_notifier_is_tested_and_says_how_it_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_TOKEN", acting.ENGINE_TOKEN)
    async with Far().serving() as ops, Far(always=(403, {})).serving() as pager:
        (tmp_path / "hook").write_text(ops.url)
        async with desks.desk(tmp_path, NOTIFIERS.format(pager=pager.url)) as desk:
            for person in ("ada", "opal"):
                await desk.log_in(person)
            nothing = await desk.occ("opal", "notifiers", "list")
            assert (nothing.code, nothing.out) == (
                0,
                "ops (slack): told nothing yet, 0 waiting\npager (pagerduty): told nothing yet, 0 waiting\n",
            )
            refused = await desk.occ("opal", "notifiers", "test")
            assert (refused.code, refused.err) == (
                1,
                "occ: the policy does not give this person that right (not_permitted)\n",
            )
            tested = await desk.occ("ada", "notifiers", "test")
            assert (tested.code, tested.out) == (1, "ops (slack): has taken it\npager (pagerduty): HTTP 403\n")
            assert [body["text"].splitlines()[0] for body in ops.taken] == ["*INFO: Test*"]

            await desk.occ("opal", "freeze", "--everything", "--reason", "a test")

            async def told() -> str:
                lines = (await desk.occ("opal", "notifiers", "list")).out
                return lines if "told last at" in lines and "1 given up" in lines else ""

            assert "; at " in await until(told, 60)


async def test_without_notifiers_nothing_looks_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_TOKEN", acting.ENGINE_TOKEN)
    async with desks.desk(tmp_path) as desk:
        await desk.log_in("ada")
        assert (await desk.occ("ada", "notifiers", "list")).out.startswith("There are none")
        tested = await desk.occ("ada", "notifiers", "test")
        assert (tested.code, tested.out) == (1, "There are none: nothing was sent.\n")
