"""`make bench`: runs every goal, prints goal, measured and verdict, and writes RESULTS.md."""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import importlib.metadata
import logging
import os
import platform
import sys
import traceback
from pathlib import Path

from benchmarks.harness import ROUNDS, Result
from benchmarks.peers import BATCHING_PEERS, PEERS

HERE = Path(__file__).parent
SCRIPTS = {int(path.stem.split("_")[1]): path.stem for path in sorted(HERE.glob("goal_*.py"))}
VERSIONS = ("prometheus-client", "aiohttp", "orjson", "isal", "ccxt")

_HEAD = """\
# Results

Written by `make bench` on {date}: {machine} at a load of {load:.1f}, Python {python}; {versions}. Ratios of two things measured in turn in one run;
the median of {rounds} rounds unless the script says otherwise.

| # | what | goal | measured | verdict |
| --- | --- | --- | --- | --- |
"""


def _machine() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB"


def _written(results: list[Result]) -> str:
    versions = ", ".join(
        [*(f"{name} {importlib.metadata.version(name)}" for name in VERSIONS), *PEERS, *BATCHING_PEERS]
    )
    date = dt.datetime.now(dt.UTC).date()
    head = _HEAD.format(
        date=date,
        machine=_machine(),
        load=os.getloadavg()[2],
        python=platform.python_version(),
        versions=versions,
        rounds=ROUNDS,
    )
    notes = "".join(f"\n{result.number}: {result.note}\n" for result in results if result.note)
    return head + "".join(result.row() + "\n" for result in results) + notes


def main() -> int:
    """Exit code 1 when a goal is short or a script failed."""
    logging.disable()  # dead nodes are part of what is measured
    parser = argparse.ArgumentParser(
        prog="make bench", description="Measures the goals as ratios against peers and limits."
    )
    parser.add_argument(
        "goals", nargs="*", type=int, choices=[*SCRIPTS, []], help="only these; RESULTS.md is then left alone"
    )
    wanted = parser.parse_args().goals or list(SCRIPTS)
    results = list(filter(None, map(_measured, wanted)))
    if len(results) < len(wanted):
        print("bench: not all scripts ran to their end; RESULTS.md is left as it was", file=sys.stderr)
    elif wanted == list(SCRIPTS):
        (HERE / "RESULTS.md").write_text(_written(results))
    return 0 if len(results) == len(wanted) and all(result.reached for result in results) else 1


def _measured(number: int) -> Result | None:
    """What a script has found, which is printed; None where it failed, and then the others are still measured."""
    try:
        result: Result = importlib.import_module(f"benchmarks.{SCRIPTS[number]}").run()
    except Exception:  # noqa: BLE001 - the others are measured all the same, and none is called reached
        traceback.print_exc()
        print(f"{number}: failed", flush=True)
        return None
    print(result.told(), flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
