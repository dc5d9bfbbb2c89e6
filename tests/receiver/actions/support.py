"""An engine to act on, and attempts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.engine.faults import Befalls, Fault, Trouble
from demo.engine.server import Server
from demo.engine.state import Engine
from occ.config import Context, Model
from receiver import fill
from receiver.actions import Attempt, Step, Surroundings, TooLate, executors
from receiver.outgoing import Target
from receiver.why import Why

TOKEN = "t0ken-of-the-engine"
MARKETS = {"binance": ("BTC/USDT",), "deribit": ("BTC-PERPETUAL",)}


def targets(url: str, **more: Any) -> Surroundings:
    """Where the engine is."""
    written = {"url": url, "token": {"env": "TOKEN"}, "operations": "/operations"} | more
    context = Context(Path(), {"TOKEN": TOKEN})
    return Surroundings({"engine": Target.model_validate(written, context=context)})


def step(executor: str, options: dict[str, Any], **values: str) -> Step:
    """A step as the file has it, with parameters in place."""
    model: type[Model] = executors()[executor].Options
    return Step(0, executor, model.model_validate(fill.options(model, options, values), context=Context.none()))


def attempt(
    key: str = "k" * 64, *, fence: int = 1, left: float = 20.0, final: bool = False, why: Why | None = None
) -> Attempt:
    """One that may go, unless there is a reason why not."""

    async def clear() -> None:
        if why:
            raise TooLate(why)

    return Attempt(key, fence, clear, lambda: left, lambda: final)


@dataclass
class Desk:
    """A real engine, and the surroundings that lead to it."""

    server: Server
    surroundings: Surroundings

    @property
    def engine(self) -> Engine:
        return self.server.engine

    def fails(self, fault: Fault, befalls: Befalls = Befalls.CHANGES, **more: Any) -> None:
        self.server.faults.set(Trouble(fault, befalls, **more))


@asynccontextmanager
async def desk(**target: Any) -> AsyncIterator[Desk]:
    async with Server(Engine(MARKETS), token=TOKEN) as server:
        yield Desk(server, targets(server.url, **target))
