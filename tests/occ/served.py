"""A page served over real connections, and curl as its client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt
from aiohttp import web

from occ import auth
from occ.flags import Address
from occ.metrics import KERNEL_FAMILIES, Catalogue, Family, Kind
from occ.page import Column, Page
from occ.web import OPEN, application, serving
from occ.webconfig import WebConfigFile

FAMILY = Family("a_b", Kind.GAUGE, "Help.")
LINES = "# HELP a_b Help.\n# TYPE a_b gauge\na_b 1.0\n"
PASSWORD = "c4n4ry-p4ssw0rd"


def hashed(password: str = PASSWORD, cost: int = 4) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


def page() -> Page:
    made = Page(Catalogue([*KERNEL_FAMILIES, FAMILY]))
    made.put("job", [Column(FAMILY, ({},), (1.0,))])
    return made


async def who(request: web.Request) -> web.Response:
    """Says what the server makes of whoever asks."""
    return web.Response(text="trusted\n" if auth.trusted(request) else "a stranger\n")


def app(rules: WebConfigFile = OPEN, **others: Any) -> web.Application:
    return application(
        name="desk", page=page(), ready=lambda: True, rules=rules, routes=[web.get("/who", who)], **others
    )


@dataclass(frozen=True)
class Answer:
    """What curl got: its own exit code (0 is: an answer), and the answer's parts."""

    code: int
    status: int
    body: str
    head: str
    complaint: str


@dataclass(frozen=True)
class Site:
    """A running server."""

    address: Address
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.address.port}"

    async def curl(self, path: str = "/metrics", *flags: str | Path) -> Answer:
        return await curl(f"{self.url}{path}", *flags)


async def curl(url: str, *flags: str | Path) -> Answer:
    command = ["/usr/bin/curl", "--silent", "--show-error", "--max-time", "60", "--dump-header", "-", "--ipv4"]
    started = await asyncio.create_subprocess_exec(
        *command, *flags, url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await started.communicate()
    head, _, body = out.decode().replace("\r\n", "\n").partition("\n\n")
    status = int(head.split()[1]) if head else 0
    return Answer(started.returncode or 0, status, body, head, err.decode())


@asynccontextmanager
async def site(text: str | None = None, folder: Path | None = None, **others: Any) -> AsyncIterator[Site]:
    """A server with this web configuration, which stands in `folder`."""
    rules = OPEN
    if folder is not None and text is not None:
        (folder / "web.yml").write_text(text)
        rules = WebConfigFile(folder / "web.yml")
    async with serving(app(rules), Address("127.0.0.1", 0), **others) as address:
        yield Site(address, "https" if rules.current().tls else "http")


async def until(condition: Callable[[], Any], within: float = 30.0) -> None:
    """Lets the loop go on until the condition holds."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.01)
