"""How every process starts: flags, configuration, what must not be logged; and how what ends it becomes an exit code."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from occ import config, flags, logs, process
from occ.config import Loaded, Model
from occ.errors import CatalogueError, ConfigError, OccError, Problem
from occ.flags import Flags
from occ.logs import Logged
from occ.webconfig import Demand, WebConfigFile

log = logging.getLogger(__name__)

M = TypeVar("M", bound=Model)

Take = Callable[[M, tuple[str, ...]], M]
"""Makes a configuration of the named parts of another. Raises ConfigError for names that it does not have."""


@dataclass(frozen=True, slots=True)
class Start(Generic[M]):
    """What a process was started with. Its secrets are masked in the log."""

    flags: Flags
    loaded: Loaded[M]
    rules: WebConfigFile
    logged: Logged
    take: Take[M]

    def load(self) -> Loaded[M]:
        """The configuration as its file is now, for a reload. ConfigError if it can not be used."""
        again = _loaded(self.flags, type(self.loaded.config), self.take)
        self.logged.mask(again.secrets | self.rules.secrets)
        return again


def run(
    parser: argparse.ArgumentParser,
    model: type[M],
    life: Callable[[Start[M]], Coroutine[Any, Any, int]],
    argv: list[str] | None = None,
    *,
    demand: Callable[[Flags, M], Demand] = lambda _given, _config: lambda _: None,
    take: Take[M] = lambda config, _: config,
) -> int:
    """Leads a life with the configuration that the flags name; returns the exit code.

    `demand` is what must hold of the web configuration with these flags and this configuration, `take` makes of the configuration what
    the flags say is to be used of it. An OccError that ends the life is one line of the log, and 1; a ConfigError is its
    problems, and 2.
    """
    given = flags.parse(parser, argv)
    logs.setup(given.log_level, given.log_format)
    return process.guarded(lambda: _checked(given, model, life, demand, take), traces=False)


def _checked(
    given: Flags,
    model: type[M],
    life: Callable[[Start[M]], Coroutine[Any, Any, int]],
    demand: Callable[[Flags, M], Demand],
    take: Take[M],
) -> int:
    """From here on it is known what must not be logged, if the configuration can be used."""
    try:
        loaded = _loaded(given, model, take)
        rules = _rules(given, demand(given, loaded.config))
    except ConfigError as error:
        return _refused(error)
    if given.check_config:
        files = filter(None, (given.config, given.web_config))
        return process.printed("".join(f"{file}: valid\n" for file in files))
    logged = Logged(given.log_level, given.log_format)
    logged.mask(loaded.secrets | rules.secrets)
    return process.guarded(lambda: asyncio.run(_led(life(Start(given, loaded, rules, logged, take)))))


def _loaded(given: Flags, model: type[M], take: Take[M]) -> Loaded[M]:
    loaded = config.load(given.config, model)
    return replace(loaded, config=take(loaded.config, given.only)) if given.only else loaded


def _rules(given: Flags, demand: Demand) -> WebConfigFile:
    rules = WebConfigFile(given.web_config, demand)
    if complaint := demand(rules.current()):  # of no file at all; what is wrong in one is said with its name
        raise ConfigError([Problem(f"--web.listen-address {given.listen}", None, "", complaint)])
    return rules


async def _led(life: Coroutine[Any, Any, int]) -> int:
    try:
        return await life
    except ConfigError as error:
        return _refused(error)
    except CatalogueError:  # our own mistake: its trace says more
        raise
    except OccError as error:
        log.error("%s", error)  # noqa: TRY400 - it says all that there is to know
        return 1


def _refused(error: ConfigError) -> int:
    sys.stderr.write(f"{error}\n")
    return 2
