"""The tools that Prometheus and Alertmanager bring, run on files."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.parts import locate

Run = Callable[..., subprocess.CompletedProcess[str]]


def _tool(name: str) -> Run:
    binary = locate(name)

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=120, check=False)

    return run


@pytest.fixture(scope="session")
def promtool() -> Run:
    return _tool("promtool")


@pytest.fixture(scope="session")
def amtool() -> Run:
    return _tool("amtool")
