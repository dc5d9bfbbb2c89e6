"""A check is one file: what it takes to add one, and what is said of those that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exporters.exchange import checks, declared
from exporters.exchange import config as exchange_config
from exporters.exchange.__main__ import EXCHANGE, main
from exporters.exchange.declared import FAMILIES, check_files
from occ.metrics import Catalogue, Family, Kind
from occ.plugins import load
from tests.exporters.exchange.support import configured, venue, venues
from tests.exporters.support import running

DOCS = (Path(__file__).parents[3] / "docs" / "exchange-checks.md").read_text()

PLUGIN = """
from exporters.exchange.checks import CheckOptions
from occ.metrics import Family, Kind

PER, NEEDS, INTERVAL = "venue", ("fetch_time",), 1.0
SYMBOLS = Family("exchange_listed_symbols", Kind.GAUGE, "Symbols that the venue lists.", ("venue",))
FAMILIES = (SYMBOLS,)


class Options(CheckOptions):
    least: int = 0


async def read(source, targets, options):
    return {target: max(len(await source.markets()), options.least) for target in targets}


def columns(readings):
    yield readings.column(SYMBOLS, float)
"""


UNOFFERED = """
from exporters.exchange.checks import CheckOptions
from exporters.exchange.checks.clock import FAMILIES, columns

PER, NEEDS, INTERVAL = "venue", (), 0.5
asked = []


class Options(CheckOptions):
    pass


async def read(source, targets, options):
    asked.append(targets)
    return {target: await source.call("fetch_the_moon") for target in targets}
"""


@pytest.fixture
def dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Family:
    """Files in a folder that belongs to the package as well."""
    (tmp_path / "listed.py").write_text(PLUGIN)
    (tmp_path / "unoffered.py").write_text(UNOFFERED)
    monkeypatch.setattr(checks, "__path__", [*checks.__path__, str(tmp_path)])
    found = load(checks, checks.CONTRACT)
    for module in (declared, exchange_config):
        monkeypatch.setattr(module, "check_files", lambda: found)
    exchange_config._checks_model.cache_clear()
    monkeypatch.setattr("exporters.exchange.jobs.check_files", lambda: found)
    family: Family = found["listed"].SYMBOLS
    return family


async def test_a_file_that_is_dropped_into_the_folder_is_served(tmp_path: Path, dropped: Family) -> None:
    exporter = type(EXCHANGE)(**{**vars(EXCHANGE), "families": (*FAMILIES, dropped)})
    async with venues("alpha", symbols=2) as server:
        text = configured(venue(server, "alpha", checks={"listed": {"least": 1}}))
        async with running(exporter, text, tmp_path) as exchange:
            seen = await exchange.until(lambda seen: seen(dropped.name, venue="alpha") is not None)
            assert (seen(dropped.name, venue="alpha") or 0) >= 4
            assert seen("occ_target_up", check="listed", target="alpha") == 1
    exchange_config._checks_model.cache_clear()


async def test_what_an_answer_says_is_not_offered_is_a_fact_and_not_asked_again(
    tmp_path: Path, dropped: Family
) -> None:
    exporter = type(EXCHANGE)(**{**vars(EXCHANGE), "families": (*FAMILIES, dropped)})
    asked = load(checks, checks.CONTRACT)["unoffered"].asked
    asked.clear()
    async with venues("alpha", symbols=1) as server:
        text = configured(venue(server, "alpha", checks={"connection": {"interval": "500ms"}}))
        async with running(exporter, text, tmp_path) as exchange:
            where = {"venue": "alpha", "check": "unoffered"}
            await exchange.until(lambda seen: seen("exchange_check_supported", **where) == 0)
            first = exchange.page()("occ_target_last_attempt_timestamp_seconds", check="unoffered") or 0
            seen = await exchange.until(
                lambda seen: (seen("occ_target_last_attempt_timestamp_seconds", check="unoffered") or 0) > first
            )
            assert seen("occ_target_up", check="unoffered", target="alpha") == 1
            assert seen("occ_target_errors_total", check="unoffered", reason="not_supported") == 0
    assert len(asked) == 1
    exchange_config._checks_model.cache_clear()


def test_declarations_need_no_ccxt() -> None:
    import subprocess  # noqa: PLC0415 - a process of its own, in which nothing is loaded yet
    import sys  # noqa: PLC0415

    script = "import sys, exporters.exchange.declared; sys.exit('ccxt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_every_check_has_its_row_in_the_docs() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", DOCS, re.MULTILINE)
    assert rows == sorted(check_files())


def test_intervals_in_the_docs_are_those_in_force() -> None:
    words = {
        "1 m": 60.0,
        "2 m": 120.0,
        "5 m": 300.0,
        "as the venue": None,
        "15 s": 15.0,
        "30 s": 30.0,
        "10 s where polled": 10.0,
        "30 s where polled": 30.0,
    }
    told = re.findall(r"^\| `(\w+)` \|[^|]*\|[^|]*\| ([^|]*) \|", DOCS, re.MULTILINE)
    assert {name: words[interval] for name, interval in told} == {
        name: check.INTERVAL for name, check in check_files().items()
    }


def test_families_stand_together_in_one_catalogue() -> None:
    assert len(Catalogue(FAMILIES)) == len(FAMILIES)


def test_help_says_what_a_number_means() -> None:
    for family in FAMILIES:
        assert family.help.endswith("."), family.name
        if family.kind is Kind.GAUGE and family.name.endswith("_ratio"):
            assert re.search(r"positive|negative|0 to 1|-1 to 1|is one|minus|high", family.help), family.name


def test_the_help_of_the_command_names_the_checks(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    helped = " ".join(capsys.readouterr().out.split())
    assert f"Checks: {', '.join(sorted(check_files()))}." in helped
    assert "--only-venues NAME,…" in helped
