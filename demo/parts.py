"""Where the real parts are: Prometheus, Alertmanager, their tools, a local EVM chain, and a Grafana where there is one.

And the browser that the pages are tested in.
"""

import functools
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from .relocate import relocated

ROOT = Path(__file__).resolve().parent.parent

# The variable that names a server's binary; its tool is looked for beside it.
_VARIABLES = {
    "prometheus": "PROMETHEUS",
    "promtool": "PROMETHEUS",
    "alertmanager": "ALERTMANAGER",
    "amtool": "ALERTMANAGER",
}
_CPUS = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_VERSION = re.compile(r"version:? (\d+)\.(\d+)\.(\d+)", re.IGNORECASE)


class MissingPart(Exception):  # noqa: N818 - it names what is the matter, as FileNotFoundError would
    """A binary is not there; the message is one line that says what to run."""


def locate(name: str) -> Path:
    """The binary of `prometheus`, `promtool`, `alertmanager`, `amtool` or `anvil`.

    In this order: what PROMETHEUS or ALERTMANAGER name, a newer one on PATH, what `make setup` fetched.
    """
    if name == "anvil":
        return _anvil()
    if name not in _VARIABLES:
        raise ValueError(f"no part is called {name}")
    found = _named(name) or _fetched_or_newer(name)
    if found is None:
        raise MissingPart(f"{name} is missing: run `make setup`, or set {_VARIABLES[name]} to its binary")
    return found


def script(path: str) -> list[Path]:
    """The command that runs a script of an npm package: Node.js, and the script by its path under `node_modules`."""
    node, file = shutil.which("node"), ROOT / "node_modules" / path
    if node is None or not file.is_file():
        raise MissingPart(f"{path} or Node.js is missing: run `make setup`")
    return [Path(node), file]


def grafana() -> Path | None:
    """Grafana's server, by GRAFANA or on PATH; it is the one part that may be absent."""
    if named := os.environ.get("GRAFANA"):
        return _existing("GRAFANA", named)
    return next((Path(found) for name in ("grafana", "grafana-server") if (found := shutil.which(name))), None)


def chromium() -> Path:
    """The browser that the receiver's pages are tested in: what CHROMIUM names, else Debian's."""
    if named := os.environ.get("CHROMIUM"):
        return _existing("CHROMIUM", named)
    if found := shutil.which("chromium"):
        return Path(found)
    raise MissingPart("chromium is missing: run `apt-get install chromium`, or set CHROMIUM to its binary")


def web_assets(prometheus: Path) -> Path | None:
    """The pages of Debian's Prometheus, which they keep outside the binary; others have none beside them."""
    beside = prometheus.parent.parent / "share/prometheus/web"
    return beside if beside.is_dir() else None


def version(binary: Path) -> tuple[int, ...]:
    """What the binary's `--version` says, as numbers; empty where it says none. Asked once per binary."""
    return _version(binary, binary.stat().st_mtime_ns)


@functools.cache
def _version(binary: Path, _modified: int) -> tuple[int, ...]:
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False)
    match = _VERSION.search(said.stdout + said.stderr)
    return tuple(map(int, match.groups())) if match else ()


def _named(name: str) -> Path | None:
    variable = _VARIABLES[name]
    if not (value := os.environ.get(variable)):
        return None
    server = _existing(variable, value)
    return server if name == variable.lower() else _in(server.parent, name)


def _existing(variable: str, value: str) -> Path:
    if (found := shutil.which(value)) is None:
        raise MissingPart(
            f"{variable} is set to {value}, which is no program: correct or unset it, then run `make setup`"
        )
    return Path(found).absolute()


def _fetched_or_newer(name: str) -> Path | None:
    ours, theirs = _in(ROOT / ".tools/usr/bin", name), _on_path(name)
    if ours and (theirs is None or version(theirs) <= version(ours)):
        return relocated(ours) if name == "alertmanager" else ours
    return theirs


def _in(folder: Path, name: str) -> Path | None:
    """Debian puts `prometheus-` before the names of what is not the server itself."""
    candidates = (folder / name, folder / f"prometheus-{name}")
    return next((path for path in candidates if shutil.which(path)), None)


def _on_path(name: str) -> Path | None:
    found = shutil.which(name) or shutil.which(f"prometheus-{name}")
    return Path(found).absolute() if found else None


def _anvil() -> Path:
    system, cpu = platform.system().lower(), _CPUS.get(platform.machine().lower(), platform.machine())
    binary = ROOT / f"node_modules/@foundry-rs/anvil-{system}-{cpu}/bin/anvil"
    if not shutil.which(binary):
        raise MissingPart(f"anvil for {system}-{cpu} is missing: run `make setup`")
    return binary
