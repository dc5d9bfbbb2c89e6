"""Goal 2: one job of a hundred changes and the page is written."""

from __future__ import annotations

from prometheus_client import generate_latest

from benchmarks.harness import Part, Result, ratio
from benchmarks.pages import Ours, Theirs


def run() -> Result:
    """The page of goal 1, 1 % of it changed, against `generate_latest` and against a copy of its bytes."""
    ours, theirs = Ours(100, 10, 100), Theirs(100, 10, 100)
    ours.change(100)
    body = ours.write()

    def one_changed() -> None:
        ours.change(1)
        ours.write()

    return Result(
        2,
        "the same with one job (1 %) changed, against generate_latest and against a memcpy of the page",
        (
            Part(
                "generate_latest / ours:",
                ratio(lambda: generate_latest(theirs.registry), one_changed),
                300,
                at_least=True,
            ),
            Part("ours / memcpy:", ratio(one_changed, lambda: bytearray(body), rounds=21), 3, at_least=False),
        ),
    )
