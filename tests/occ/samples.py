"""A page as values, as Prometheus' own parser reads it."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

Key = tuple[str, frozenset[tuple[str, str]]]


def parsed(body: bytes) -> dict[Key, float]:
    """The samples of a page, by name and labels. Fails where one is there twice, or a family is not in one piece."""
    return _gathered(text_string_to_metric_families(body.decode()))


def openmetrics_parsed(body: bytes) -> dict[Key, float]:
    """The same of a page in OpenMetrics, of which the parser refuses what is not of the format."""
    return _gathered(openmetrics_families(body.decode()))  # type: ignore[no-untyped-call]


def _gathered(metrics: Iterable[Metric]) -> dict[Key, float]:
    found: dict[Key, float] = {}
    families: list[str] = []
    for family in metrics:
        families.append(family.name)
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"twice on the page: {key}"
            found[key] = sample.value
    assert len(set(families)) == len(families), "a family stands in two places"
    return found


def sample(body: bytes, name: str, **labels: str) -> float | None:
    """The value of the one sample that has these labels; None when there is none."""
    wanted = labels.items()
    values = [value for (known, have), value in parsed(body).items() if known == name and wanted <= set(have)]
    assert len(values) <= 1, f"{name}{labels} is not one sample but {len(values)}"
    return values[0] if values else None


def rows(body: bytes, name: str) -> dict[str, float]:
    """The values of a family by the one label that tells its samples apart, or by all labels where several do."""
    chosen = {have: value for (known, have), value in parsed(body).items() if known == name}
    common = frozenset.intersection(*chosen) if len(chosen) > 1 else frozenset()
    return {",".join(value for _, value in sorted(have - common)): value for have, value in chosen.items()}
