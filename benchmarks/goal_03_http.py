"""Goal 3: `/metrics` at 10k series over HTTP, as Prometheus asks, against `prometheus_client.start_http_server`."""

from __future__ import annotations

import http.client
import multiprocessing
import statistics
import time
from multiprocessing.connection import Connection

from aiohttp import web as aiohttp_web
from prometheus_client import start_http_server

from benchmarks.harness import ROUNDS, Part, Result
from benchmarks.pages import Ours, Theirs
from occ.web import application

SHAPE = (10, 10, 100)
SECONDS = 1.0
# What Prometheus 2.42 sends.
HEADERS = {
    "Accept": "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "Accept-Encoding": "gzip",
    "User-Agent": "Prometheus/2.42.0",
}


def _serve_ours(told: Connection) -> None:
    ours = Ours(*SHAPE)
    ours.change(SHAPE[0])
    app = application(name="bench", page=ours.page, ready=lambda: True)

    async def started(_: aiohttp_web.Application) -> None:
        told.send(runner_port)

    runner_port = _free_port()
    app.on_startup.append(started)
    aiohttp_web.run_app(app, host="127.0.0.1", port=runner_port, print=None, access_log=None)


def _serve_theirs(told: Connection) -> None:
    theirs = Theirs(*SHAPE)
    port = _free_port()
    start_http_server(port, addr="127.0.0.1", registry=theirs.registry)
    told.send(port)
    time.sleep(3600)


def _free_port() -> int:
    import socket  # noqa: PLC0415 - for this one line

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def _rate(port: int) -> float:
    """Scrapes per second, one after the other; the connection is kept where the server keeps it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    count, until = 0, time.perf_counter() + SECONDS
    began = time.perf_counter()
    while time.perf_counter() < until:
        connection.request("GET", "/metrics", headers=HEADERS)
        reply = connection.getresponse()
        assert reply.status == 200  # noqa: PLR2004
        assert reply.headers["Content-Encoding"] == "gzip"
        assert len(reply.read()) > 10_000  # noqa: PLR2004 - it is the whole page
        count += 1
    elapsed = time.perf_counter() - began
    connection.close()
    return count / elapsed


def run() -> Result:
    """The median over rounds of the ratio of scrapes per second."""
    context = multiprocessing.get_context("spawn")
    servers, ports = [], []
    for serve in (_serve_ours, _serve_theirs):
        here, there = context.Pipe()
        server = context.Process(target=serve, args=(there,), daemon=True)
        server.start()
        servers.append(server)
        ports.append(here.recv())
    time.sleep(0.5)
    try:
        for port in ports:
            _rate(port)
        found = statistics.median(_rate(ports[0]) / _rate(ports[1]) for _ in range(ROUNDS))
    finally:
        for server in servers:
            server.terminate()
            server.join()
    what = "/metrics at 10k series over HTTP with gzip, as Prometheus asks, against prometheus_client.start_http_server"
    return Result(3, what, (Part("", found, 200, at_least=True),))
