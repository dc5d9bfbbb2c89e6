"""What a metric family is, and the catalogue of all that are declared.

Families are values. Nothing registers itself: a process collects the declarations of its parts into one `Catalogue`,
which refuses what Prometheus could not tell apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from occ.errors import CatalogueError, Reason

# The closed vocabulary of label names. Descriptive ones stand on `_info` families only.
LABELS = frozenset(
    """
    venue account symbol side band size_usd currency network base quote underlying expiry delta kind window
    status chain node provider method tag capability pool dex token position feed wallet contract event role
    severity source action origin outcome state phase reason exporter target check team tier hash version python
    """.split()  # noqa: SIM905 - forty words read better as a text than as a list
)
INFO_LABELS = LABELS | {"fee", "settle", "strike"}

PER_TARGET = frozenset(
    {"target", "node", "symbol", "account", "pool", "wallet", "contract", "feed", "position", "token"}
)
"""Labels of which there are as many values as things to read; a histogram has a dozen series for each."""

UPSTREAM_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upstream calls, 5 ms to 10 s."""

_NAME = re.compile(r"[a-z][a-z0-9_]*[a-z0-9]")
_RESERVED = {"_total": "counter", "_info": "info", "_bucket": None, "_sum": None, "_count": None, "_created": None}


class Kind(StrEnum):
    """The type of a family; info and stateset are gauges in the text format."""

    GAUGE = "gauge"
    COUNTER = "counter"
    INFO = "info"
    STATESET = "stateset"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Family:
    """A metric family: all that is known of it before there is a value.

    `name` is as exposed, `_total` and `_info` included. `values` closes the set of a label's values: such a label may be
    filled from what an upstream sent, and a counter's series exist at 0 from the first page on. `quiet` says that the
    family is rightly empty when all is well. With `entity`, rows carry the labels of their target besides.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    buckets: tuple[float, ...] = ()
    quiet: bool = False
    entity: bool = False

    def __post_init__(self) -> None:
        for complaint in _complaints(self):
            raise CatalogueError(f"{self.name}: {complaint}")

    @property
    def base(self) -> str:
        """The name that OpenMetrics knows the family by: without `_total` or `_info`."""
        return self.name.removesuffix("_total").removesuffix("_info")

    @property
    def domain(self) -> str:
        """The first word of the name: whose family it is."""
        return self.name.partition("_")[0]

    @property
    def series_names(self) -> tuple[str, ...]:
        """Every name that a sample of this family may have."""
        if self.kind is Kind.HISTOGRAM:
            return (f"{self.name}_bucket", f"{self.name}_sum", f"{self.name}_count")
        return (self.name,)


def _complaints(family: Family) -> Iterator[str]:
    if not _NAME.fullmatch(family.name):
        yield "not a metric name"
    for suffix, kind in _RESERVED.items():
        if family.name.endswith(suffix) != (family.kind == kind) and (kind or family.name.endswith(suffix)):
            yield f"`{suffix}` and the type {family.kind} do not go together"
    if not family.help or family.help != family.help.strip():
        yield "needs a help text"
    if family.unit and not family.base.endswith(f"_{family.unit}"):
        yield f"does not end with its unit {family.unit}"
    if unknown := set(family.labels) - (INFO_LABELS if family.kind is Kind.INFO else LABELS):
        yield f"labels outside the vocabulary: {', '.join(sorted(unknown))}"
    if stray := set(family.values) - set(family.labels):
        yield f"values for labels it does not have: {', '.join(sorted(stray))}"
    if bool(family.buckets) != (family.kind is Kind.HISTOGRAM):
        yield "buckets belong to histograms, and they to them"
    if family.kind is Kind.HISTOGRAM and (many := PER_TARGET & set(family.labels)):
        yield f"a histogram per {', '.join(sorted(many))} is too many series: there are gauges for that"


class Catalogue:
    """All families of a process, by name. Two families whose names meet in any format are refused."""

    def __init__(self, families: Iterable[Family] = ()) -> None:
        self._families: dict[str, Family] = {}
        self._taken: dict[str, str] = {}
        for family in families:
            self.add(family)

    def add(self, family: Family) -> None:
        """Takes a family in; the same value twice is one declaration."""
        if self._families.get(family.name) is family:
            return
        for name in {family.name, family.base, *family.series_names}:
            owner = self._taken.setdefault(name, family.name)
            if owner != family.name or family.name in self._families:
                raise CatalogueError(f"{family.name} clashes with {owner}: both are called {name}")
        self._families[family.name] = family

    def __contains__(self, name: object) -> bool:
        return name in self._families

    def __getitem__(self, name: str) -> Family:
        return self._families[name]

    def __iter__(self) -> Iterator[Family]:
        return iter(sorted(self._families.values(), key=lambda family: family.name))

    def __len__(self) -> int:
        return len(self._families)


_TARGET = ("exporter", "target", "check")
REASONS = tuple(Reason)

TARGET_CONFIGURED = Family(
    "occ_target_configured", Kind.GAUGE, "1 for everything that should be read.", _TARGET, entity=True
)
TARGET_UP = Family(
    "occ_target_up", Kind.GAUGE, "1 if the last read succeeded, else 0; 0 before the first.", _TARGET, entity=True
)
TARGET_STALE = Family(
    "occ_target_stale",
    Kind.GAUGE,
    "1 while the target's values are not shown because none is fresh enough, else 0.",
    _TARGET,
    entity=True,
)
TARGET_LAST_SUCCESS = Family(
    "occ_target_last_success_timestamp_seconds",
    Kind.GAUGE,
    "Unix time of the last successful read; absent until there was one.",
    _TARGET,
    unit="seconds",
    entity=True,
)
TARGET_LAST_ATTEMPT = Family(
    "occ_target_last_attempt_timestamp_seconds",
    Kind.GAUGE,
    "Unix time at which the last read began; absent until there was one.",
    _TARGET,
    unit="seconds",
    entity=True,
)
TARGET_ERRORS = Family(
    "occ_target_errors_total",
    Kind.COUNTER,
    "Failed reads by reason.",
    (*_TARGET, "reason"),
    values={"reason": REASONS},
    entity=True,
)
TARGET_INFO = Family(
    "occ_target_info",
    Kind.INFO,
    "Whose the target is and how much it matters, from the configuration; always 1.",
    ("exporter", "target", "team", "tier"),
    entity=True,
)
POLL_DURATION = Family(
    "occ_poll_duration_seconds",
    Kind.HISTOGRAM,
    "Time from the start of a read until its outcome is known.",
    ("exporter", "check"),
    unit="seconds",
    buckets=UPSTREAM_BUCKETS,
)
PHASES = ("dns", "connect", "tls", "first_byte", "total")
HTTP_DURATION = Family(
    "occ_http_request_duration_seconds",
    Kind.HISTOGRAM,
    "Phases of requests to upstreams: dns (a name looked up), connect (TCP), tls (its handshake), first_byte (from the "
    "request's head sent to the answer's head read), total (until the whole answer is read or the request has failed). "
    "A connection used again has the last two only; a WebSocket has the first three, when it opens.",
    ("exporter", "phase"),
    unit="seconds",
    values={"phase": PHASES},
    buckets=UPSTREAM_BUCKETS,
)
EVENT_LOOP_LAG = Family(
    "occ_event_loop_lag_seconds",
    Kind.HISTOGRAM,
    "How late a timer of the process fires: what anything in it may have to wait.",
    ("exporter",),
    unit="seconds",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0),
)
SERIES = Family("occ_series", Kind.GAUGE, "Series on the page from this check's readings.", ("exporter", "check"))
SERIES_LIMIT_EXCEEDED = Family(
    "occ_series_limit_exceeded_total",
    Kind.COUNTER,
    "Renderings in which series of this check were left out because of limits.series.",
    ("exporter", "check"),
)
EGRESS_UP = Family(
    "occ_egress_up",
    Kind.GAUGE,
    "1 if the canary answered anything over HTTP, else 0: with all canaries at 0 it is our own way out.",
    ("target",),
    quiet=True,
)
CONFIG_RELOADED = Family(
    "occ_config_last_reload_successful",
    Kind.GAUGE,
    "1 if the files of the configuration (--config and --web.config.file) are in force as last read; 0 while they are "
    "refused and the former ones stay in force.",
    ("exporter",),
)
CONFIG_RELOADED_AT = Family(
    "occ_config_last_reload_success_timestamp_seconds",
    Kind.GAUGE,
    "Unix time at which the configuration in force was loaded.",
    ("exporter",),
    unit="seconds",
)
CONFIG_INFO = Family(
    "occ_config_info",
    Kind.INFO,
    "SHA-256 (first 12 digits) of the configuration file in use; always 1.",
    ("exporter", "hash"),
)
BUILD_INFO = Family(
    "occ_build_info", Kind.INFO, "Versions of OCC and of Python; always 1.", ("exporter", "version", "python")
)

KERNEL_FAMILIES = (
    TARGET_CONFIGURED,
    TARGET_UP,
    TARGET_STALE,
    TARGET_LAST_SUCCESS,
    TARGET_LAST_ATTEMPT,
    TARGET_ERRORS,
    TARGET_INFO,
    POLL_DURATION,
    HTTP_DURATION,
    EVENT_LOOP_LAG,
    SERIES,
    SERIES_LIMIT_EXCEEDED,
    EGRESS_UP,
    CONFIG_RELOADED,
    CONFIG_RELOADED_AT,
    CONFIG_INFO,
    BUILD_INFO,
)
