"""How every process starts: flags, configuration, what must not be logged; and how what ends it becomes an exit code."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine, Iterable
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

Notes = Callable[[Loaded[M]], Iterable[Problem]]
"""Tells of a configuration what is valid, and still not what anybody would want."""


@dataclass(frozen=True, slots=True)
class Start(Generic[M]):
    """What a process was started with. Its secrets are masked in the log."""

    flags: Flags
    loaded: Loaded[M]
    rules: WebConfigFile
    logged: Logged
    take: Take[M]
    notes: Notes[M]

    def load(self) -> Loaded[M]:
        """The configuration as its file is now, for a reload. ConfigError if it can not be used."""
        whole = config.load(self.flags.config, type(self.loaded.config))
        again = _taken(whole, self.flags, self.take)
        self.logged.mask(again.secrets | self.rules.secrets)
        _log(self.notes(whole))
        return again


def run(
    parser: argparse.ArgumentParser,
    model: type[M],
    life: Callable[[Start[M]], Coroutine[Any, Any, int]],
    argv: list[str] | None = None,
    *,
    demand: Callable[[Flags, M], Demand] = lambda _given, _config: lambda _: None,
    take: Take[M] = lambda config, _: config,
    notes: Notes[M] = lambda _: (),
) -> int:
    """Leads a life with the configuration that the flags name; returns the exit code.

    `demand` is what must hold of the web configuration with these flags and this configuration, `take` makes of the configuration what
    the flags say is to be used of it; `notes` are told of it as a whole. An OccError that ends the life is one line of the log, and 1;
    a ConfigError is its problems, and 2.
    """
    given = flags.parse(parser, argv)
    logs.setup(given.log_level, given.log_format)
    return process.guarded(lambda: _checked(given, model, life, demand, take=take, notes=notes), traces=False)


def _checked(
    given: Flags,
    model: type[M],
    life: Callable[[Start[M]], Coroutine[Any, Any, int]],
    demand: Callable[[Flags, M], Demand],
    *,
    take: Take[M],
    notes: Notes[M],
) -> int:
    """From here on it is known what must not be logged, if the configuration can be used."""
    try:
        whole = config.load(given.config, model)
        loaded = _taken(whole, given, take)
        rules = _rules(given, demand(given, loaded.config))
    except ConfigError as error:
        return _refused(error)
    if given.check_config:
        files = filter(None, (given.config, given.web_config))
        told = (*(f"{file}: valid" for file in files), *(f"note: {note}" for note in notes(whole)))
        return process.printed("".join(f"{line}\n" for line in told))
    logged = Logged(given.log_level, given.log_format)
    logged.mask(loaded.secrets | rules.secrets)
    _log(notes(whole))
    return process.guarded(lambda: asyncio.run(_led(life(Start(given, loaded, rules, logged, take, notes)))))


def _taken(whole: Loaded[M], given: Flags, take: Take[M]) -> Loaded[M]:
    return replace(whole, config=take(whole.config, given.only)) if given.only else whole


def _log(notes: Iterable[Problem]) -> None:
    for note in notes:
        log.warning("%s", note)


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
