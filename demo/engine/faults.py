"""What can be wrong with the engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """One thing that goes wrong with what the engine is told or asked. `commit_then_…` takes effect first."""

    DROP = "drop"  # the connection is closed without an answer
    COMMIT_THEN_DROP = "commit_then_drop"
    HANG = "hang"  # no answer, ever
    COMMIT_THEN_HANG = "commit_then_hang"
    ERROR = "error"  # 500
    COMMIT_THEN_ERROR = "commit_then_error"
    REFUSE = "refuse"  # `status`
    SLOW = "slow"  # takes effect, and answers, `seconds` late; also when nobody waits any more
    FORGETFUL = "forgetful"  # keys mean nothing to it: what is sent twice takes effect twice
    # of its own accord, whatever it is told
    SILENT = "silent"  # its main loop stands still, while its pages are served
    STOPPED = "stopped"  # it quotes nowhere any more, and its orders stand
    RUNAWAY = "runaway"  # it places orders without end wherever it quotes
    MISSED_FILLS = "missed_fills"  # it does not hear of what it bought, and buys it again
    STRAY = "stray"  # it has orders in a symbol that it was not given

    @property
    def commits(self) -> bool:
        """Whether what it is told takes effect before the fault does."""
        return self.startswith("commit_then")

    @property
    def own(self) -> bool:
        """Whether it befalls what the engine does by itself."""
        return self in (Fault.SILENT, Fault.STOPPED, Fault.RUNAWAY, Fault.MISSED_FILLS, Fault.STRAY)


class Befalls(StrEnum):
    """What a fault befalls."""

    CHANGES = "changes"
    OPERATIONS = "operations"  # questions about a key
    PARAMETERS = "parameters"  # questions about a parameter
    ITSELF = "itself"  # what it does of its own accord


@dataclass
class Trouble:
    """A fault, what it befalls, and how many times yet; for ever without a number."""

    fault: Fault
    befalls: Befalls = Befalls.CHANGES
    times: int | None = None
    seconds: float = 2.0
    status: int = 403

    @classmethod
    def of(cls, fault: str, query: Mapping[str, str]) -> "Trouble":
        """From a path and a query; ValueError where one of them is not ours."""
        if unknown := query.keys() - {"befalls", "times", "seconds", "status"}:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        what = Fault(fault)
        return cls(
            what,
            Befalls.ITSELF if what.own else Befalls(query.get("befalls", Befalls.CHANGES)),
            int(query["times"]) if "times" in query else None,
            float(query.get("seconds", "2")),
            int(query.get("status", "403")),
        )


@dataclass
class Faults:
    """Those that are set, at most one for each thing that is befallen."""

    standing: dict[Befalls, Trouble] = field(default_factory=dict)

    def set(self, trouble: Trouble) -> None:
        self.standing[trouble.befalls] = trouble

    def clear(self) -> None:
        self.standing.clear()

    @property
    def own(self) -> Fault | None:
        """What is wrong with what the engine does of its own accord."""
        trouble = self.standing.get(Befalls.ITSELF)
        return trouble.fault if trouble else None

    def strike(self, what: Befalls) -> Trouble | None:
        """The fault that befalls this request, counted."""
        trouble = self.standing.get(what)
        if trouble and trouble.times is not None:
            trouble.times -= 1
            if trouble.times <= 0:
                del self.standing[what]
        return trouble
