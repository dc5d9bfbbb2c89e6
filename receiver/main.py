"""The receiver's life: flags, configuration, database, server, reloads, end."""

from __future__ import annotations

import asyncio
import logging
import sys

from occ import config, flags, logs, process, web
from occ.errors import ConfigError
from occ.webconfig import Demand, Rules, WebConfigFile

from .app import RELOADER, running
from .config import ReceiverConfig
from .database import DatabaseError, opened

log = logging.getLogger(__name__)

NAME = "receiver"
SUMMARY = "Takes the alerts of Alertmanager in, keeps them, and shows what fires and what has fired."
PORT = 9720


def main(argv: list[str] | None = None) -> int:
    """Runs the receiver; returns the exit code."""
    given = flags.parse(flags.parser(NAME, SUMMARY, PORT, once=False), argv)
    logs.setup(given.log_level, given.log_format)
    return process.guarded(lambda: _checked(given), traces=False)


def _checked(given: flags.Flags) -> int:
    """Runs the receiver if its configuration can be used: from here on it is known what must not be logged."""
    try:
        loaded = config.load(given.config, ReceiverConfig)
        rules = WebConfigFile(given.web_config, _demand(given.listen))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if complaint := _demand(given.listen)(rules.current()):
        sys.stderr.write(f"--web.listen-address {given.listen}: {complaint}\n")
        return 2
    if given.check_config:
        files = filter(None, (given.config, given.web_config))
        return process.printed("".join(f"{file}: valid\n" for file in files))
    logged = logs.Logged(given.log_level, given.log_format)
    logged.mask(loaded.secrets | rules.secrets)
    return process.guarded(lambda: asyncio.run(_serve(loaded, given, rules, logged)))


def _demand(address: flags.Address) -> Demand:
    """The pages themselves have no login: whoever else than this machine may come has to have one, and not in the clear."""

    def complaint(rules: Rules) -> str | None:
        if address.loopback or (rules.guarded and rules.tls is not None):
            return None
        return "the pages have no login; beyond loopback they are served with TLS and a login alone (--web.config.file)"

    return complaint


async def _serve(
    loaded: config.Loaded[ReceiverConfig], given: flags.Flags, rules: WebConfigFile, logged: logs.Logged
) -> int:
    def load() -> config.Loaded[ReceiverConfig]:
        again = config.load(given.config, ReceiverConfig)
        logged.mask(again.secrets | rules.secrets)
        return again

    async def live() -> int:
        with (
            opened(loaded.config.database_path) as database,
            running(loaded, database, rules=rules, load=load) as app,
        ):
            reloader = app[RELOADER]
            told.reload = reloader.ask
            async with web.serving(app, given.listen):
                while True:
                    await reloader.wanted()
                    await reloader.reload()

    with process.hearing() as told:
        try:
            return await process.until_told(told, live)
        except (DatabaseError, web.ServeError) as error:
            log.error("%s", error)  # noqa: TRY400 - the message says it all
            return 1
