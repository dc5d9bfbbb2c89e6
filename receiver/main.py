"""The receiver's life: database, server, reloads, end."""

from __future__ import annotations

from occ import flags, process, start, web
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
    return start.run(
        flags.parser(NAME, SUMMARY, PORT, once=False), ReceiverConfig, _serve, argv, demand=_guarded_beyond_loopback
    )


def _guarded_beyond_loopback(address: flags.Address) -> Demand:
    """The pages themselves have no login: whoever else than this machine may come has to have one, and not in the clear."""

    def complaint(rules: Rules) -> str | None:
        if address.loopback or (rules.guarded and rules.tls is not None):
            return None
        return "the pages have no login; beyond loopback they are served with TLS and a login alone (--web.config.file)"

    return complaint


async def _serve(begun: Start[ReceiverConfig]) -> int:
    loaded = begun.loaded

    async def live() -> int:
        with (
            opened(loaded.config.database_path) as database,
            running(loaded, database, rules=begun.rules, load=begun.load) as app,
        ):
            reloader = app[RELOADER]
            told.reload = reloader.ask
            async with web.serving(app, begun.flags.listen):
                while True:
                    await reloader.wanted()
                    await reloader.reload()

    with process.hearing() as told:
        return await process.until_told(told, live)
