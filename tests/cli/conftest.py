from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli import desk as desks
from tests.cli.desk import Desk
from tests.receiver import acting


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setenv("ENGINE_TOKEN", acting.ENGINE_TOKEN)
    async with desks.desk(tmp_path) as made:
        yield made
