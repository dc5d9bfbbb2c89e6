"""What Alertmanager holds now: alerts and silences, by its API v2. Nothing of an answer is quoted in an error."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from occ import http

from .webhook import MAX_ALERTS

WITHIN = 10.0
MAX_SILENCES = 10_000
MAX_TEXT = 1_000


@dataclass(frozen=True, slots=True)
class Held:
    """An alert that Alertmanager has not resolved. `item` is as it came, which is how a webhook's alert is laid out too."""

    fingerprint: str
    item: Mapping[str, Any]
    active: bool
    """Neither silenced nor inhibited, so that its receivers were to hear of it."""
    receivers: frozenset[str]
    silenced_by: frozenset[str]
    severity: str
    alertname: str


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence in force, or one that is yet to come."""

    id: str
    created_by: str
    comment: str
    ends_at: str


class Alertmanager:
    """Asks one Alertmanager. What it raises is SourceError."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = URL(url)

    async def alerts(self) -> tuple[Held, ...]:
        """All that it holds, suppressed ones included; what is resolved it does not tell."""
        return tuple(map(_held, await self._list("alerts", MAX_ALERTS)))

    async def silences(self) -> tuple[Silence, ...]:
        """Those that have not expired."""
        items = await self._list("silences", MAX_SILENCES)
        return tuple(_silence(item) for item in items if _mapping(item, "status").get("state") != "expired")

    async def _list(self, what: str, most: int) -> list[Mapping[str, Any]]:
        try:
            async with asyncio.timeout(WITHIN):
                found = await http.ask(self._session, "GET", self._url / "api/v2" / what, again=True)
        except TimeoutError as error:
            raise http.classified(error) from None
        if not isinstance(found, list) or len(found) > most or not all(isinstance(item, dict) for item in found):
            raise http.bad_response(f"{what}: not a list of {most} objects at most")
        return found


def _held(item: Mapping[str, Any]) -> Held:
    status, labels = _mapping(item, "status"), _mapping(item, "labels")
    receivers = item.get("receivers")
    names = [entry.get("name") for entry in receivers if isinstance(entry, dict)] if isinstance(receivers, list) else []
    return Held(
        fingerprint=_text(item, "fingerprint"),
        item=item,
        active=status.get("state") == "active",
        receivers=frozenset(name for name in names if isinstance(name, str)),
        silenced_by=frozenset(id_ for id_ in status.get("silencedBy") or () if isinstance(id_, str)),
        severity=_text(labels, "severity"),
        alertname=_text(labels, "alertname"),
    )


def _silence(item: Mapping[str, Any]) -> Silence:
    return Silence(*(_text(item, key) for key in ("id", "createdBy", "comment", "endsAt")))


def _mapping(item: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = item.get(key)
    if not isinstance(found, dict):
        raise http.bad_response(f"{key}: not an object")
    return found


def _text(item: Mapping[str, Any], key: str) -> str:
    found = item.get(key, "")
    if not isinstance(found, str):
        raise http.bad_response(f"{key}: not a string")
    return found[:MAX_TEXT]
