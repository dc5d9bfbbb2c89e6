from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.receiver.audit.support import Held
from tests.receiver.audit.support import held as _held


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    with _held(tmp_path) as found:
        yield found
