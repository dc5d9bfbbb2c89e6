"""The far side of a job, on virtual time: what each node answers, and when it was asked."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from occ.errors import Reason, SourceError
from occ.job import Pace, Polled, Readings, Target, every
from occ.metrics import KERNEL_FAMILIES, Catalogue, Family, Kind
from occ.page import Column, Event, Page
from occ.poller import Poller
from tests import virtual
from tests.occ.samples import sample

PEERS = Family("rpc_peers", Kind.GAUGE, "Peers of the node.", ("node",))
READS = Family("rpc_reads_total", Kind.COUNTER, "Successful reads.", ("node",))
MOVES = Family("rpc_moves_total", Kind.COUNTER, "Moves.", ("node", "side"), values={"side": ("up", "down")})
UNFORESEEN = Family("rpc_seen_total", Kind.COUNTER, "What may be seen one day.", ("node", "token"))
TOTAL_PEERS = Family("chain_peers", Kind.GAUGE, "Peers of all nodes.")

FAMILIES = (PEERS, READS, MOVES, UNFORESEEN)

PACE = Pace(interval=10.0, timeout=4.0, stale_after=30.0, patience=60.0)

DOWN = SourceError(Reason.CONNECT, "can not connect")


def targets(*names: str) -> tuple[Target, ...]:
    return tuple(Target(f"eth/{name}", {"node": name}, {"team": "infra", "tier": "1"}) for name in names)


@dataclass(frozen=True)
class After:
    """An answer that takes its time, in seconds."""

    seconds: float
    answer: Any


NEVER = After(1e9, 0)


@dataclass
class Far:
    """`answers` by the node's name: a number, what fails the read, After, or what to call for one of these."""

    answers: dict[str, Any]
    asked: list[tuple[float, str]] = field(default_factory=list)

    async def read(self, due: tuple[Target, ...]) -> Mapping[Target, float | SourceError]:
        return {target: await self._answer(target.labels["node"]) for target in due}

    async def _answer(self, name: str) -> float | SourceError:
        self.asked.append((asyncio.get_running_loop().time(), name))
        answer = self.answers[name]
        answer = answer() if callable(answer) else answer
        if isinstance(answer, After):
            await asyncio.sleep(answer.seconds)
            answer = answer.answer
        if isinstance(answer, BaseException) and not isinstance(answer, SourceError):
            raise type(answer)(*answer.args)
        outcome: float | SourceError = answer
        return outcome

    def times(self, name: str) -> list[float]:
        return [at for at, asked in self.asked if asked == name]


def columns(readings: Readings[float]) -> Iterable[Column]:
    yield readings.column(PEERS, lambda peers: peers)


def job(far: Far, pace: Pace = PACE, **parts: Any) -> Polled[float]:
    standard = {"check": "evm", "targets": targets(*far.answers), "families": FAMILIES, "columns": columns}
    return every(pace, far.read, **(standard | parts))


def count_reads(node: str) -> Callable[[float | None, float], Iterable[Event]]:
    """Events of a job with this one target."""
    return lambda _before, _reading: (Event(READS, {"node": node}),)


class Steady(random.Random):
    """No chance at all: always the middle."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


def poller(*jobs: Any, limit: int = 200_000, chance: random.Random | None = None, **parts: Any) -> Poller:
    page = Page(Catalogue((*KERNEL_FAMILIES, *FAMILIES, TOTAL_PEERS)), limit)
    return Poller("nodes", jobs, page, chance=chance or Steady(), **({"clock": virtual.clock} | parts))


@asynccontextmanager
async def running(poller: Poller) -> AsyncIterator[None]:
    """The poller runs for the length of the block, and is then cancelled."""
    task = asyncio.create_task(poller.run())
    try:
        yield
        assert not task.done(), "the poller has ended by itself"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def up(poller: Poller, name: str) -> float | None:
    return sample(poller.render(), "occ_target_up", target=f"eth/{name}")


def peers(poller: Poller, name: str) -> float | None:
    return sample(poller.render(), "rpc_peers", node=name)


def errors(poller: Poller, name: str) -> dict[str, float]:
    """The target's errors by reason, those that happened."""
    body = poller.render()
    found = {reason: sample(body, "occ_target_errors_total", target=f"eth/{name}", reason=reason) for reason in Reason}
    return {str(reason): value for reason, value in found.items() if value}
