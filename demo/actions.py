"""What can be done in the demo: actions.yml, with an action for every executor, and for what the receiver does by itself."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from .settings import CHAIN, NODES, Document

SCRIPT = """#!/bin/sh
# Notes when somebody wanted it, and for what.
shift
echo "$(date -u +%FT%TZ) $*" >> '{folder}/evidence.txt'
"""
"""Where the receiver itself can not see it: the drill looks into the file."""

EVIDENCE = "evidence.txt"

_LIMITED: Document = {
    "limits": {"cooldown": "2s", "per_day": 100},
    "expires": {"approval": "10m", "execution": "2m"},
}
_HEARTBEAT = "min(engine_heartbeat_timestamp_seconds)"
_ALIVE: Document = {"query": f"time() - {_HEARTBEAT} < 15", "heartbeat": _HEARTBEAT, "within": "30s"}
_SILENCES: Document = {"heartbeat": "min(timestamp(alertmanager_silences))", "within": "30s"}
_BOOKS = ("FeedFrozen", "BookFrozen", "BookCrossed", "FlashCrash", "VenueDown")
"""What the engine should not quote through."""
_MARGIN = ("MarginUsageHigh", "PositionNearLiquidation")
"""What goes away when positions do."""
_ACCOUNTS = (
    *_MARGIN,
    "OrdersRunaway",
    "EngineRunaway",
    "OrdersUnlisted",
    "PositionUnlisted",
    "ForcedReduction",
)
"""What orders that stand make worse. Not a thief: what is cancelled sets free what he may withdraw."""
_ENGINE = ("EnginePositionDisagrees", "EngineOrdersFailing")
"""What the engine itself does wrong, wherever."""


def document(
    engine: Document, alertmanager: str, *, venues: Sequence[str], traded: tuple[str, str], script: Path
) -> Document:
    """actions.yml; `engine` is its address and token, `traded` the venue and the account where it has orders."""
    anywhere: Document = {"venue": {"from_label": "venue", "choices": list(venues)}}
    return {
        "targets": {
            "engine": {**engine, "operations": "/operations", "idempotent": True},
            "alertmanager": {"url": alertmanager},
        },
        "actions": [
            _halt_and_cancel(*traded),
            _halt_and_flatten(*traded),
            _cancel_all(*traded),
            _halt(anywhere, "halt", "Stop the engine on a venue", (*_BOOKS, *_ACCOUNTS, *_ENGINE)),
            _told("resume", "Let the engine quote on a venue again", "/resume", 1, anywhere) | {"undo": "halt"},
            _order_size(),
            *_silencing(),
            _evidence(anywhere, script),
            _pull_quotes(anywhere),
            _halt_in_crash(anywhere),
        ],
    }


def _told(name: str, title: str, path: str, quoting: int, parameters: Document) -> Document:
    """The engine is told, and then its own page shows it."""
    step = {"executor": "http", "target": "engine", "path": path, "body": {"venue": "$venue"}}
    seen = f'max(engine_quoting{{venue="$venue"}}) == {quoting}'
    return {
        "name": name,
        "title": title,
        "parameters": parameters,
        "steps": [{**step, "expect": {"status": 200}}],
        "verify": {"query": seen, "heartbeat": _HEARTBEAT, "within": "30s"},
        **_LIMITED,
    }


def _halt(parameters: Document, name: str, title: str, alerts: Sequence[str]) -> Document:
    offered = [{"alertname": alert} for alert in alerts]
    return _told(name, title, "/halt", 0, parameters) | {"protective": True, "offered_by": offered, "undo": "resume"}


def _halt_and_cancel(venue: str, account: str) -> Document:
    """The engine stops, then its orders go; the steps are done in this order."""
    parameters = {"venue": {"from_label": "venue", "choices": [venue]}}
    halt = _halt(parameters, "halt-and-cancel", "Stop the engine on a venue and cancel its open orders", ())
    cancel = {"executor": "cancel_orders", "venue": "$venue", "account": account, "keep": ["protective_stops"]}
    names = ("FeedFrozen", "BookCrossed", "VenueDown", *_ACCOUNTS)
    offered = [{"alertname": name, "venue": venue} for name in names]
    read = {"exporter": "exchange", "target": f"$venue/{account}", "check": "orders"}
    verify = {"query": halt["verify"]["query"], "fresh": read, "within": "30s"}
    return halt | {"steps": [*halt["steps"], cancel], "offered_by": offered, "verify": verify}


def _halt_and_flatten(venue: str, account: str) -> Document:
    """As `_halt_and_cancel`, and then its contracts are closed: nothing is left that could be liquidated."""
    whole = _halt_and_cancel(venue, account)
    flatten = {"executor": "http", "target": "engine", "path": "/flatten", "body": {"venue": "$venue"}}
    held = f'sum(exchange_position_base{{venue="$venue",account="{account}"}}) == 0'
    read = {"exporter": "exchange", "target": f"$venue/{account}", "check": "positions"}
    return whole | {
        "name": "halt-and-flatten",
        "title": "Stop the engine on a venue, cancel its open orders and close its contracts",
        "steps": [*whole["steps"], {**flatten, "expect": {"status": 200}}],
        "offered_by": [{"alertname": name, "venue": venue} for name in (*_MARGIN, "ForcedReduction")],
        "verify": {"query": held, "fresh": read, "within": "30s"},
    }


def _cancel_all(venue: str, account: str) -> Document:
    """Where the engine has stopped already: not even its stops are to stay."""
    whole = _halt_and_cancel(venue, account)
    gone = f'sum(exchange_open_orders{{venue="$venue",account="{account}"}}) == 0'
    return {
        "name": "cancel-all",
        "title": "Cancel all orders on a venue, its stops as well",
        "parameters": whole["parameters"],
        "steps": [{"executor": "cancel_orders", "venue": "$venue", "account": account, "keep": []}],
        "offered_by": [{"alertname": "OrdersWhileHalted", "venue": venue}],
        "verify": {**whole["verify"], "query": gone},
        **_LIMITED,
    }


def _order_size() -> Document:
    step = {
        "executor": "parameter",
        "target": "engine",
        "name": "max_order_usd",
        "value": "$usd",
        "min": 0,
        "max": 50000,
    }
    return {
        "name": "order-size",
        "title": "Set the largest order of the engine, in dollars",
        "parameters": {"usd": {"number": {"min": 0, "max": 50000, "step": 500}}},
        "steps": [step],
        "offered_by": [{"alertname": "BookCrossed"}],
        "verify": _ALIVE,
        **_LIMITED,
    }


def _silencing() -> tuple[Document, Document]:
    about = {"target": "alertmanager", "matchers": {"alertname": "NodeLagging", "entity": "$node"}}
    nodes = {"node": {"from_label": "entity", "choices": [f"{CHAIN}/{name}" for name in NODES]}}
    quiet = {
        "name": "quiet-node",
        "title": "Mute the lag of a node for an hour",
        "parameters": nodes,
        "steps": [{"executor": "silence", "lasts": "1h", **about}],
        "offered_by": [{"alertname": "NodeLagging"}],
        "verify": {"query": 'alertmanager_silences{state="active"} > 0', **_SILENCES},
        "undo": "hear-node",
        **_LIMITED,
    }
    hear = {
        "name": "hear-node",
        "title": "Hear of the lag of a node again",
        "parameters": nodes,
        "steps": [{"executor": "expire_silence", **about}],
        "verify": {"query": 'alertmanager_silences{state="active"} >= 0', **_SILENCES},
        "undo": "quiet-node",
        **_LIMITED,
    }
    return quiet, hear


def _evidence(parameters: Document, script: Path) -> Document:
    sha256 = hashlib.sha256(script.read_bytes()).hexdigest()
    return {
        "name": "evidence",
        "title": "Note what happened at a venue, for later",
        "parameters": parameters,
        "steps": [{"executor": "script", "path": str(script), "sha256": sha256, "arguments": ["$venue"]}],
        "offered_by": [{"alertname": name} for name in _BOOKS],
        "verify": _ALIVE,
        **_LIMITED,
    }


def _by_itself(confirm: str) -> Document:
    fresh = {"exporter": "exchange", "target": "$venue", "check": "connection", "within": "60s"}
    return {"automation": {"firing_for": "3s", "confirm": confirm, "fresh": fresh, "at_most": 100}}


def _pull_quotes(parameters: Document) -> Document:
    """Stops the engine where a book that it quotes in is crossed, as the exporter counts it beside the rule."""
    crossed = 'max(rate(exchange_book_crossed_seconds_total{venue="$venue"}[15s])) > 0.5'
    halt = _halt(parameters, "pull-quotes", "Stop the engine where a book is crossed", ())
    return halt | {"offered_by": [{"alertname": "BookCrossed", "entity": "bourse/BTC/USDT"}]} | _by_itself(crossed)


def _halt_in_crash(parameters: Document) -> Document:
    fell = 'max(exchange_mid_price_range_ratio{venue="$venue",window="1m"}) > 0.03'
    halt = _halt(parameters, "halt-in-crash", "Stop the engine where a price crashes", ("FlashCrash",))
    return halt | _by_itself(fell)
