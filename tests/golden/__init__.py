"""Golden files: what a whole page looks like, kept beside the tests. `OCC_GOLDEN=write` takes what is there now."""

from __future__ import annotations

import os
from pathlib import Path


def compare(name: str, text: str) -> None:
    """Fails where `text` is not what the golden file says, and shows where."""
    path = Path(__file__).parent / name
    if os.environ.get("OCC_GOLDEN") == "write":
        path.write_text(text)
    assert text.splitlines() == path.read_text().splitlines()
