"""The same samples in our page and in `prometheus_client`, to be changed and written."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge

from occ.metrics import Catalogue, Family, Kind
from occ.page import Column, Page

LABELS = ("chain", "node")


def families(count: int) -> list[Family]:
    """Gauges with names and help as long as they usually are."""
    return [
        Family(f"rpc_family_{n:02d}_seconds", Kind.GAUGE, "What this family is about.", LABELS) for n in range(count)
    ]


class Ours:
    """A page of `jobs` jobs, each with `width` families over `targets` targets."""

    def __init__(self, jobs: int, width: int, targets: int) -> None:
        self.families = families(width)
        self.page = Page(Catalogue(self.families), limit=10_000_000)
        self.rows = [
            tuple({"chain": f"chain-{job}", "node": f"provider-{target}"} for target in range(targets))
            for job in range(jobs)
        ]
        self._turn = 0

    def change(self, jobs: int) -> None:
        """New values in the first jobs."""
        self._turn += 1
        for job, rows in enumerate(self.rows[:jobs]):
            values = [1_700_000_000.123 + self._turn + n for n in range(len(rows))]
            self.page.put(job, [Column(family, rows, values) for family in self.families])

    def write(self) -> bytes:
        return self.page.render()


class Theirs:
    """The same in `prometheus_client`, by children kept at hand, which is its fastest way."""

    def __init__(self, jobs: int, width: int, targets: int) -> None:
        self.registry = CollectorRegistry()
        gauges = [Gauge(family.name, family.help, LABELS, registry=self.registry) for family in families(width)]
        self.setters: list[Callable[[float], None]] = [
            gauge.labels(f"chain-{job}", f"provider-{target}").set
            for job in range(jobs)
            for gauge in gauges
            for target in range(targets)
        ]
        for number, setter in enumerate(self.setters):
            setter(1_700_000_000.123 + number)
