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

    @property
    def labels(self) -> Mapping[str, str]:
        return {name: value for name, value in self.item["labels"].items() if isinstance(value, str)}


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence: one in force, one that is yet to come, or one that has ended.

    `matchers` are value by label, and None where one of them is more than a plain `=`.
    """

    id: str
    created_by: str
    comment: str
    ends_at: str
    state: str = "active"
    matchers: Mapping[str, str] | None = None


class Alertmanager:
    """Asks one Alertmanager. What it raises is SourceError."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = URL(url)

    async def alerts(self) -> tuple[Held, ...]:
        """All that it holds, suppressed ones included; what is resolved it does not tell."""
        return held(await self._told("alerts"))

    async def silences(self) -> tuple[Silence, ...]:
        """Those that have not expired."""
        return tuple(silence for silence in silences(await self._told("silences")) if silence.state != "expired")

    async def _told(self, what: str) -> object:
        try:
            async with asyncio.timeout(WITHIN):
                return await http.ask(self._session, "GET", self._url / "api/v2" / what, again=True)
        except TimeoutError as error:
            raise http.classified(error) from None


def held(told: object) -> tuple[Held, ...]:
    """The alerts in what /api/v2/alerts tells. Raises SourceError."""
    return tuple(map(_held, _list(told, "alerts", MAX_ALERTS)))


def silences(told: object) -> tuple[Silence, ...]:
    """The silences in what /api/v2/silences tells, those that have ended as well. Raises SourceError."""
    return tuple(map(_silence, _list(told, "silences", MAX_SILENCES)))


def _list(told: object, what: str, most: int) -> list[Mapping[str, Any]]:
    if not isinstance(told, list) or len(told) > most or not all(isinstance(item, dict) for item in told):
        raise http.bad_response(f"{what}: not a list of {most} objects at most")
    return told


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
    return Silence(
        id=_text(item, "id"),
        created_by=_text(item, "createdBy"),
        comment=_text(item, "comment"),
        ends_at=_text(item, "endsAt"),
        state=_text(_mapping(item, "status"), "state"),
        matchers=_plain(item.get("matchers")),
    )


def _plain(matchers: object) -> Mapping[str, str] | None:
    found: dict[str, str] = {}
    for matcher in matchers if isinstance(matchers, list) else ():
        match matcher:
            case {"name": str(name), "value": str(value), "isRegex": False, **more} if name not in found:
                if more.get("isEqual", True) is not True:
                    return None
                found[name] = value
            case _:
                return None
    return found or None


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
