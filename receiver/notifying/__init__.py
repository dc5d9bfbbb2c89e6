"""Notifiers: who is told, in which words, and the way there."""

from __future__ import annotations

from receiver.config import ReceiverConfig

from .dispatch import Dispatcher
from .grafana import Annotations
from .message import Links
from .notifier import Notifier
from .pagerduty import Service
from .slack import Channel

__all__ = ("Dispatcher", "Notifier", "notifiers")


def notifiers(config: ReceiverConfig) -> tuple[Notifier, ...]:
    """Those of the configuration, and the annotations of Grafana where there is a token for them."""
    links = Links(config.external_url.reveal() if config.external_url else None)
    made: list[Notifier] = [
        Channel(each, links) if each.kind == "slack" else Service(each, links) for each in config.notifiers
    ]
    if config.grafana and config.grafana.token:
        made.append(Annotations(config.grafana.url, config.grafana.token, links))
    return tuple(made)
