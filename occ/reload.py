"""Another configuration without an end in between: by SIGHUP or `POST /-/reload`, all or nothing."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from aiohttp import web

from occ import auth, process
from occ.config import Loaded, Model
from occ.errors import ConfigError, OccError
from occ.page import Page
from occ.webconfig import WebConfigFile

log = logging.getLogger(__name__)

C = TypeVar("C", bound=Model)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the last reload, and when (Unix time). `problems` may be shown to whoever is trusted."""

    at: float
    problems: tuple[str, ...] = ()


class Reloader(Generic[C]):
    """Reads the files anew whenever it is asked to, one time after the other, and tells the page what is in force.

    `apply` puts a configuration in force or raises, and then nothing has changed.
    """

    def __init__(
        self,
        *,
        name: str,
        page: Page,
        loaded: Loaded[C],
        load: Callable[[], Loaded[C]],
        apply: Callable[[Loaded[C]], Awaitable[None]],
        rules: WebConfigFile,
    ) -> None:
        self.loaded = loaded
        self.loaded_at = time.time()
        self.last: Outcome | None = None
        self._name = name
        self._page = page
        self._load = load
        self._apply = apply
        self._rules = rules
        self._wanted = asyncio.Event()
        self._waiting: list[asyncio.Future[bool]] = []
        rules.changed = self._show
        self._show()

    def ask(self) -> asyncio.Future[bool]:
        """Asks for a reload, which is yet to begin; the future tells whether it put the files in force."""
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        self._wanted.set()
        return answer

    async def wanted(self) -> None:
        """Returns when somebody has asked."""
        await self._wanted.wait()

    async def reload(self) -> None:
        """Reads the files and puts them in force, or says in the log why not."""
        waiting, self._waiting = self._waiting, []
        self._wanted.clear()
        successful = False
        try:
            problems = await self._attempt()
            successful = not problems
            self.last = Outcome(time.time(), problems)
            self._show()
        finally:
            for answer in waiting:
                if not answer.done():
                    answer.set_result(successful)

    async def _attempt(self) -> tuple[str, ...]:
        try:
            self._rules.current()
            loaded = await asyncio.to_thread(self._load)
            if not self._rules.problems:
                await self._apply(loaded)
                self.loaded, self.loaded_at = loaded, time.time()
                log.info("reloaded: configuration %s is in force", loaded.digest)
            problems = self._rules.problems
        except ConfigError as error:
            problems = tuple(map(str, error.problems))
        except OccError as error:
            problems = (str(error),)
        except Exception as error:
            log.exception("the reload failed in our own code")
            problems = (f"{type(error).__name__} in our own code; the log has it",)
        if problems:
            log.error("the reload was refused, the former configuration stays in force: %s", "; ".join(problems))
        return problems

    def _show(self) -> None:
        successful = not (self._rules.problems or (self.last and self.last.problems))
        process.show_config(self._page, self._name, self.loaded.digest, self.loaded_at, successful=successful)

    async def handle(self, request: web.Request) -> web.Response:
        """`POST /-/reload`."""
        if not auth.trusted(request):
            text = "only from this machine, or with a login (--web.config.file)\n"
            return web.Response(status=403, text=text)
        if await asyncio.shield(self.ask()):
            return web.Response(text="reloaded\n")
        return web.Response(status=500, text="refused, the former configuration stays in force; the log says why\n")
