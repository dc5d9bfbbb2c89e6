"""What the engine is told and remembers. Nothing here waits; time is not its matter."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import Any

from .faults import Fault, Faults


class RefusalError(Exception):
    """What the engine does not do, and the HTTP status that says so."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Order:
    """One thing that the engine is told to do. `key` names it: the same key is the same thing, and is done once.

    `fence` grows with whoever is in charge: what comes from one who was before, comes too late.
    """

    key: str
    fence: int
    verb: str
    body: Mapping[str, Any]
    name: str = ""
    version: str | None = None

    @property
    def digest(self) -> str:
        told = json.dumps([self.verb, self.name, self.version, dict(self.body)], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()


@dataclass(frozen=True)
class Operation:
    """An order that was heard: whether it took effect, and what was answered."""

    digest: str
    applied: bool
    status: int
    answer: Mapping[str, Any]


@dataclass
class Parameter:
    """A number within bounds; `version` goes up with every change."""

    value: str
    low: str
    high: str
    version: int = 1

    def shown(self) -> dict[str, Any]:
        return {"value": self.value, "version": str(self.version), "min": self.low, "max": self.high}


def _standard() -> dict[str, Parameter]:
    return {"max_order_usd": Parameter("25000", "0", "100000"), "quote_width_bps": Parameter("4.5", "1", "50")}


@dataclass
class Engine:
    """`markets` are symbols by venue. With `file` all that it is told outlives it: an order is answered once it is there."""

    markets: Mapping[str, tuple[str, ...]]
    parameters: dict[str, Parameter] = field(default_factory=_standard)
    file: Path | None = None
    halted: set[str] = field(default_factory=set)
    flat: set[str] = field(default_factory=set)
    killed: bool = False
    fence: int = 0
    operations: dict[str, Operation] = field(default_factory=dict)
    effects: Counter[str] = field(default_factory=Counter)
    received: Counter[str] = field(default_factory=Counter)
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        if self.file and self.file.exists():
            self._recall(json.loads(self.file.read_text()))

    def quoting(self, venue: str) -> bool:
        return not self.killed and venue not in self.halted and self.faults.own is not Fault.STOPPED

    def take(self, order: Order, *, forgetful: bool = False) -> Operation:
        """Does it, once; raises RefusalError. `forgetful`: does it again each time it is told to, as an engine without keys."""
        self.received[order.key] += 1
        known = None if forgetful else self.operations.get(order.key)
        if known:
            return _same(known, order)
        if order.fence < self.fence:
            raise RefusalError(
                HTTPStatus.PRECONDITION_FAILED, "another has taken over: the fence is lower than one seen before"
            )
        self.fence = order.fence
        operation = self._done(order)
        self.operations[order.key] = operation
        self.effects[order.key] += operation.applied
        self._keep()
        return operation

    def _done(self, order: Order) -> Operation:
        try:
            answer = _VERBS[order.verb](self, order)
        except RefusalError as refusal:
            return Operation(order.digest, applied=False, status=refusal.status, answer={"error": str(refusal)})
        return Operation(order.digest, applied=True, status=HTTPStatus.OK, answer=answer)

    def _halt(self, order: Order) -> dict[str, Any]:
        self.halted.add(self._venue(order))
        return self._shown(order)

    def _flatten(self, order: Order) -> dict[str, Any]:
        """Halted there as well, for who quotes gets a position again."""
        self.flat.add(self._venue(order))
        return self._halt(order)

    def _resume(self, order: Order) -> dict[str, Any]:
        self.halted.discard(self._venue(order))
        self.flat.discard(self._venue(order))
        return self._shown(order)

    def _kill(self, order: Order) -> dict[str, Any]:
        if not isinstance(on := order.body.get("on"), bool):
            raise RefusalError(HTTPStatus.UNPROCESSABLE_ENTITY, "on: expected true or false")
        self.killed = on
        return {"on": on}

    def _set(self, order: Order) -> dict[str, Any]:
        if (parameter := self.parameters.get(order.name)) is None:
            raise RefusalError(HTTPStatus.NOT_FOUND, f"parameters: {', '.join(self.parameters)}")
        if order.version != str(parameter.version):
            raise RefusalError(HTTPStatus.PRECONDITION_FAILED, "it has another version by now")
        value = order.body.get("value")
        if not isinstance(value, str) or not _within(value, parameter):
            raise RefusalError(HTTPStatus.UNPROCESSABLE_ENTITY, f"value: {parameter.low} to {parameter.high}, a string")
        parameter.value, parameter.version = value, parameter.version + 1
        return parameter.shown()

    def _venue(self, order: Order) -> str:
        if (venue := order.body.get("venue")) not in [*self.markets]:
            raise RefusalError(HTTPStatus.UNPROCESSABLE_ENTITY, f"venue: one of {', '.join(self.markets)}")
        return str(venue)

    def _shown(self, order: Order) -> dict[str, Any]:
        venue = self._venue(order)
        return {"venue": venue, "quoting": self.quoting(venue)}

    # --- what outlives it ---

    def _keep(self) -> None:
        if self.file is None:
            return
        kept = {
            "halted": sorted(self.halted),
            "flat": sorted(self.flat),
            "killed": self.killed,
            "fence": self.fence,
            "parameters": {name: vars(parameter) for name, parameter in self.parameters.items()},
            "operations": {key: vars(operation) for key, operation in self.operations.items()},
            "effects": self.effects,
        }
        fresh = self.file.with_suffix(".new")
        with fresh.open("w") as file:
            json.dump(kept, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.file)

    def _recall(self, kept: Mapping[str, Any]) -> None:
        self.halted, self.flat = set(kept["halted"]), set(kept["flat"])
        self.killed, self.fence = kept["killed"], kept["fence"]
        self.parameters = {name: Parameter(**parameter) for name, parameter in kept["parameters"].items()}
        self.operations = {key: Operation(**operation) for key, operation in kept["operations"].items()}
        self.effects = Counter(kept["effects"])


_VERBS: Mapping[str, Callable[[Engine, Order], dict[str, Any]]] = {
    "halt": Engine._halt,  # noqa: SLF001 - of this module
    "resume": Engine._resume,  # noqa: SLF001
    "flatten": Engine._flatten,  # noqa: SLF001
    "kill-switch": Engine._kill,  # noqa: SLF001
    "set": Engine._set,  # noqa: SLF001
}


def _same(known: Operation, order: Order) -> Operation:
    if known.digest != order.digest:
        raise RefusalError(HTTPStatus.UNPROCESSABLE_ENTITY, "this key was something else before")
    return known


def _within(value: str, parameter: Parameter) -> bool:
    try:
        return Decimal(parameter.low) <= Decimal(value) <= Decimal(parameter.high)
    except ArithmeticError:
        return False
