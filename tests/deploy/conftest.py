"""A house: a copy of config/ with the secrets that scripts/secrets makes, and the compose file as it is read there."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy import compose
from tests.deploy.compose import ROOT, Project

BY_HAND = ("pagerduty_routing_key", "slack_url")


def secrets(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OCC_GROUP": str(os.getgid())}
    command = [ROOT / "scripts/secrets", folder]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house") / "occ"
    shutil.copytree(ROOT / "config", folder)
    (folder / "secrets").mkdir()
    for name in BY_HAND:
        (folder / "secrets" / name).write_text(f"of the tests: {name}\n")
    made = secrets(folder)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture(scope="session")
def project(house: Path) -> Project:
    return compose.read(compose.FILE.read_text(), {"OCC_CONFIG": str(house)})
