"""What a chart shows. Instants are Unix seconds."""

from __future__ import annotations

from dataclasses import dataclass

from .axes import LARGEST

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One series: its values by instant, Unix seconds. `label` is what tells it from the others."""

    points: Points
    label: str = ""

    @property
    def drawn(self) -> Points:
        """Those that are numbers, and finite."""
        return tuple((at, value) for at, value in self.points if abs(value) <= LARGEST)


@dataclass(frozen=True, slots=True)
class Panel:
    """One condition: `value op bound`. `words` say why there is nothing to see, or not all of it."""

    value: str
    op: str = ""
    bound: str = ""
    lines: tuple[Line, ...] = ()
    bounds: tuple[Line, ...] = ()
    words: str = ""

    @property
    def title(self) -> str:
        return " ".join(f"{self.value} {self.op} {self.bound}".split())


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that was done, or came about, at an instant; Unix seconds."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn of an alert from `start` to `end`, Unix seconds, in steps of `step`. `words`: why there are no panels."""

    start: float
    end: float
    step: float
    panels: tuple[Panel, ...] = ()
    fired: tuple[tuple[float, float], ...] = ()
    marks: tuple[Mark, ...] = ()
    words: str = ""
