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
    """A command: the module that has its `main(argv) -> int`, imported only when it is run."""

    module: str
    help: str

    def run(self, argv: list[str]) -> int:
        main: Callable[[list[str]], int] = importlib.import_module(self.module).main
        return main(argv)


COMMANDS = {
    "nodes": Command("exporters.nodes.__main__", "exporter: health of RPC nodes"),
    "exchange": Command("exporters.exchange.__main__", "exporter: exchange feeds, books and market quality"),
    "pools": Command("exporters.pools.__main__", "exporter: pools, oracles and positions on chain"),
    "receiver": Command("receiver.main", "takes alerts from Alertmanager, keeps and shows them"),
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
