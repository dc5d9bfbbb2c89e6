"""The configuration of every part, as documents: the shipped files with this run's addresses and one time scale."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import timescale
from .chain import CHAIN_ID

Document = dict[str, Any]

CHAIN = "local"
NODES = ("alpha", "beta", "gamma")
CONTRACT = "BTC/USDT:USDT"
TRADED_MARKETS = ("spot", "linear")
"""Of what an account of Binance's has; the demo has no coin-margined contracts."""
TREASURY = "0x" + "a7" * 20
"""The one address that the desk withdraws to."""
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


def exchange(base_urls: Mapping[str, str], kinds: Mapping[str, str], key: Path, secret: Path, account: str) -> Document:
    """exchange.yml: the demo's venues, each by the exchange whose protocol it speaks; those of
    Binance also tell of their wallets, and of what is open, to a key of the account that only reads.
    """
    keys = {"api_key": {"file": str(key)}, "secret": {"file": str(secret)}}
    reader = {"name": account, **keys, "markets": [*TRADED_MARKETS], "withdraw_to": [TREASURY]}
    venues = [
        {"name": name, "exchange": kinds[name], "base_url": url, "rate_limit_share": 1, **_FOLLOWED[kinds[name]]}
        | {"labels": {"team": "demo", "tier": "1"}}
        | ({"accounts": [reader]} if kinds[name] == "binance" else {})
        for name, url in base_urls.items()
    ]
    (dollars,) = (name for name, kind in kinds.items() if kind == "kraken")
    return {
        "scrape_interval": "1s",
        "defaults": {"interval": "1s", "timeout": "1s", "stale_after": "10s", "silence": "4s"},
        "assets": {"BTC": ["XBT"]},
        "sizes_usd": [1000, 10000],
        "dollar_like": ["USD", "USDT", "USDC"],
        "prices": {asset: {"venue": dollars, "symbol": f"{asset}/USD"} for asset in ("USDT", "USDC", "BTC", "ETH")},
        "venues": venues,
    }


_CHECKS = {check: {"interval": "10s"} for check in ("clock", "status", "markets", "currencies", "prices")}

_ACCOUNT_CHECKS = {
    **{check: {"interval": "2s"} for check in ("orders", "margin")},
    **{check: {"interval": "3s"} for check in ("balances", "positions")},
    **{check: {"interval": "10s"} for check in ("key", "transfers", "funding", "open_interest")},
    # What these ask costs an account forty times what the others do.
    **{check: {"interval": "15s"} for check in ("unlisted_orders", "reductions", "settled_funding")},
}
"""Of what keys can see, and of contracts: much more often than usual, so that drills need not wait for it."""

_FOLLOWED: Mapping[str, Document] = {
    "binance": {
        "symbols": {"books": ["BTC/USDT", "ETH/USDT", CONTRACT]},
        "checks": {
            "order_book": {"poll": {"interval": "2s"}, "stale_after": "12s"},
            **_ACCOUNT_CHECKS,
            **_CHECKS,
        },
    },
    # One request a second is all that Kraken allows, and at its start a stream waits for its turn to ask for the markets.
    "kraken": {
        "symbols": {"books": ["BTC/USD"]},
        "silence": "10s",
        "checks": {
            "order_book": {"poll": {"interval": "4s"}, "stale_after": "12s"},
            **_CHECKS,
            **{check: {"interval": "30s"} for check in ("clock", "status", "currencies")},
            "markets": {"interval": "60s"},
        },
    },
}
"""What is followed of a venue by the exchange that it is, and how: on the demo's time scale, within its limits."""


def books(kind: str) -> tuple[str, ...]:
    """The symbols whose books are followed on a venue of this exchange."""
    return tuple(_FOLLOWED[kind]["symbols"]["books"])


def receiver(run: Path, secrets: Path, *, own: str, prometheus: str, alertmanager: str) -> Document:
    """receiver.yml: all of it in the run's folder."""
    return {
        "database": f"sqlite:///{run / 'receiver.db'}",
        "external_url": own,
        "prometheus": {"url": prometheus},
        "alertmanager": {"url": alertmanager},
        "ingest": {"bearer": {"file": str(secrets / "am_token")}},
        "mac_key": {"file": str(secrets / "receiver.mac")},
        "audit": {"signing_key": {"file": str(secrets / "audit.key")}, "checkpoints": str(run / "checkpoints")},
        "actions": "actions.yml",
        "policy": "policy.yml",
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
