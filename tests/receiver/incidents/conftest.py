from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.receiver.incidents import scene as scenes
from tests.receiver.incidents.scene import Scene


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scenes.scene(tmp_path) as made:
        yield made
