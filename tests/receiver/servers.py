"""Real servers around a receiver: Prometheus, Alertmanager, and a page of metrics that a test writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from demo.parts import locate
from demo.processes import free_ports
from demo.until import until
from tests.receiver.support import TOKEN

WITHIN = 60.0


class Exposed:
    """A page of metrics; `text` is what it says at the next scrape."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.address = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Exposed]:
        async def metrics(_: web.Request) -> web.Response:
            return web.Response(text=self.text, headers={"Content-Type": "text/plain; version=0.0.4"})

        app = web.Application()
        app.router.add_get("/metrics", metrics)
        async with TestServer(app) as server:
            self.address = f"{server.host}:{server.port}"
            yield self


@asynccontextmanager
async def prometheus(
    folder: Path,
    *,
    scrapes: Mapping[str, str] | None = None,
    rules: str = "",
    alertmanagers: Iterable[str] = (),
    port: int | None = None,
    storage: str = "prometheus",
) -> AsyncIterator[str]:
    """Its URL, until the end of the context; it scrapes once a second, and judges twice. What it remembers stays in `storage`.

    No faster: a scrape that is late by its own interval fails, and with it all series are gone until the next.
    """
    port = port or free_ports(1)[0]
    folder.joinpath("rules.yml").write_text(rules or "groups: []")
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "500ms"},
        "rule_files": [str(folder / "rules.yml")],
        "scrape_configs": [_job(name, address) for name, address in (scrapes or {}).items()],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": list(alertmanagers)}]}]},
    }
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    flags = [f"--config.file={path}", f"--storage.tsdb.path={folder}/{storage}", "--rules.alert.resend-delay=1s"]
    async with _running(folder, "prometheus", port, flags) as url:
        yield url


def _job(name: str, address: str) -> dict[str, object]:
    return {"job_name": name, "static_configs": [{"targets": [address]}]}


@asynccontextmanager
async def alertmanager(
    folder: Path,
    receiver: str,
    *,
    port: int | None = None,
    name: str = "alertmanager",
    peers: Iterable[str] = (),
    token: str = TOKEN,
    group_by: Iterable[str] = ("...",),
    webhook: Mapping[str, object] | None = None,
) -> AsyncIterator[str]:
    """Its URL, until the end of the context. It tells the receiver of every group at once; `webhook` says more of how.

    With `peers`, gossip addresses of which the first is its own, it is one of several.
    """
    port = port or free_ports(1)[0]
    login = {"authorization": {"credentials": token}}
    told = {"url": f"{receiver}/alertmanager", "http_config": login} | dict(webhook or {})
    route = {"receiver": "occ", "group_by": list(group_by), "group_wait": "0s", "group_interval": "1s"}
    path = folder / f"{name}.yml"
    path.write_text(yaml.safe_dump({"route": route, "receivers": [{"name": "occ", "webhook_configs": [told]}]}))
    own, *others = [*peers] or [""]
    cluster = [f"--cluster.listen-address={own}", *(f"--cluster.peer={other}" for other in others)]
    flags = [f"--config.file={path}", f"--storage.path={folder}/{name}", *cluster]
    async with _running(folder, "alertmanager", port, flags) as url:
        yield url


@asynccontextmanager
async def _running(folder: Path, tool: str, port: int, flags: list[str]) -> AsyncIterator[str]:
    url = f"http://127.0.0.1:{port}"
    async with AsyncExitStack() as stack:
        log = stack.enter_context((folder / f"{tool}-{port}.log").open("ab"))
        process = await asyncio.create_subprocess_exec(
            locate(tool), *flags, f"--web.listen-address=127.0.0.1:{port}", stdout=log, stderr=log
        )
        try:
            await until(lambda: _ready(url), WITHIN)
            yield url
        finally:
            process.terminate()
            await process.wait()


async def _ready(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{url}/-/ready") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False
