"""How what ends a process becomes an exit code and words: of its configuration, of its surroundings, of our own mistakes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from occ import flags, start
from occ.config import ExporterConfig, Loaded
from occ.errors import CatalogueError, ConfigError, OccError, Problem, Reason, SourceError
from occ.exporter import Exporter, Plan, main
from occ.ledger import LedgerError
from occ.page import Page
from occ.start import Start
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


def noting(loaded: Loaded[ExporterConfig]) -> Iterator[Problem]:
    """Somebody who would rather be asked more often."""
    if loaded.config.scrape_interval > 10:
        yield loaded.problem(("scrape_interval",), "that is seldom")


@pytest.mark.parametrize("seldom", [True, False])
def test_what_is_valid_and_not_wanted_is_said_and_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, seldom: bool
) -> None:
    path = tmp_path / "desk.yml"
    path.write_text(f"scrape_interval: {15 if seldom else 5}s")

    @asynccontextmanager
    async def build(_config: ExporterConfig, _page: Page) -> AsyncIterator[Plan]:
        yield Plan(())

    made = Exporter("desk", "An exporter of tests.", 9799, ExporterConfig, FAMILIES, build, notes=noting)
    assert main(made, ["--config", str(path), "--check-config"]) == 0
    note = f"{path}:1: scrape_interval: that is seldom"
    assert capsys.readouterr().out == f"{path}: valid\n" + (f"note: {note}\n" if seldom else "")

    assert main(made, ["--config", str(path), "--once"]) == 0
    logged = [line.split("Z ", 1)[1] for line in capsys.readouterr().err.splitlines()]
    assert logged == ([f"WARNING occ.start: {note}"] if seldom else [])


def test_at_a_reload_it_is_said_of_what_the_file_has_become(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "desk.yml"
    path.write_text("scrape_interval: 5s")
    led: list[Start[ExporterConfig]] = []

    async def life(begun: Start[ExporterConfig]) -> int:
        led.append(begun)
        return 0

    parser = flags.parser("desk", "An exporter of tests.", 9799)
    assert start.run(parser, ExporterConfig, life, ["--config", str(path)], notes=noting) == 0
    path.write_text("scrape_interval: 15s")
    assert capsys.readouterr().err == ""
    led[0].load()
    assert f"WARNING occ.start: {path}:1: scrape_interval: that is seldom" in capsys.readouterr().err
