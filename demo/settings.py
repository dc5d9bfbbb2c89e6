"""The configuration of every part, as documents: the shipped files with this run's addresses and one time scale."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import timescale
from .chain import CHAIN_ID

Document = dict[str, Any]

CHAIN = "local"
OCC = "occ"  # the one receiver of the shipped routes that is left something to send to


def nodes(addresses: Mapping[str, str], canaries: Mapping[str, str]) -> Document:
    """nodes.yml: one chain, seen through nodes of as many providers, HOST:PORT by name; and the canaries' URLs."""
    seen_through = [
        {"name": name, "provider": name, "url": f"http://{address}", "ws_url": f"ws://{address}"}
        for name, address in addresses.items()
    ]
    chain = {
        "name": CHAIN,
        "family": "evm",
        "chain_id": CHAIN_ID,
        "block_time": "1s",
        "labels": {"team": "demo", "tier": "1"},
        "nodes": seen_through,
    }
    defaults = {"interval": "1s", "timeout": "900ms", "stale_after": "10s", "silence": "5s"}
    egress = [{"name": name, "url": url} for name, url in canaries.items()]
    return {"scrape_interval": "1s", "defaults": defaults, "egress": egress, "chains": [chain]}


def receiver(database: Path, token: Path, *, own: str, prometheus: str, alertmanager: str) -> Document:
    """receiver.yml."""
    return {
        "database": f"sqlite:///{database}",
        "external_url": own,
        "prometheus": {"url": prometheus},
        "alertmanager": {"url": alertmanager},
        "ingest": {"bearer": {"file": str(token)}},
    }


def prometheus(shipped: Document, rules: Path, jobs: Mapping[str, str], *, urls: Mapping[str, str]) -> Document:
    """Every second, instead of the shipped 15; `jobs` are addresses, HOST:PORT, by name.

    `urls` are what links lead to; without a Grafana they lead to Prometheus' own graphs.
    """
    labels = {name: value for name, value in shipped["global"]["external_labels"].items() if not name.endswith("_url")}
    labels |= urls
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s", "external_labels": labels},
        "rule_files": [f"{rules}/*.yml"],
        "alerting": {**shipped["alerting"], "alertmanagers": [_static(jobs["alertmanager"])]},
        "scrape_configs": [{"job_name": name, **_static(address)} for name, address in jobs.items()],
    }


def _static(address: str) -> Document:
    return {"static_configs": [{"targets": [address]}]}


def alertmanager(shipped: Document, factor: float, *, webhook: str, token: Path, pager: str) -> Document:
    """The shipped routes on the demo's time scale. Pages go to the demo's own pager, and what is neither that nor OCC's is
    emptied: nothing leaves the machine.
    """
    receivers = [_kept(each, webhook, token, pager) for each in shipped["receivers"]]
    if not any(each["name"] == OCC for each in receivers):
        raise ValueError(f"the shipped alertmanager.yml has no receiver {OCC}")
    kept: Document = {key: shipped[key] for key in ("inhibit_rules", "time_intervals") if key in shipped}
    return {"route": timescale.routing(shipped["route"], factor), "receivers": receivers, **kept}


def _kept(shipped: Document, webhook: str, token: Path, pager: str) -> Document:
    match shipped["name"]:
        case "occ":
            return _to_the_demo(shipped, webhook, token)
        case "pager":
            return {"name": "pager", "webhook_configs": [{"url": pager, "send_resolved": True}]}
        case name:
            return {"name": name}


def _to_the_demo(occ: Document, webhook: str, token: Path) -> Document:
    credentials = {"authorization": {"type": "Bearer", "credentials_file": str(token)}}
    shipped = occ["webhook_configs"][0]
    return {"name": OCC, "webhook_configs": [{**shipped, "url": webhook, "http_config": credentials}]}
