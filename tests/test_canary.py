"""Keys in URLs, headers, configuration and answers show in no page, log, error, process list: not even in another spelling."""

from __future__ import annotations

import asyncio
import base64
import itertools
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web

from demo.processes import Child, Part, free_ports
from demo.until import until
from tests.exporters.nodes.wire import HEALTHY, answer
from tests.exporters.support import parsed
from tests.occ.servers import listening

SECRETS = {
    "path": "P4th-k3y+in/URL=",
    "query": "Qu3ry%key&value",
    "user": "us3rname",
    "password": "p4ssw:rd@host",
    "environment": "3nv1ronment-key",
    "egress": "3gr3ss-canary-key",
}

CONFIG = """
defaults: {{interval: 5s, timeout: 5s}}
egress: [{{name: way-out, url: "http://127.0.0.1:1/${{EGRESS}}"}}]
chains:
  - name: ethereum
    family: evm
    chain_id: 1
    block_time: 12s
    nodes:
      - {{name: in-path, url: "{node}/echo/{path}"}}
      - {{name: in-query, url: "{node}/echo?apikey={query}"}}
      - {{name: in-user, url: "{authority}/echo"}}
      - {{name: in-environment, url: "{node}/echo/${{KEY}}", ws_url: "ws://127.0.0.1:1/${{KEY}}"}}
      - {{name: gone, url: "http://127.0.0.1:1/{path}"}}
      - {{name: unknown-host, url: "http://{environment}.invalid/{path}"}}
      - {{name: fine, url: "{node}/fine/{path}"}}
"""


def spellings(secret: str) -> Iterator[str]:
    """As it is, URL-encoded, and every base64 that a text with the secret in it can have."""
    yield from {secret, quote(secret), quote(secret, safe="")}
    for before, after in itertools.product(range(3), range(3)):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            inside = encode(b"." * before + secret.encode() + b"." * after).decode().strip("=")
            yield inside[4:-4]


@asynccontextmanager
async def gossip() -> AsyncIterator[str]:
    """A node that repeats every secret it is sent, in errors, versions, headers and HTML. The wire is faked here."""
    turn = itertools.count()

    async def handler(request: web.Request) -> web.Response:
        told = f"{request.raw_path} {request.headers.get('Authorization', '')} {' '.join(SECRETS.values())}"
        if "fine" in request.path:
            results = {**HEALTHY, "web3_clientVersion": told}
            return web.json_response([answer(question, results) for question in await request.json()])
        match next(turn) % 4:
            case 0:
                return web.Response(text=f"<html>{told}</html>", content_type="text/html")
            case 1:
                return web.Response(status=401, text=told, headers={"X-Key": SECRETS["path"]})
            case 2:
                return web.json_response({"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": told}})
            case _:
                return web.Response(status=302, headers={"Location": f"http://127.0.0.1:1/{quote(told)}"})

    async with listening(handler) as port:
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def exporter(folder: Path, node: str) -> AsyncIterator[tuple[str, Child]]:
    """The nodes exporter as a process, logging all it can."""
    (port,) = free_ports(1)
    user, password = quote(SECRETS["user"], safe=""), quote(SECRETS["password"], safe="")
    texts = {name: quote(secret, safe="") for name, secret in SECRETS.items()}
    text = CONFIG.format(node=node, authority=node.replace("http://", f"http://{user}:{password}@"), **texts)
    (folder / "nodes.yml").write_text(text)
    command: list[str | Path] = [sys.executable, "-m", "exporters.nodes", "--config", folder / "nodes.yml"]
    command += ["--web.listen-address", f"127.0.0.1:{port}", "--log.level", "debug"]
    environment = {"KEY": SECRETS["environment"], "EGRESS": SECRETS["egress"], "PYTHONASYNCIODEBUG": "1"}
    child = await Child.start(
        Part("nodes", command, f"http://127.0.0.1:{port}/-/ready", environment=environment), folder
    )
    try:
        await child.ready()
        yield f"http://127.0.0.1:{port}", child
    finally:
        await child.end()


PATHS = (
    "/",
    "/metrics",
    "/debug",
    "/debug?format=json",
    "/probe?target=ethereum/in-path",
    "/probe?target=ethereum/in-user&debug=true",
    "/probe?target=ethereum/fine&debug=true",
    "/probe?target=nobody",
    "/-/healthy",
    "/-/ready",
)


async def test_no_secret_leaves_the_exporter_in_any_spelling(tmp_path: Path) -> None:
    seen: dict[str, str] = {}
    async with gossip() as node, exporter(tmp_path, node) as (url, child), aiohttp.ClientSession() as session:

        async def every_failure_was_counted() -> bool:
            async with session.get(f"{url}/metrics") as reply:
                page = parsed(await reply.read())
            happened = {
                dict(labels)["reason"]
                for (name, labels), value in page.samples.items()
                if name == "occ_target_errors_total" and value
            }
            return happened >= {"bad_response", "auth", "rpc_error", "connect", "dns"}

        await until(every_failure_was_counted, 60)
        for path in PATHS:
            for accept in ("text/plain", "application/openmetrics-text", "text/html"):
                async with session.get(url + path, headers={"Accept": accept}) as reply:
                    seen[f"{path} as {accept}"] = str(reply.headers) + await reply.text()
        async with session.post(f"{url}/-/reload") as reply:
            seen["reload"] = str(reply.headers) + await reply.text()
        seen["process list"] = (await asyncio.to_thread(Path(f"/proc/{child.pid}/cmdline").read_bytes)).decode()
    seen["log"] = (tmp_path / "nodes.log").read_text()
    assert "down: auth" in seen["log"]
    leaks = [
        f"{name} in {place}: {spelling}"
        for place, text in seen.items()
        for name, secret in SECRETS.items()
        for spelling in spellings(secret)
        if len(spelling) >= 6 and spelling in text
    ]
    assert leaks == []


@pytest.mark.parametrize("place", ["url", "name", "family", "chain_id", "unknown", "tier", "env"])
def test_a_wrong_configuration_repeats_no_value(place: str, tmp_path: Path) -> None:
    secret = SECRETS["environment"]
    values = {
        "url": 'url: "tcp://${KEY}"',
        "name": 'name: "a b ${KEY}", url: "http://h"',
        "env": 'url: "http://${KEY}/${KEY_THAT_IS_NOT_SET}"',
    }
    node = values.get(place, 'url: "http://h"')
    chain = {
        "family": 'family: "${KEY}"\n    chain_id: 1',
        "chain_id": 'family: evm\n    chain_id: "${KEY}"',
        "unknown": 'family: evm\n    chain_id: 1\n    extra: "${KEY}"',
        "tier": 'family: evm\n    chain_id: 1\n    labels: {tier: ["${KEY}"]}',
    }.get(place, "family: evm\n    chain_id: 1")
    named = node if "name:" in node else f"name: own, {node}"
    path = tmp_path / "nodes.yml"
    wrong = "" if place in values else "\n    color: red"
    path.write_text(f"chains:\n  - name: ethereum\n    {chain}\n    block_time: 12s{wrong}\n    nodes: [{{{named}}}]\n")
    done = subprocess.run(
        [sys.executable, "-m", "exporters.nodes", "--config", str(path)],
        env={"KEY": secret, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert secret not in done.stdout + done.stderr
