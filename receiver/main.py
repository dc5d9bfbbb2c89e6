"""The receiver's life: database, server, reloads, end."""

from __future__ import annotations

import resource

from occ import flags, process, start, web
from occ.connections import most_connections
from occ.flags import Flags
from occ.start import Start
from occ.webconfig import Demand, Rules

from .app import RELOADER, running
from .config import ReceiverConfig
from .database import opened

NAME = "receiver"
SUMMARY = "Takes the alerts of Alertmanager in, keeps them, and shows what fires and what has fired."
PORT = 9720

MOST_CONNECTIONS = 4096
"""Alertmanager takes one for each alert of a storm. Were those ended that wait to be read, it would send all of them again, and
people would be kept out with them.
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the receiver; returns the exit code."""
    parser = flags.parser(NAME, SUMMARY, PORT, once=False, logins=True)
    return start.run(parser, ReceiverConfig, _serve, argv, demand=_guarded)


def _guarded(given: Flags, config: ReceiverConfig) -> Demand:
    """Who comes has to show who he is; on this machine alone it can be said that he need not."""

    def complaint(rules: Rules) -> str | None:
        if config.policy is None:
            return _without_people(given, rules)
        if given.without_login:
            return "--without-login: the configuration names a policy, so people log in"
        if not given.listen.loopback and rules.tls is None:
            return "beyond loopback passwords and sessions are sent over TLS alone (--web.config.file)"
        return None

    return complaint


def _without_people(given: Flags, rules: Rules) -> str | None:
    """The pages have no login of their own then: the web configuration has to have one, beyond loopback not in the clear."""
    if not given.listen.loopback and not (rules.guarded and rules.tls is not None):
        return "without a policy the pages have no login; beyond loopback they are served with TLS and a login alone (--web.config.file)"
    if not (rules.guarded or given.without_login or given.check_config):
        return "without a policy nobody can log in; to serve this machine all the same, say --without-login"
    return None


def _connections() -> int:
    """How many there may be, now that the process may have as many files open as that takes, if it can be had."""
    allowed, ceiling = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST_CONNECTIONS if ceiling == resource.RLIM_INFINITY else min(2 * MOST_CONNECTIONS, ceiling)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, ceiling))
    return most_connections(MOST_CONNECTIONS)


async def _serve(begun: Start[ReceiverConfig]) -> int:
    loaded = begun.loaded
    most = _connections()

    async def live() -> int:
        with opened(loaded.config.database_path) as database:
            async with (
                running(loaded, database, rules=begun.rules, load=begun.load) as app,
                web.serving(app, begun.flags.listen, most=most),
            ):
                reloader = app[RELOADER]
                told.reload = reloader.ask
                process.settle(answering=True)
                while True:
                    await reloader.wanted()
                    await reloader.reload()

    with process.hearing() as told:
        return await process.until_told(told, live)
