"""Goal 12: memory of the ready nodes and pools exporters with the example configurations, and import times, against `import web3`."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from benchmarks.harness import ROUNDS, Part, Result
from benchmarks.peers import python_with_peers
from demo.processes import free_ports

ROOT = Path(__file__).parent.parent
EXPORTERS = "nodes", "pools"
IMPORT = "import time; began = time.perf_counter(); import {}; print(time.perf_counter() - began)"


def _import_seconds(python: str, module: str) -> float:
    done = subprocess.run([python, "-c", IMPORT.format(module)], capture_output=True, text=True, check=True, cwd=ROOT)
    return float(done.stdout)


def resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _web3_resident(python: str) -> int:
    code = "import web3, sys; print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen([python, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        size = resident(process.pid)
        process.communicate()
    return size


def _exporter_resident(name: str) -> int:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", f"exporters.{name}", "--config", str(ROOT / f"config/{name}.yml")]
    command += ["--web.listen-address", f"127.0.0.1:{port}", "--log.level", "error"]
    environment = {**os.environ, "ALCHEMY_KEY": "not-a-real-key"}
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, cwd=folder, env=environment) as process,
    ):
        try:
            until_ready(f"http://127.0.0.1:{port}/-/ready")
            return resident(process.pid)
        finally:
            process.terminate()


def until_ready(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - loopback
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise TimeoutError(url)


def run() -> Result:
    """Memory of one process each, import times as a median of rounds."""
    peers = python_with_peers()
    parts = []
    for name in EXPORTERS:
        memory = statistics.median(_exporter_resident(name) / _web3_resident(peers) for _ in range(3))
        imports = statistics.median(
            _import_seconds(sys.executable, f"exporters.{name}.__main__") / _import_seconds(peers, "web3")
            for _ in range(ROUNDS)
        )
        parts += [
            Part(f"{name}, RSS:", memory, 0.9, at_least=False),
            Part(f"{name}, import:", imports, 0.5, at_least=False),
        ]
    what = "RSS when ready with the example config, and import time, against `import web3`"
    return Result(12, f"{' and '.join(EXPORTERS)}: {what}", tuple(parts))
