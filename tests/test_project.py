"""The project as others get it: a wheel, locks without addresses, and nothing of the machine it was made on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        folder,
        ROOT,
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_the_wheel_holds_every_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" not in name}
    assert tops == {"occ", "adapters", "exporters", "receiver", "dashboards", "cli", "demo"}
    source = {str(path.relative_to(ROOT)) for path in tracked() if path.relative_to(ROOT).parts[0] in tops}
    assert source - set(wheel.namelist()) == set()


def test_the_wheel_can_not_be_uploaded_by_mistake_and_starts_the_command(wheel: zipfile.ZipFile) -> None:
    texts = {name.rpartition("/")[2]: wheel.read(name).decode() for name in wheel.namelist() if ".dist-info/" in name}
    assert "Classifier: Private :: Do Not Upload" in texts["METADATA"]
    assert "occ = cli.main:main" in texts["entry_points.txt"]


def test_every_process_has_its_extra() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    processes = {path.parent.name for path in ROOT.glob("exporters/*/__main__.py")} | {"receiver"}
    assert processes <= extras.keys()
    assert processes <= set(re.findall(r"\w+", " ".join(extras["all"])))


def test_the_locks_hold_exact_versions_and_no_addresses() -> None:
    constraints = (ROOT / "constraints.txt").read_text()
    lines = [line.split("#")[0].strip() for line in constraints.splitlines() if not line.startswith("#")]
    assert [line for line in lines if line and not re.fullmatch(r"[a-z0-9_.-]+==[a-z0-9.]+", line)] == []
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []
    wanted = json.loads((ROOT / "package.json").read_text())["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+(-beta\.\d+)?", version) for version in wanted.values())


def test_no_file_names_the_machine_it_was_written_on() -> None:
    here = re.compile("|".join(re.escape(f"{folder}/") for folder in {ROOT, Path.home()}))
    found = [str(path.relative_to(ROOT)) for path in tracked() if here.search(path.read_text(errors="replace"))]
    assert found == []
