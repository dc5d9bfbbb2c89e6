"""Goal 1: all values of a page change and it is written, against `generate_latest` on the same samples."""

from __future__ import annotations

from prometheus_client import generate_latest

from benchmarks.harness import Part, Result, ratio
from benchmarks.pages import Ours, Theirs


def _against(jobs: int, width: int, targets: int) -> float:
    ours, theirs = Ours(jobs, width, targets), Theirs(jobs, width, targets)
    ours.change(jobs)
    assert len(ours.write().splitlines()) == len(generate_latest(theirs.registry).splitlines())

    def all_changed() -> None:
        ours.change(jobs)
        ours.write()

    return ratio(lambda: generate_latest(theirs.registry), all_changed)


def run() -> Result:
    """100k series of 100 jobs with 10 families each; and 500 targets with 40 families in one job."""
    return Result(
        1,
        "render 100k series of 100 jobs x 10 families, all values changed; and 500 targets x 40 families in one job, both "
        "against generate_latest, our update of the values included",
        (
            Part("100 x 10:", _against(100, 10, 100), 60, at_least=True),
            Part("500 x 40:", _against(1, 40, 500), 12, at_least=True),
        ),
    )
