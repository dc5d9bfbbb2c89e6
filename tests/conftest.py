"""What every test leans on.

Every run tries the same examples, so that a change alone decides whether it passes; `--hypothesis-profile=search` tries others.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("search", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("occ", settings.get_profile("search"), derandomize=True)
settings.load_profile("occ")


@pytest.fixture(autouse=True, scope="session")
def interruptible() -> None:
    """`nohup`, or a script's `&`, has SIGINT ignored, which every process that a test starts and interrupts would inherit."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A process routes all logging anew when it starts; here several start within one."""
    root, asyncio = logging.getLogger(), logging.getLogger("asyncio")
    handlers, level, patience = root.handlers[:], root.level, asyncio.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    asyncio.setLevel(patience)
