"""How what ends a process becomes an exit code and words: of its configuration, of its surroundings, of our own mistakes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from occ.config import ExporterConfig
from occ.errors import CatalogueError, ConfigError, OccError, Problem, Reason, SourceError
from occ.exporter import Exporter, Plan, main
from occ.ledger import LedgerError
from occ.page import Page
from tests.occ.far import FAMILIES, Far, job

SERVING = ("--web.listen-address", "127.0.0.1:0")

Ended = Callable[[Exception, tuple[str, ...]], tuple[int, str, str]]


@pytest.fixture
def ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ended:
    """Runs an exporter whose jobs can not be built because of this; its exit code, output and error output."""
    path = tmp_path / "desk.yml"
    path.write_text("scrape_interval: 15s")

    def run(error: Exception, flags: tuple[str, ...]) -> tuple[int, str, str]:
        @asynccontextmanager
        async def build(_config: ExporterConfig, _page: Page) -> AsyncIterator[Plan]:
            raise error
            yield Plan((job(Far({"a": 1})),))

        made = Exporter("desk", "An exporter of tests.", 9799, ExporterConfig, FAMILIES, build)
        code = main(made, ["--config", str(path), *flags])
        return code, *capsys.readouterr()

    return run


both_ways = pytest.mark.parametrize("flags", [("--once",), SERVING], ids=["once", "serving"])


@both_ways
@pytest.mark.parametrize(
    "error",
    [
        LedgerError("pools.db: another process counts in this file"),
        SourceError(Reason.CONNECT, "the chain is not there"),
        OccError("anything else that was thought of"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_was_thought_of_is_one_line_and_1(ended: Ended, flags: tuple[str, ...], error: OccError) -> None:
    code, out, err = ended(error, flags)
    (line,) = err.splitlines()
    assert (code, out, line.split("Z ", 1)[1]) == (1, "", f"ERROR   occ.start: {error}")


@both_ways
def test_what_is_wrong_in_the_configuration_is_its_problems_and_2(ended: Ended, flags: tuple[str, ...]) -> None:
    problems = [Problem("desk.yml", number, "pools[0].address", "expected an address") for number in (3, 7)]
    assert ended(ConfigError(problems), flags) == (
        2,
        "",
        "desk.yml:3: pools[0].address: expected an address\ndesk.yml:7: pools[0].address: expected an address\n",
    )


@both_ways
@pytest.mark.parametrize("error", [CatalogueError("rpc_peers: declared twice"), ZeroDivisionError("division by zero")])
def test_our_own_mistake_is_loud_with_its_trace_and_1(ended: Ended, flags: tuple[str, ...], error: Exception) -> None:
    code, out, err = ended(error, flags)
    assert (code, out) == (1, "")
    assert "CRITICAL occ.process: ended by what it did not expect" in err
    assert f"{type(error).__name__}: {error}" in err
    assert "Traceback" in err
