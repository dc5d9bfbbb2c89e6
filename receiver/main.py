"""The receiver's life: database, server, reloads, end."""

from __future__ import annotations

from occ import flags, process, start, web
from occ.flags import Flags
from occ.start import Start
from occ.webconfig import Demand, Rules

from .app import RELOADER, running
from .config import ReceiverConfig
from .database import opened

NAME = "receiver"
SUMMARY = "Takes the alerts of Alertmanager in, keeps them, and shows what fires and what has fired."
PORT = 9720


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


async def _serve(begun: Start[ReceiverConfig]) -> int:
    loaded = begun.loaded

    async def live() -> int:
        with opened(loaded.config.database_path) as database:
            async with (
                running(loaded, database, rules=begun.rules, load=begun.load) as app,
                web.serving(app, begun.flags.listen),
            ):
                reloader = app[RELOADER]
                told.reload = reloader.ask
                while True:
                    await reloader.wanted()
                    await reloader.reload()

    with process.hearing() as told:
        return await process.until_told(told, live)
