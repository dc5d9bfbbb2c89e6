"""The flags that every process has."""

from __future__ import annotations

import argparse
import ipaddress
import platform
from dataclasses import dataclass
from pathlib import Path

from occ import __version__
from occ.logs import LEVELS, Format


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; an empty host is every interface."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """True when only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@dataclass(frozen=True, slots=True)
class Flags:
    """What was said on the command line."""

    config: Path
    check_config: bool
    once: bool
    listen: Address
    log_level: str
    log_format: Format
    web_config: Path | None = None
    only: tuple[str, ...] = ()
    without_login: bool = False


def address(text: str) -> Address:
    """HOST:PORT, :PORT or [IPv6]:PORT; port 0 lets the system choose."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:  # noqa: PLR2004 - the last port
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    if host.startswith("[") != host.endswith("]") or (":" in host and not host.startswith("[")):
        raise argparse.ArgumentTypeError(f"{text!r}: an IPv6 address stands in brackets, as in [::1]:9721")
    return Address(host.strip("[]"), int(port))


def names(text: str) -> tuple[str, ...]:
    """NAME,NAME,…; at least one."""
    found = tuple(name.strip() for name in text.split(","))
    if not all(found):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME,NAME,…")
    return found


def parser(
    name: str, summary: str, port: int, *, once: bool = True, only: str | None = None, logins: bool = False
) -> argparse.ArgumentParser:
    """The parser of a process; `once` for those that read and print a page, `only` for those that can use a part of a file,
    `logins` for those that people log in to.

    `only` is what the parts are called: with "venues" there is `--only-venues`.
    """
    made = argparse.ArgumentParser(
        prog=f"occ {name}",
        description=summary,
        epilog="Exit codes: 0 done, 1 failed while running, 2 wrong flags or configuration. SIGTERM ends it cleanly, SIGHUP makes "
        "it read its configuration anew.",
    )
    made.add_argument("--config", type=Path, required=True, metavar="FILE", help="the configuration, YAML")
    made.add_argument(
        "--check-config", action="store_true", help="check the configuration files, say what is wrong, and exit"
    )
    if once:
        made.add_argument(
            "--once", action="store_true", help="read everything once, print the page on standard output, and exit"
        )
    made.add_argument(
        "--web.listen-address",
        dest="listen",
        type=address,
        default=Address("127.0.0.1", port),
        metavar="HOST:PORT",
        help="where to serve (default: %(default)s)",
    )
    made.add_argument(
        "--web.config.file",
        dest="web_config",
        type=Path,
        metavar="FILE",
        help="TLS and logins, in the format of Prometheus' exporter-toolkit; changes are picked up by themselves",
    )
    made.add_argument(
        "--log.level", dest="log_level", choices=LEVELS, default="info", help="least level logged (default: info)"
    )
    made.add_argument(
        "--log.format", dest="log_format", choices=("text", "json"), default="text", help="(default: text)"
    )
    made.add_argument("--version", action="version", version=f"occ {__version__} (Python {platform.python_version()})")
    if only is not None:
        made.add_argument(
            f"--only-{only}",
            dest="only",
            type=names,
            metavar="NAME,…",
            help=f"use only these {only} of the configuration: so it is spread over processes and machines",
        )
    if logins:
        made.add_argument(
            "--without-login",
            action="store_true",
            help="where nobody is configured who could log in: serve all the same, to this machine alone",
        )
    made.set_defaults(once=False, only=(), without_login=False)
    return made


def parse(made: argparse.ArgumentParser, argv: list[str] | None) -> Flags:
    """Parses, or exits with 2 and a message."""
    return Flags(**vars(made.parse_args(argv)))
