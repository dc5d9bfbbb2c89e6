"""The receiver's API for commands: where it is, who asks, and what went wrong in words.

The token of a session is kept in a file that only its owner can read, one for each receiver.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import os
import ssl
import stat
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from yarl import URL

from occ.errors import OccError, SourceError
from occ.flags import Address
from occ.http import FOREIGN, classified

DEFAULT_URL = "http://127.0.0.1:9720"
API = "/api/v1"
PATIENCE = 30.0
MAX_ANSWER_BYTES = 32 * 1024 * 1024
DONE, FAILED, MISUSED = 0, 1, 2

Answer = dict[str, Any]


class Refused(OccError):  # noqa: N818 - it names what is the matter
    """What was asked for was not done; the message says why."""


class Tokens:
    """The file in which the token for one receiver is kept."""

    def __init__(self, url: URL) -> None:
        home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
        self._path = Path(home) / "occ" / f"session-{hashlib.sha256(str(url.origin()).encode()).hexdigest()[:16]}"

    def read(self) -> str:
        """Raises Refused where there is none, or where others could have read it."""
        try:
            with self._path.open() as file:
                seen = os.fstat(file.fileno())
                if seen.st_uid != os.getuid() or stat.S_IMODE(seen.st_mode) & 0o077:
                    raise Refused(f"others can read {self._path}: end that session, remove the file, and log in again")
                return file.read().strip()
        except FileNotFoundError:
            raise Refused("nobody is logged in; run: occ login") from None
        except OSError as error:
            raise Refused(f"can not read {self._path}: {error.strerror}") from None

    def write(self, token: str) -> None:
        """The whole file or none, never readable by others. Raises Refused."""
        draft = self._path.with_suffix(f".{os.getpid()}")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                draft.unlink()
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(token)
            draft.replace(self._path)
        except OSError as error:
            raise Refused(f"can not write {self._path}: {error.strerror}") from None

    def forget(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()


class Client:
    """Asks the receiver as whoever is logged in."""

    def __init__(self, session: aiohttp.ClientSession, url: URL, trust: ssl.SSLContext) -> None:
        self.tokens = Tokens(url)
        self._session = session
        self._url = url
        self._trust = trust

    async def get(self, path: str, **query: str | None) -> Answer:
        """Raises Refused."""
        given = {name: value for name, value in query.items() if value is not None}
        return await self._ask("GET", path, query=given, headers=self._headers())

    async def post(self, path: str, **body: Any) -> Answer:
        """Raises Refused."""
        return await self._ask("POST", path, body=body, headers=self._headers())

    async def text(self, path: str) -> str:
        """An answer that is no JSON. Raises Refused."""
        status, raw = await self._send("GET", path, headers=self._headers())
        return raw.decode() if status < 300 else str(_answer(status, raw))  # noqa: PLR2004 - successes

    async def log_in(self, person: str, password: str) -> Answer:
        """Raises Refused. Keeps the token."""
        answer = await self._ask("POST", "/sessions", body={"person": person, "password": password}, headers={})
        self.tokens.write(answer.pop("token"))
        return answer

    def _headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.tokens.read()}"}

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Answer:
        return _answer(*await self._send(method, path, headers=headers, query=query, body=body))

    async def _send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> tuple[int, bytes]:
        """Status and body."""
        url = self._url.joinpath(API.lstrip("/"), *path.strip("/").split("/"))
        asking = self._session.request(
            method, url, params=query, json=body, headers=headers, ssl=self._trust, allow_redirects=False
        )
        try:
            async with asyncio.timeout(PATIENCE), asking as response:
                return response.status, await response.content.read(MAX_ANSWER_BYTES)
        except (*FOREIGN, TimeoutError) as error:
            raise Refused(f"{self._url.origin()} does not answer: {_said(error)}") from None


def _said(error: BaseException) -> str:
    found: SourceError = classified(error)
    return str(found)


def _answer(status: int, raw: bytes) -> Answer:
    try:
        answer: Answer = orjson.loads(raw)
        if status < 300:  # noqa: PLR2004 - successes
            return answer
        error = answer["error"]
        raise Refused(f"{clean(error['message'])} ({error['why']})")
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise Refused(f"HTTP {status}, and no answer of a receiver") from None


# --- commands ---------------------------------------------------------------------------------------------------------


def clean(text: object) -> str:
    """The text without what a terminal would obey, or would not show."""
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in str(text))


def identity(text: str) -> str:
    """An id of the receiver's, out of an argument."""
    if len(text) != 16 or any(one not in "0123456789abcdef" for one in text):  # noqa: PLR2004 - as the API writes them
        raise argparse.ArgumentTypeError("expected the 16 digits of an id")
    return text


def parser(name: str, description: str, epilog: str = "") -> argparse.ArgumentParser:
    """The parser of a command that asks the receiver."""
    made = argparse.ArgumentParser(
        prog=f"occ {name}",
        description=description,
        epilog=f"{epilog}Exit codes: 0 done, 1 refused or failed, 2 wrong flags.",
    )
    made.add_argument(
        "--url",
        type=_url,
        default=os.environ.get("OCC_URL", DEFAULT_URL),
        help=f"where the receiver is; default: $OCC_URL, or {DEFAULT_URL}",
    )
    made.add_argument("--ca-file", type=Path, metavar="FILE", help="the authority of its certificate, in PEM")
    return made


def _url(text: str) -> URL:
    """Plain HTTP is for this machine alone: passwords and tokens are sent along."""
    try:
        url = URL(text)
        usable = url.scheme in ("http", "https") and url.host and not (url.user or url.password or url.query_string)
    except ValueError:
        usable = False
    if not usable:
        raise argparse.ArgumentTypeError("expected http://HOST:PORT or https://HOST, without a user or a query")
    if url.scheme == "http" and not Address(url.host or "", 0).loopback:
        raise argparse.ArgumentTypeError("beyond this machine it is asked by https alone")
    return url


def run(given: argparse.Namespace, does: Callable[[Client], Awaitable[int]]) -> int:
    """What the command does, with a client; whatever it is refused is said on standard error."""

    async def led() -> int:
        trust = ssl.create_default_context(cafile=given.ca_file)
        async with aiohttp.ClientSession() as session:
            return await does(Client(session, given.url, trust))

    try:
        return asyncio.run(led())
    except Refused as error:
        print(f"occ: {error}", file=sys.stderr)
    except (OSError, ssl.SSLError) as error:
        print(f"occ: {given.ca_file}: {error.strerror or error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("occ: interrupted", file=sys.stderr)
    return FAILED
