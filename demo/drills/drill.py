"""What a drill is."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from demo.answers import Answer
from demo.faults import Fault

Alert = tuple[str, str]
"""Name and entity."""

VenueFault = tuple[str, Mapping[str, str]]
"""Its name, and its particulars: of which symbol, how bad."""


@dataclass(frozen=True)
class Drill:
    """A fault, and what must come of it.

    `breaks` is the fault of each node and canary, `venues` that of each venue, `market` that of the chain with the pools
    (`demo/pools.py`), `engine` that of the desk's engine; `halts` whether the chain itself makes no block meanwhile. `fires` must
    reach the receiver within `threshold` seconds, which are real, plus `rules` seconds, which are those of the shipped rules and divided by the demo's
    time scale. `pages` of those must reach the pager. `mutes` must fire and reach nobody. What `follows` may fire as well;
    anything else must not. All is as it was `recovers` seconds after the end of the fault, at most, but for what `lasts` because
    its rule looks back for long.

    `answer` is what is done about the alert `to`, and what must come of it; `frozen` whether everything is frozen meanwhile.
    """

    name: str
    story: str
    fires: frozenset[Alert]
    breaks: Mapping[str, Fault] = field(default_factory=dict)
    venues: Mapping[str, VenueFault] = field(default_factory=dict)
    halts: bool = False
    market: str = ""
    engine: str = ""
    pages: frozenset[str] = frozenset()
    mutes: frozenset[Alert] = frozenset()
    follows: frozenset[str] = frozenset()
    lasts: frozenset[Alert] = frozenset()
    answer: Answer | None = None
    to: Alert = ("", "")
    frozen: bool = False
    threshold: float = 5
    rules: float = 240
    recovers: float = 120

    def within(self, scale: float) -> float:
        """Seconds from the fault to the receiver, at most."""
        return self.threshold + self.rules / scale
