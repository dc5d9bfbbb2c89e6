"""The receiver's life: flags, configuration, database, server, end."""

from __future__ import annotations

import asyncio
import logging
import sys

from occ import config, flags, logs, process, web
from occ.errors import ConfigError

from .app import running
from .config import ReceiverConfig
from .database import DatabaseError, opened

log = logging.getLogger(__name__)

NAME = "receiver"
SUMMARY = "Takes the alerts of Alertmanager in, keeps them, and shows what fires and what has fired."
PORT = 9720


def main(argv: list[str] | None = None) -> int:
    """Runs the receiver; returns the exit code."""
    given = flags.parse(flags.parser(NAME, SUMMARY, PORT, once=False), argv)
    try:
        loaded = config.load(given.config, ReceiverConfig)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if not given.listen.loopback:
        sys.stderr.write(f"--web.listen-address {given.listen}: the pages have no login; only loopback is served\n")
        return 2
    if given.check_config:
        sys.stdout.write(f"{given.config}: valid\n")
        return 0
    logs.setup(given.log_level, given.log_format, loaded.secrets)
    try:
        asyncio.run(_serve(loaded, given.listen))
    except DatabaseError as error:
        log.error("%s", error)  # noqa: TRY400 - the message says it all
        return 1
    except OSError as error:
        log.error("can not serve on %s: %s", given.listen, error.strerror or error)  # noqa: TRY400 - as above
        return 1
    return 0


async def _serve(loaded: config.Loaded[ReceiverConfig], address: flags.Address) -> None:
    told = asyncio.create_task(process.until_told())
    await asyncio.sleep(0)  # signals are heard from here on, before the first request can come
    with opened(loaded.config.database_path) as database, running(loaded, database) as app:
        async with web.serving(app, address):
            await told
