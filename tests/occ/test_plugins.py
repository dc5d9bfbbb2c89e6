from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from occ import plugins
from occ.plugins import PluginError

Folder = Callable[..., ModuleType]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    """Makes a package out of files: `folder(evm="text of evm.py")`."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(**files: str) -> ModuleType:
        package = tmp_path / "kinds_under_test"
        package.mkdir(exist_ok=True)
        for name, text in {"__init__": "", **files}.items():
            (package / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        return importlib.import_module(package.name)

    yield make
    for name in [name for name in sys.modules if name.partition(".")[0] == "kinds_under_test"]:
        del sys.modules[name]


def test_a_files_name_is_the_plugins_name_and_they_come_sorted(folder: Folder) -> None:
    found = plugins.load(folder(solana="read = 1", evm="read = 2", bitcoin="read = 3"), ["read"])
    assert list(found) == ["bitcoin", "evm", "solana"]
    assert found["evm"].read == 2


def test_a_file_dropped_into_the_folder_is_found_with_nothing_else_touched(folder: Folder) -> None:
    assert list(plugins.load(folder(evm="read = 1"), ["read"])) == ["evm"]
    assert list(plugins.load(folder(dropped="read = 1"), ["read"])) == ["dropped", "evm"]


def test_files_that_begin_with_an_underscore_are_helpers(folder: Folder) -> None:
    assert list(plugins.load(folder(evm="read = 1", _shared=""), ["read"])) == ["evm"]


def test_a_file_that_does_not_keep_the_contract_is_refused_with_what_it_lacks(folder: Folder) -> None:
    with pytest.raises(
        PluginError, match=r"^kinds_under_test\.evm is no plugin of kinds_under_test: it lacks Options, read$"
    ):
        plugins.load(folder(evm="FAMILIES = ()"), ["FAMILIES", "Options", "read"])


def test_an_empty_folder_holds_no_plugins(folder: Folder) -> None:
    assert plugins.load(folder(), ["read"]) == {}


def test_a_file_that_can_not_be_imported_is_not_passed_over(folder: Folder) -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        plugins.load(folder(evm="import no_such_library"), ["read"])
