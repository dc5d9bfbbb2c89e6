"""Annotations of Grafana's: an incident is a region from its opening to its resolution, what an action came to is a point.

They belong to no board; boards show those that have the tag `occ`. Grafana knows no key for what is asked twice, so that it is
looked for before it is made. https://grafana.com/docs/grafana/latest/developers/http_api/annotations/
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from yarl import URL

from occ import http
from occ.config import Secret
from receiver.config import GRAFANA
from receiver.families import Severity
from receiver.outbox import Notice
from receiver.text import clipped

from . import wire
from .message import Links, Message

TAG = "occ"
LONGEST_TAG = 100
LONGEST = 500

BEGINS = (Notice.INCIDENT_OPENED, Notice.INCIDENT_REOPENED)
ENDS = (Notice.INCIDENT_RESOLVED, Notice.INCIDENT_CLOSED)
POINTS = (Notice.OUTCOME, Notice.ESCALATION, Notice.IN_DOUBT, Notice.TEST)

_MOST = 100
"""Annotations of one subject that are looked at."""


class Annotations:
    """The annotations of one Grafana."""

    name = kind = GRAFANA
    tells: tuple[str, ...] | None = None

    def __init__(self, url: Secret, token: Secret, links: Links) -> None:
        self._url, self._token, self._links = url, token, links

    def takes(self, notice: Notice, _severity: Severity) -> bool:
        return notice in (*BEGINS, *ENDS, *POINTS)

    async def send(self, message: Message) -> None:
        found = await self._of(message.subject)
        if message.notice in ENDS:
            for id_ in going_on(found, _ms(message.at)):
                await self._ask("PATCH", f"/{id_}", {"timeEnd": _ms(message.at)})
        elif not any(each.get("time") == _ms(message.at) for each in found):
            await self._ask("POST", "", annotation(message, self._links))

    async def _of(self, subject: str) -> list[Mapping[str, Any]]:
        """Those that are about the subject."""
        query = {"tags": _tag(subject), "type": "annotation", "limit": str(_MOST)}
        found = await self._ask("GET", "", None, query)
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise http.bad_response("not a list of annotations")
        return found

    async def _ask(self, method: str, path: str, body: object, query: Mapping[str, str] | None = None) -> Any:
        base = URL(self._url.reveal())
        url = base.with_path(f"{base.path.rstrip('/')}/api/annotations{path}").with_query(query)
        headers = {"Authorization": f"Bearer {self._token.reveal()}", "Accept": "application/json"}
        return await wire.ask(method, url, body, headers)


def annotation(message: Message, links: Links) -> dict[str, Any]:
    """What is made. Grafana shows the text as HTML."""
    about = (message.says("domain"), message.says("entity"))
    tags = [TAG, _tag(message.subject), message.notice.value, *(_tag(each) for each in about if each)]
    anchors = [f'<a href="{html.escape(url)}">{name}</a>' for name, url in links.of(message)]
    words = html.escape(clipped(message.says("summary") or message.headline, LONGEST))
    return {"time": _ms(message.at), "timeEnd": _ms(message.at), "tags": tags, "text": "<br>".join([words, *anchors])}


def going_on(found: Sequence[Mapping[str, Any]], until: int) -> tuple[int, ...]:
    """Ids of those that began by then and have not ended."""
    return tuple(
        id_
        for each in found
        if isinstance(id_ := each.get("id"), int)
        and isinstance(time := each.get("time"), int)
        and time <= until
        and each.get("timeEnd") in (None, 0, time)
    )


def _tag(text: str) -> str:
    """Grafana keeps 100 characters of a tag."""
    return clipped(text, LONGEST_TAG)


def _ms(instant: int) -> int:
    return instant // 1000
