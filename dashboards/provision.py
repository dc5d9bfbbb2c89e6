"""What Grafana needs to show the boards that are already generated: no grafanalib, no rules, no catalogue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from .kit.addresses import Addresses

_HERE = Path(__file__).parent
GENERATED = _HERE / "generated"
SHIPPED = _HERE / "provisioning"
"""The files as docker compose mounts them."""

BOARDS = "boards"


def write(folder: Path, *, prometheus_url: str, scrape_interval: str, addresses: Addresses) -> None:
    """Writes a provisioning folder for a Grafana on this machine (`GF_PATHS_PROVISIONING`), with the boards in it.

    `scrape_interval` is Prometheus' own, as `15s`.
    """
    boards = folder / BOARDS
    boards.mkdir(parents=True, exist_ok=True)
    for generated in sorted(GENERATED.glob("*.json")):
        board = addressed(json.loads(generated.read_text(encoding="utf-8")), addresses)
        text = json.dumps(board, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        (boards / generated.name).write_text(text, encoding="utf-8")
    datasources, providers = _shipped("datasources"), _shipped("dashboards")
    (datasource,), (provider,) = datasources["datasources"], providers["providers"]
    datasource["url"] = _literal(prometheus_url)
    datasource["jsonData"]["timeInterval"] = scrape_interval
    provider["options"]["path"] = _literal(str(boards.absolute()))
    _write(folder / "datasources/occ.yml", datasources)
    _write(folder / "dashboards/occ.yml", providers)


def addressed(board: dict[str, Any], addresses: Addresses) -> dict[str, Any]:
    """The board with links that lead there."""
    urls = {"occ_url": addresses.occ_url, "repo_url": addresses.repo_url}
    listed = [_set(variable, urls) for variable in board["templating"]["list"]]
    return {**board, "templating": {"list": listed}}


def _set(variable: dict[str, Any], urls: dict[str, str]) -> dict[str, Any]:
    if variable["type"] != "constant":
        return variable
    url = urls[variable["name"]]
    chosen = {**variable["current"], "text": url, "value": url}
    return {**variable, "query": url, "current": chosen, "options": [chosen]}


def _shipped(name: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((SHIPPED / name / "occ.yml").read_text(encoding="utf-8"))
    return read


def _literal(value: str) -> str:
    """Grafana replaces `$NAME` in these files from its environment; `$$` is a dollar."""
    return value.replace("$", "$$")


def _write(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
