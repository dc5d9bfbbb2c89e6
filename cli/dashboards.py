"""`occ dashboards`: generate the Grafana boards, check that they are up to date, or write what a Grafana needs for them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dashboards import provision
from dashboards.kit.addresses import Addresses, of_prometheus

from .catalogue import catalogue

ROOT = Path(__file__).resolve().parent.parent

_DESCRIPTION = """\
Generate the Grafana boards from dashboards/*.py.

Limits of colours are read from the alerting rules, and names of metrics and labels are checked against `occ catalogue`;
a board that asks for anything else is refused. Rules are not in the wheel: --write and --check need a checkout of the
repository (or --rules), and the extra `dashboards`. --provision needs neither where both URLs are given.
"""
_EPILOG = """\
exit code: 0 done or up to date; 1 out of date, or a board was refused; 2 wrong flags, or something is missing

examples:
  occ dashboards --write                         after a board, a rule or a family has changed
  occ dashboards --check                         what --write would change
  occ dashboards --provision /tmp/grafana --prometheus-url http://127.0.0.1:9090 --occ-url http://127.0.0.1:9720
  GF_PATHS_PROVISIONING=/tmp/grafana grafana server --homepath /usr/share/grafana
"""


def parser() -> argparse.ArgumentParser:
    """The command's flags."""
    made = argparse.ArgumentParser(
        prog="occ dashboards",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = made.add_mutually_exclusive_group(required=True)
    generated = provision.GENERATED
    what.add_argument(
        "--write",
        nargs="?",
        const=generated,
        type=Path,
        metavar="DIR",
        help="write DIR/UID.json (default: dashboards/generated)",
    )
    what.add_argument(
        "--check",
        nargs="?",
        const=generated,
        type=Path,
        metavar="DIR",
        help="say which files there are not what --write writes",
    )
    what.add_argument("--provision", type=Path, metavar="DIR", help="write a provisioning folder with the boards in it")
    rules = ROOT / "alerting-rules"
    made.add_argument(
        "--rules", type=Path, default=rules, metavar="DIR", help="the folder of rules (default: alerting-rules)"
    )
    made.add_argument(
        "--occ-url",
        metavar="URL",
        help="the receiver, as a browser reaches it (default: as in DIR/prometheus.yml of --rules)",
    )
    made.add_argument("--repo-url", metavar="URL", help="this repository as a web page (default: likewise)")
    made.add_argument(
        "--prometheus-url",
        default="http://prometheus:9090",
        metavar="URL",
        help="for --provision (default: %(default)s)",
    )
    made.add_argument("--scrape-interval", default="15s", metavar="TIME", help="for --provision (default: %(default)s)")
    return made


def main(argv: list[str] | None = None) -> int:
    """Runs the command."""
    given = parser().parse_args(argv)
    try:
        return _run(given)
    except ModuleNotFoundError as error:
        print(f"occ dashboards: {error.name} is missing: install the extra `dashboards`", file=sys.stderr)
    except (LookupError, OSError) as error:
        print(f"occ dashboards: {error}", file=sys.stderr)
    return 2


def _run(given: argparse.Namespace) -> int:
    addresses = _addresses(given)
    if given.provision:
        url, interval = given.prometheus_url, given.scrape_interval
        provision.write(given.provision, prometheus_url=url, scrape_interval=interval, addresses=addresses)
        print(f"{given.provision}: set GF_PATHS_PROVISIONING to it")
        return 0
    return _generate(given, addresses)


def _generate(given: argparse.Namespace, addresses: Addresses) -> int:
    # Here, so that --provision and --help work without the extra.
    from dashboards import boards  # noqa: PLC0415
    from dashboards.kit import emit  # noqa: PLC0415

    try:
        documents = boards.documents(catalogue(), given.rules, addresses)
    except emit.Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    if given.write:
        for path in emit.write(documents, given.write):
            print(path)
        return 0
    stale = emit.differences(documents, given.check)
    print("\n".join(stale) or f"{given.check}: up to date", file=sys.stderr if stale else sys.stdout)
    return 1 if stale else 0


def _addresses(given: argparse.Namespace) -> Addresses:
    if given.occ_url and given.repo_url:
        return Addresses(given.occ_url.rstrip("/"), given.repo_url.rstrip("/"))
    shipped = of_prometheus(given.rules / "prometheus.yml")
    return Addresses((given.occ_url or shipped.occ_url).rstrip("/"), (given.repo_url or shipped.repo_url).rstrip("/"))
