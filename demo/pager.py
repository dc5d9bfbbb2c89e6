"""The demo's pager: takes Alertmanager's pages, and tells which came when.

python -m demo.pager --port 9000     POST / takes a notification, GET /pages tells them
"""

import argparse
import asyncio
import contextlib
import time
from typing import Any

from aiohttp import web

PAGES = web.AppKey("pages", list[dict[str, Any]])


def application() -> web.Application:
    app = web.Application()
    app[PAGES] = []
    app.router.add_get("/-/ready", _pages)
    app.router.add_get("/pages", _pages)
    app.router.add_post("/", _take)
    return app


async def _take(request: web.Request) -> web.Response:
    """Each alert of a notification is a line of its own, with the Unix time at which it came."""
    message, now = await request.json(), time.time()
    for alert in message["alerts"]:
        labels = {name: alert["labels"].get(name, "") for name in ("alertname", "entity", "severity")}
        request.app[PAGES].append({"at": now, "status": alert["status"], **labels})
    return web.Response()


async def _pages(request: web.Request) -> web.Response:
    return web.json_response({"pages": request.app[PAGES]})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.pager", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(options.port))


async def _serve(port: int) -> None:
    runner = web.AppRunner(application())
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    main()
