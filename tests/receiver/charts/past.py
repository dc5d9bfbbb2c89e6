"""A real Prometheus that remembers what a test says was measured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from demo.parts import locate
from tests.receiver.servers import prometheus

Measured = Mapping[str, Callable[[float], float | None]]
"""Series, as `lag{node="a"}`, and their values by the minutes before now; None: nothing was scraped."""

EVERY = 15
"""Seconds between two scrapes."""


@asynccontextmanager
async def remembering(
    folder: Path,
    rules: str,
    series: Measured,
    *,
    until: float,
    hours: float = 3.5,
    scrapes: Mapping[str, str] | None = None,
    alertmanagers: Iterable[str] = (),
) -> AsyncIterator[str]:
    """Its URL, until the end of the context. What it remembers ends at `until`, Unix seconds."""
    lines = [line for name, value in series.items() for line in _lines(name, value, until, hours)]
    text = folder / "past.om"
    text.write_text("\n".join([*lines, "# EOF\n"]))
    making = await asyncio.create_subprocess_exec(
        locate("promtool"), "tsdb", "create-blocks-from", "openmetrics", text, folder / "past",
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await making.wait() == 0
    async with prometheus(folder, rules=rules, storage="past", scrapes=scrapes, alertmanagers=alertmanagers) as url:
        yield url


def _lines(name: str, value: Callable[[float], float | None], until: float, hours: float) -> Iterator[str]:
    yield f"# TYPE {name.partition('{')[0]} gauge"
    for step in range(int(hours * 3_600 / EVERY), -1, -1):
        if (found := value(step * EVERY / 60)) is not None:
            yield f"{name} {found!r} {until - step * EVERY:.3f}"
