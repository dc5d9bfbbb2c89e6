"""An exporter that serves: its page, the jobs of the configuration in force, and everything that can be asked of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

from aiohttp import web

from occ import landing, plain, process
from occ.config import ExporterConfig, Loaded
from occ.debug import Debug
from occ.flags import Address
from occ.logs import Logged
from occ.probe import Probes
from occ.reload import Reloader
from occ.runtime import Runtime
from occ.web import CONNECTIONS, application, serving
from occ.webconfig import WebConfigFile

if TYPE_CHECKING:
    from occ.exporter import Exporter

C = TypeVar("C", bound=ExporterConfig)


class Service(Generic[C]):
    """Puts the parts together. `load` reads the configuration anew for a reload."""

    def __init__(
        self,
        exporter: Exporter[C],
        loaded: Loaded[C],
        load: Callable[[], Loaded[C]],
        rules: WebConfigFile,
        logged: Logged,
    ) -> None:
        name = exporter.name
        page = process.new_page(name, loaded.digest, exporter.families, loaded.config.limits.series)
        self.runtime = Runtime(exporter, page)
        self.reloader = Reloader(name=name, page=page, loaded=loaded, load=load, apply=self.runtime.apply, rules=rules)
        self._exporter = exporter
        self._rules = rules
        self._logged = logged

    @asynccontextmanager
    async def serving(self, address: Address) -> AsyncIterator[Address]:
        """Opens what the jobs need, and serves while the block runs; yields the address really bound."""
        async with aclosing(self.runtime):
            await self.runtime.start(self.reloader.loaded)
            async with serving(self._application(), address, leaving_cancels=True) as bound:
                yield bound

    async def run(self) -> int:
        """Polls and reloads; returns an exit code only when something ends that never should."""
        process.settle()
        return await self.runtime.run(self.reloader)

    def _application(self) -> web.Application:
        exporter, runtime = self._exporter, self.runtime
        beat, inside = self._inside()
        runtime.probes = Probes(exporter.name, exporter.families, runtime.jobs, self._shown)
        app = application(
            name=exporter.name,
            page=runtime.page,
            render=runtime.render,
            ready=lambda: runtime.ready,
            front=landing.handler(exporter.name, exporter.about, runtime.states, lambda: self.reloader.loaded.digest),
            routes=[
                web.get("/probe", runtime.probes.handle),
                web.get("/debug", inside.handle),
                web.post("/-/reload", self.reloader.handle),
            ],
            rules=self._rules,
            beat=beat,
        )
        inside.connections = app[CONNECTIONS]
        return app

    def _inside(self) -> tuple[process.Beat, Debug]:
        beat = process.Beat(self._exporter.name, self.runtime.page)
        inside = Debug(
            name=self._exporter.name,
            jobs=self.runtime.states,
            render=self.runtime.render,
            reloader=self.reloader,
            rules=self._rules,
            beat=beat,
            recent=self._logged.recent,
            shown=self._shown,
        )
        return beat, inside

    def _shown(self) -> object:
        """The configuration in force, as it may be seen."""
        return plain.masked(self.reloader.loaded.config, self._logged.masker)
