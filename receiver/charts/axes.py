"""Where the marks of an axis stand and what they say. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from receiver import clock

_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_STEPS = (60, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400)
_DAY = 86_400
LARGEST = 1e300
"""So that no sum or difference of two values is beyond what a float can hold."""
_ROOM, _ABOUT = 0.08, 0.1
"""Around values, as a part of what lies between them; around one value, as a part of itself."""
_SAME, _TINY = 1e-6, 1e-300
"""What differs by less is one value; what is less is none."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps `low` to the pixel `start` and `high` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Never beyond either end, however far the value is."""
        share = min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))
        return round(self.start + share * (self.end - self.start), 1)


def spread(values: Iterable[float]) -> tuple[float, float]:
    """The lowest and the highest of them with a little room; about zero where there is none."""
    found = list(values)
    if not found:
        return 0.0, 1.0
    low, high = min(found), max(found)
    apart, largest = high - low, max(abs(low), abs(high))
    room = apart * _ROOM if apart > largest * _SAME else largest * _ABOUT
    room = max(room, 1.0 if largest < _TINY else 0.0)
    return low - room, high + room


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers between the two: multiples of 1, 2 or 5 times a power of ten. After P. Heckbert, Graphics Gems, 1990."""
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= raw * 0.999)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [count * step for count in range(first, last + 1)]


def hours(start: float, end: float, most: int) -> list[float]:
    """Whole minutes, hours or days between two instants, Unix seconds."""
    step = next((step for step in _STEPS if (end - start) / step <= most), _DAY)
    return [float(at) for at in range(math.ceil(start / step) * step, math.floor(end) + 1, step)]


def number(value: float) -> str:
    """Three or four digits, as in 0.05, 1.25k or -3M."""
    size, prefix = next(((size, prefix) for size, prefix in _PREFIXES if abs(value) >= size), (1.0, ""))
    return f"{value / size:.4g}{prefix}"


def minute(at: float) -> str:
    """A time of day, UTC; at midnight the day."""
    day, time = clock.readable(int(at) * clock.SECOND).split()[:2]
    return day[5:] if at % _DAY == 0 else time[:5]
