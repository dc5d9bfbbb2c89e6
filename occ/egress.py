"""Egress canaries: is it them, or is it us? A few independent addresses that answer whenever our own way out works."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import aiohttp

from occ.config import Canary, ExporterConfig
from occ.errors import SourceError
from occ.job import Pace, Polled, Readings, Target, every
from occ.metrics import EGRESS_UP
from occ.page import Column

CHECK = "egress"


def job(config: ExporterConfig, session: aiohttp.ClientSession) -> Polled[bool]:
    """Asks every canary at the default pace. That one does not answer is what is to be found out, and no failed read."""
    canaries = {Target(f"egress/{canary.name}", {}): canary for canary in config.egress}
    interval = config.defaults.interval
    pace = Pace(interval, min(config.defaults.timeout, interval), max(3 * interval, 4 * config.scrape_interval))
    names = {target: {"target": canary.name} for target, canary in canaries.items()}

    async def read(due: tuple[Target, ...]) -> Mapping[Target, bool | SourceError]:
        answers = await asyncio.gather(*(_answers(canaries[target], session, pace.timeout * 0.9) for target in due))
        return dict(zip(due, answers, strict=True))

    def columns(readings: Readings[bool]) -> Iterable[Column]:
        yield Column(EGRESS_UP, tuple(names[target] for target in readings), [float(up) for up in readings.values()])

    return every(pace, read, check=CHECK, targets=tuple(canaries), families=(EGRESS_UP,), columns=columns)


async def _answers(canary: Canary, session: aiohttp.ClientSession, within: float) -> bool:
    """Whether anything at all comes back over HTTP: an error page proves the way out as well as a good one."""
    try:
        async with asyncio.timeout(within), session.get(canary.url.reveal(), allow_redirects=False):
            return True
    except (TimeoutError, aiohttp.ClientError, OSError, UnicodeError):
        return False
