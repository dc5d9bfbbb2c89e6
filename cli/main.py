"""`occ`: every process of the centre, and what helps to run it."""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass

from occ import __version__


@dataclass(frozen=True, slots=True)
class Command:
    """A command: the module that has its `main(argv) -> int`, or what it is called there, imported only when it is run."""

    module: str
    help: str
    function: str = "main"

    def run(self, argv: list[str]) -> int:
        main: Callable[[list[str]], int] = getattr(importlib.import_module(self.module), self.function)
        return main(argv)


COMMANDS = {
    "nodes": Command("exporters.nodes.__main__", "exporter: health of RPC nodes"),
    "exchange": Command("exporters.exchange.__main__", "exporter: exchange feeds, books and market quality"),
    "pools": Command("exporters.pools.__main__", "exporter: pools, oracles and positions on chain"),
    "receiver": Command("receiver.main", "takes alerts from Alertmanager, keeps and shows them"),
    "audit": Command("cli.audit", "take the receiver's audit out, and verify it offline with the public key alone"),
    "database": Command("cli.database", "copy the receiver's database while it runs, or put a copy back"),
    "login": Command("cli.session", "log in at the receiver", "login"),
    "logout": Command("cli.session", "end the session at the receiver", "logout"),
    "password": Command("cli.session", "print the hash of a password for policy.yml's people", "password"),
    "actions": Command("cli.actions", "what can be done: list, plan, run, approve, watch and all the rest"),
    "incidents": Command("cli.incidents", "what is wrong: list, show, acknowledge, hand over, close, report"),
    "freeze": Command("cli.freeze", "stop actions from starting", "freeze"),
    "unfreeze": Command("cli.freeze", "say that a freeze may end", "unfreeze"),
    "freezes": Command("cli.freeze", "what is frozen now", "freezes"),
    "notifiers": Command("cli.notifiers", "where people are told, how that goes, and a test of it"),
    "check-config": Command("cli.check_config", "check all configuration files of a folder together"),
    "drill": Command("demo.drilling", "break the running demo on purpose, and judge the alerts that come of it"),
    "dashboards": Command("cli.dashboards", "generate the Grafana boards, check them, or write what a Grafana needs"),
    "rules": Command("cli.rules", "make the alerting rules of thresholds and objectives, or check them"),
    "catalogue": Command("cli.catalogue", "list every metric family: name, type, labels, meaning"),
}


def main(argv: list[str] | None = None) -> int:
    """Runs the command that is named first; the rest of the line is the command's own."""
    given = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        prog="occ",
        description="Operational Command Center for digital-asset trading.",
        epilog="commands:\n"
        + "".join(f"  {name:<14}{command.help}\n" for name, command in COMMANDS.items())
        + "\n`occ COMMAND --help` tells more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"occ {__version__} (Python {platform.python_version()})"
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of the commands below")
    return COMMANDS[parser.parse_args(given[:1]).command].run(given[1:])
