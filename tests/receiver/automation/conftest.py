from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.receiver.automation.support import Scene, around, scene


@pytest.fixture
async def auto(tmp_path: Path) -> AsyncIterator[Scene]:
    """Where the rules say auto, and propose for what needs approvals."""
    async with around(tmp_path) as world, scene(world) as made:
        yield made


@pytest.fixture
async def propose(tmp_path: Path) -> AsyncIterator[Scene]:
    async with around(tmp_path, "propose") as world, scene(world) as made:
        yield made


@pytest.fixture
async def shadow(tmp_path: Path) -> AsyncIterator[Scene]:
    async with around(tmp_path, "shadow") as world, scene(world) as made:
        yield made
