"""Goal 17: the exchange exporter as a process with 200 books and their trades at 10 venues, on 2 cores with room left."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.goal_12_footprint import IMPORT, ROOT, resident, until_ready
from benchmarks.harness import Part, Result
from demo.processes import free_ports
from demo.venue.assets import listings, perpetuals

VENUES, OF_EACH_KIND = 10, 10
BOOKS = VENUES * 2 * OF_EACH_KIND
SECONDS = 30.0
SETTLING = 15.0
WITHIN = 180.0
"""Seconds in which all books are there: each venue gives them at the pace of its limit."""

LATE = "0.1"
"""A bucket of the loop's lag, in seconds: what comes later is felt by a scrape."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a page says, and what the process has used until then."""

    messages: float
    lagged: float
    timers: float
    gaps: float
    followed: int
    cpu: float
    at: float


def _config(base: str) -> str:
    books = [f'"{listing.name}"' for listing in (*listings(OF_EACH_KIND), *perpetuals(OF_EACH_KIND))]
    head = "scrape_interval: 1s\ndefaults: {silence: 60s}\nvenues:\n"
    return head + "".join(
        f"  - name: venue-{n}\n    exchange: binance\n    base_url: {base}/venue-{n}\n    rate_limit_share: 0.5\n"
        f"    symbols: {{books: [{', '.join(books)}], tickers: all}}\n"
        for n in range(VENUES)
    )


@contextmanager
def _process(*command: str) -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            yield process.pid
        finally:
            process.terminate()


@contextmanager
def _exporting(folder: str) -> Iterator[tuple[str, int, float]]:
    """The exporter's address, its process, and the seconds until it answered; the venues live beside it."""
    venues, port = free_ports(2)
    named = [part for n in range(VENUES) for part in ("--venue", f"venue-{n}=binance")]
    with _process("demo.venue", "--port", str(venues), "--symbols", str(OF_EACH_KIND), *named):
        until_ready(f"http://127.0.0.1:{venues}/-/ready")
        path = Path(folder) / "exchange.yml"
        path.write_text(_config(f"http://127.0.0.1:{venues}"))
        listen = ("--web.listen-address", f"127.0.0.1:{port}", "--log.level", "error")
        began = time.perf_counter()
        with _process("exporters.exchange", "--config", str(path), *listen) as pid:
            until_ready(f"http://127.0.0.1:{port}/-/healthy")
            yield f"http://127.0.0.1:{port}", pid, time.perf_counter() - began


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _seen(url: str, pid: int) -> _Seen:
    found: dict[str, float] = {}
    followed = 0
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:  # noqa: S310 - loopback
        for family in text_string_to_metric_families(answer.read().decode()):
            for sample in family.samples:
                name = sample.name + (f"/{sample.labels['le']}" if "le" in sample.labels else "")
                found[name] = found.get(name, 0.0) + sample.value
                followed += sample.name == "exchange_mid_price"
    return _Seen(
        messages=found.get("exchange_ws_message_gap_seconds_count", 0.0),
        lagged=found["occ_event_loop_lag_seconds_count"] - found[f"occ_event_loop_lag_seconds_bucket/{LATE}"],
        timers=found["occ_event_loop_lag_seconds_count"],
        gaps=found["exchange_book_sequence_gaps_total"],
        followed=followed,
        cpu=_cpu(pid),
        at=time.perf_counter(),
    )


def _imported() -> tuple[float, int]:
    """Seconds and bytes of a process that has imported ccxt and done nothing else."""
    code = f"{IMPORT.format('ccxt.pro')}; import sys; sys.stdout.flush(); sys.stdin.read()"
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = time.perf_counter() - began, resident(process.pid)
        process.communicate()
    return found


def _measured(url: str, pid: int) -> tuple[_Seen, _Seen]:
    """Before and after a while in which all books are followed and the page is scraped every second."""
    deadline = time.monotonic() + WITHIN
    while (seen := _seen(url, pid)).followed < BOOKS:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{seen.followed} of {BOOKS} books are there")
        time.sleep(1)
    time.sleep(SETTLING)
    before = after = _seen(url, pid)
    while after.at - before.at < SECONDS:
        time.sleep(1)
        after = _seen(url, pid)
        if after.followed < BOOKS:
            raise AssertionError(f"{BOOKS - after.followed} books were lost")
    return before, after


def run() -> Result:
    """A core is what one process can have at most; import and memory are compared with a process that only imports ccxt."""
    imports = [_imported() for _ in range(3)]
    import_seconds, import_bytes = (statistics.median(column) for column in zip(*imports, strict=True))
    with tempfile.TemporaryDirectory() as folder, _exporting(folder) as (url, pid, start):
        before, after = _measured(url, pid)
        size = resident(pid)
    elapsed = after.at - before.at
    cpu = (after.cpu - before.cpu) / elapsed
    late = (after.lagged - before.lagged) / (after.timers - before.timers)
    note = (
        f"{(after.messages - before.messages) / elapsed:,.0f} messages a second from {2 * BOOKS} streams, with "
        f"{after.gaps - before.gaps:.0f} gaps and no book lost in {elapsed:.0f} s; {size / 2**20:.0f} MiB beside the "
        f"{import_bytes / 2**20:.0f} that `import ccxt.pro` takes, an answer {start:.2f} s after the start beside {import_seconds:.2f} s."
    )
    parts = (
        Part("of a core:", cpu, 0.5, at_least=False),
        Part(f"loop late by more than {LATE} s:", 100 * late, 1, at_least=False, unit=" %"),
        Part("RSS:", size / import_bytes, 3, at_least=False),
        Part("start:", start / import_seconds, 3, at_least=False),
    )
    return Result(
        17,
        f"{BOOKS} books and their trades at {VENUES} venues: CPU, loop lag, RSS and start beside ccxt's",
        parts,
        note,
    )
