"""Checks of an exchange: one file each, named as under `checks` in the configuration and in the `check` label.

A check file defines

- `PER`: what its targets are: the `venue`, its `books` (symbols), its `tickers`, all its `symbols`, those of
  them that are `contracts`, the `prices` that are taken from it, or its `accounts`;
- `NEEDS`: of which methods of ccxt the venue must have at least one; where it has none, the check is not supported there,
  which is a fact (`exchange_check_supported` 0) and no target;
- `INTERVAL`: seconds between two reads unless the configuration says otherwise; None for that of the venue or the file;
- `Options(CheckOptions)`: what it may be tuned by;
- `FAMILIES`: what it shows;
- `async def read(source, targets, options) -> Mapping[Target, Reading | SourceError]`, where `source` is the venue; an
  outcome of None says that the venue does not offer this, and is not asked again for a while;
- `columns(readings)`, pure;

and, where it can do so,

- `STREAMS`, the method of ccxt by which `stream(source, targets, options)` follows one target;
- `events(before, reading)`, pure: what is to be counted;
- `TOGETHER = True`: one read asks for all targets at once;
- `DOLLARS = True`: its values are in dollars, so the first look waits a while for prices;
- `OWED = True`: that the venue does not offer it is no mere fact: the target is down, for what is not known is not safe.
"""

from __future__ import annotations

from typing import ClassVar

from occ.config import Timing

LOOK_SECONDS = 1.0
"""A stream is looked at once in so long, however many updates it tells: each is noted, but the levels are read, values computed
and columns written for a look, and a scrape comes more seldom than that.
"""

CONTRACT = ("PER", "NEEDS", "INTERVAL", "Options", "FAMILIES", "read", "columns")


class CheckOptions(Timing):
    """What every check may be tuned by: its timing.

    What is read rarely may by default take `longest_wait` seconds, which is to wait for answers: time that it waits for its turn within
    the rate limit is not counted (`occ.deadline`).
    """

    longest_wait: ClassVar[float] = 10.0

    @property
    def every(self) -> float | None:
        """Seconds between two reads, as configured."""
        return self.interval
