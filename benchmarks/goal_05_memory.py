"""Goal 5: heap per series against `prometheus_client`, after the page was written once."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

from prometheus_client import generate_latest

from benchmarks.harness import Part, Result
from benchmarks.pages import Ours, Theirs

SHAPE = (20, 10, 100)


def _heap(make: Callable[[], object]) -> float:
    """Bytes per series that are still there when all is made."""
    gc.collect()
    tracemalloc.start()
    kept = make()
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept is not None
    return size / (SHAPE[0] * SHAPE[1] * SHAPE[2])


def _ours() -> Ours:
    ours = Ours(*SHAPE)
    ours.change(SHAPE[0])
    ours.write()
    return ours


def _theirs() -> Theirs:
    theirs = Theirs(*SHAPE)
    theirs.setters.clear()
    generate_latest(theirs.registry)
    return theirs


def run() -> Result:
    """One figure: our bytes per series by theirs, the written page that is kept for the next scrape included."""
    ours, theirs = _heap(_ours), _heap(_theirs)
    what = f"heap per series against prometheus_client ({ours:.0f} against {theirs:.0f} bytes)"
    return Result(5, what, (Part("", ours / theirs, 0.4, at_least=False),))
