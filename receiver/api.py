"""The same as the pages show, for programs."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import orjson
from aiohttp import web
from sqlalchemy import Engine

from .clock import rfc3339
from .queries import EpisodeRow, Status, newest

DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000


class Api:
    """`/api/v1`. Reads only."""

    def __init__(self, reading: Engine) -> None:
        self._reading = reading

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/api/v1/episodes", self.episodes)]

    async def episodes(self, request: web.Request) -> web.Response:
        """The newest episodes; `limit` and `status` narrow them."""
        try:
            limit, status = _limit(request.query.get("limit")), _status(request.query.get("status"))
        except ValueError as error:
            return _json({"error": str(error)}, 400)
        return _json({"episodes": await asyncio.to_thread(self._episodes, limit, status)})

    def _episodes(self, limit: int, status: Status | None) -> list[dict[str, Any]]:
        with self._reading.begin() as connection:
            return [_episode(row) for row in newest(connection, limit, status)]


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if re.fullmatch(r"[0-9]{1,4}", text) and 1 <= int(text) <= MAX_LIMIT:
        return int(text)
    raise ValueError(f"limit: expected a number from 1 to {MAX_LIMIT}")


def _status(text: str | None) -> Status | None:
    try:
        return None if text is None else Status(text)
    except ValueError:
        raise ValueError("status: expected firing or resolved") from None


def _json(value: object, status: int = 200) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json", headers=headers)


def _episode(row: EpisodeRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "fingerprint": row.fingerprint,
        "source": row.source,
        "alertname": row.alertname,
        "severity": row.severity,
        "status": row.status.value,
        "starts_at": rfc3339(row.starts_at),
        "ends_at": None if row.ends_at is None else rfc3339(row.ends_at),
        "received_at": rfc3339(row.received_at),
        "updated_at": rfc3339(row.updated_at),
        "labels": row.labels,
        "annotations": row.annotations,
        "generator_url": row.generator_url,
    }
