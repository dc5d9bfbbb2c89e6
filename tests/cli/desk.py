"""A receiver, and people at their terminals."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.occ.certificates import Authority
from tests.occ.served import hashed
from tests.receiver import acting
from tests.receiver.house import world
from tests.receiver.support import launch


@dataclass(frozen=True)
class Done:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


@dataclass
class Desk:
    """A receiver, and people at their terminals. Each has a home of their own."""

    url: str
    folder: Path
    authority: Path

    def home(self, person: str) -> Path:
        return self.folder / "homes" / person

    async def occ(self, person: str, *arguments: str, given: str = "") -> Done:
        """Runs the command; what it asks for is given on standard input."""
        name, *rest = arguments
        where = [] if name == "password" else ["--url", self.url, "--ca-file", str(self.authority)]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "import sys; from cli.main import main; sys.exit(main())", name, *where, *rest,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"XDG_STATE_HOME": str(self.home(person))},
        )  # fmt: skip
        out, err = await process.communicate(given.encode())
        return Done(process.returncode or 0, out.decode(), err.decode())

    async def log_in(self, person: str) -> None:
        done = await self.occ(person, "login", person, given=f"{acting.password(person)}\n")
        assert (done.code, done.err) == (0, ""), done


@asynccontextmanager
async def desk(tmp_path: Path, more: str = "") -> AsyncIterator[Desk]:
    """A process of its own over TLS, with a real trading engine as its target, and `more` in its configuration.

    The environment must have the engine's token.
    """
    authority = Authority(tmp_path)
    authority.issue("server")
    (tmp_path / "web.yml").write_text(
        f"tls_server_config: {{cert_file: server.crt, key_file: server.key}}\nbasic_auth_users: {{anna: {hashed()}}}\n"
    )
    async with world(tmp_path) as outside:
        outside.write(outside.actions.replace("deadline: 3s", "deadline: 30s"))  # no machine is too slow for that
        with (tmp_path / "receiver.yml").open("a") as config:
            config.write(more)
        flags = ("--web.listen-address", "127.0.0.1:0", "--web.config.file", str(tmp_path / "web.yml"))
        process = await launch(tmp_path / "receiver.yml", arguments=flags)
        try:
            assert process.stderr is not None
            async with asyncio.timeout(60):
                while b"serving on https://" not in (line := await process.stderr.readline()):
                    assert line
            yield Desk(f"https://localhost:{line.decode().strip().rpartition(':')[2]}", tmp_path, authority.certificate)
        finally:
            process.terminate()
            await process.communicate()
