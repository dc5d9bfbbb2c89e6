"""The health check of our containers, as they run it."""

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

from demo.processes import free_ports
from tests.deploy.compose import ROOT

Serve = Callable[..., Awaitable[str]]


async def asked(*arguments: object) -> tuple[int, str]:
    """Exit code and what was said."""
    command = [sys.executable, ROOT / "scripts/healthy.py", *arguments]
    ran = await asyncio.create_subprocess_exec(*map(str, command), stderr=asyncio.subprocess.PIPE)
    _, said = await ran.communicate()
    assert ran.returncode is not None
    return ran.returncode, said.decode()


def application(status: int) -> web.Application:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status)

    made = web.Application()
    made.router.add_get("/-/healthy", answer)
    return made


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    servers: list[TestServer] = []

    async def start(status: int, **options: Any) -> str:
        servers.append(TestServer(application(status)))
        await servers[-1].start_server(**options)
        return str(servers[-1].make_url("/-/healthy"))

    yield start
    for server in servers:
        await server.close()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (401, 0), (403, 1), (404, 1), (500, 1), (503, 1)])
async def test_an_answer_or_the_question_for_a_login_is_healthy(serve: Serve, status: int, code: int) -> None:
    url = await serve(status)
    assert await asked(url) == (code, f"{url}: answers with {status}\n" if code else "")


async def test_nobody_there_is_not_healthy() -> None:
    code, said = await asked(f"http://127.0.0.1:{free_ports(1)[0]}/-/healthy")
    assert code == 1
    assert "Connection refused" in said


async def test_a_certificate_is_verified(serve: Serve, tmp_path: Path) -> None:
    ours, foreign = trustme.CA(), trustme.CA()
    for name, authority in (("ours", ours), ("foreign", foreign)):
        authority.cert_pem.write_to_path(tmp_path / name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.issue_cert("127.0.0.1").configure_cert(context)
    url = await serve(200, ssl=context)
    assert await asked(url, tmp_path / "ours") == (0, "")
    for arguments in ((url, tmp_path / "foreign"), (url,)):
        code, said = await asked(*arguments)
        assert code == 1
        assert "certificate verify failed" in said
