"""Grafana with the boards, where there is one on this machine: it is the one part that the demo can do without."""

from pathlib import Path

from dashboards import provision
from dashboards.kit.addresses import Addresses

from .processes import Part

_PACKAGED = Path("/usr/share/grafana")


def grafana_part(binary: Path, address: str, folder: Path) -> Part:
    """Grafana at HOST:PORT with all that it writes in a folder, where `write` has been; whoever comes may look."""
    host, _, port = address.partition(":")
    serve: list[str | Path] = ["server"] if binary.name == "grafana" else []
    environment = {
        "GF_SERVER_HTTP_ADDR": host,
        "GF_SERVER_HTTP_PORT": port,
        "GF_PATHS_DATA": str(folder / "data"),
        "GF_PATHS_LOGS": str(folder / "logs"),
        "GF_PATHS_PLUGINS": str(folder / "plugins"),
        "GF_PATHS_PROVISIONING": str(folder / "provisioning"),
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
    }
    command = [binary, *serve, "--homepath", _home(binary)]
    return Part("grafana", command, f"http://{address}/api/health", environment=environment)


def write(folder: Path, *, prometheus: str, occ_url: str, repo_url: str) -> None:
    """What Grafana reads when it starts: the data source and the boards. The demo scrapes every second."""
    addresses = Addresses(occ_url=occ_url, repo_url=repo_url)
    provision.write(folder / "provisioning", prometheus_url=prometheus, scrape_interval="1s", addresses=addresses)


def _home(binary: Path) -> Path:
    """Where its pages are: above `bin` in an unpacked archive, else where packages have them."""
    above = binary.resolve().parent.parent
    return above if (above / "public").is_dir() else _PACKAGED
