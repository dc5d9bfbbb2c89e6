"""`occ incidents`: what is wrong, who leads, and everything that people do about it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from cli.client import DONE, Answer, Client, Refused, clean, identity, parser, run
from receiver.incidents.life import Status

SEVERITIES = ("page", "ticket", "info")

Does = Callable[[Client, argparse.Namespace], Awaitable[int]]


# --- looking ----------------------------------------------------------------------------------------------------------


async def show_all(client: Client, given: argparse.Namespace) -> int:
    found = (await client.get("/incidents", status=given.status))["incidents"]
    shown = [one for one in found if given.all or given.status or one["status"] != Status.CLOSED]
    print("\n".join(map(_line, shown)) or "There are none.")
    return DONE


async def show(client: Client, given: argparse.Namespace) -> int:
    """The incident, its alerts, what happened (the oldest first), and what may be done by whoever asks."""
    found = await client.get(f"/incidents/{given.id}", limit=str(given.limit))
    print(_line(found["incident"]))
    print(clean(f"responders: {', '.join(found['responders']) or 'nobody'}"))
    for alert in found["alerts"]:
        until = f"until {alert['ends_at']}" if alert["ends_at"] else "fires"
        print(clean(f"  {alert['alertname']}  {alert['fingerprint']}  since {alert['starts_at']}, {until}"))
    if found["earlier"] is not None:
        print("  (what happened before that is left out; --limit shows more)")
    for each in reversed(found["timeline"]):
        said = f": {each['said']}" if each["said"] else ""
        print(clean(f"  {each['at']}  {each['words']}{said}"))
    print(clean(f"you may: {', '.join(may['act'] for may in found['may'] if may['why_not'] is None) or 'only look'}"))
    return DONE


def _line(found: Answer) -> str:
    leads = f"led by {found['commander']}" if found["commander"] else "nobody leads"
    lost = ", out of sight" if found["sight_lost"] else ""
    return clean(
        f"{found['id']}  {found['status']} {found['severity']}  {found['title']}  since {found['opened_at']}, {leads}, "
        f"{found['firing']} of {found['alerts']} alerts fire{lost}"
    )


async def report(client: Client, given: argparse.Namespace) -> int:
    """On standard output, or in a new file."""
    text = await client.text(f"/incidents/{given.id}/report")
    if given.output is None:
        sys.stdout.write(text)
        return DONE
    try:
        with given.output.open("x") as file:
            file.write(text)
    except OSError as error:
        raise Refused(f"{given.output}: {error.strerror}") from None
    return DONE


# --- doing ------------------------------------------------------------------------------------------------------------


async def open_one(client: Client, given: argparse.Namespace) -> int:
    wanted = {"title": given.title, "severity": given.severity, "reason": given.reason}
    print(_line(await client.post("/incidents", **wanted, fingerprint=given.fingerprint)))
    return DONE


def _does(act: str, **names: str) -> Does:
    """Does it with what the flags of these names say; a flag that was left out is not sent."""

    async def does(client: Client, given: argparse.Namespace) -> int:
        said = {key: getattr(given, name) for key, name in names.items()}
        body = {key: value for key, value in said.items() if value is not None}
        print(_line(await client.post(f"/incidents/{given.id}/{act}", **body)))
        return DONE

    return does


# --- the command ------------------------------------------------------------------------------------------------------


def _option(*names: str, **rest: Any) -> Callable[[argparse.ArgumentParser], object]:
    return lambda each: each.add_argument(*names, **rest)


_ID = _option("id", type=identity, metavar="ID", help="of the incident")
_REASON = _option("--reason", required=True, metavar="TEXT", help="why, or what was done; it is recorded")
_REMARK = _option("--reason", metavar="TEXT", help="recorded with it; may be left out")
_STATUS = _option("--status", choices=list(Status), metavar="STATUS", help="only those in this state")
_ALL = _option("--all", action="store_true", help="those that are closed, too")
_LIMIT = _option("--limit", type=int, default=50, metavar="N", help="so much of the timeline; default: 50")
_OUTPUT = _option("--output", type=Path, metavar="FILE", help="a new file; standard output without it")
_TO = _option("--to", required=True, metavar="PERSON", help="who leads from now on")
_TEXT = _option("--text", required=True, metavar="TEXT", help="for the timeline")
_SUMMARY = _option("--summary", required=True, metavar="TEXT", help="what happened, why, and what is done about it")
_TITLE = _option("--title", required=True, metavar="TEXT", help="what is wrong, in a line")
_SEVERITY = _option("--severity", choices=SEVERITIES, default="page", metavar="SEVERITY", help="page, ticket or info")
_GRAVENESS = _option("--severity", choices=SEVERITIES, required=True, metavar="SEVERITY", help="page, ticket or info")
_ALERT = _option("--fingerprint", metavar="FINGERPRINT", help="the alert that it is about")

_COMMANDS: tuple[tuple[str, Does, str, tuple[Callable[[argparse.ArgumentParser], object], ...]], ...] = (
    ("list", show_all, "what is not closed", (_STATUS, _ALL)),
    ("show", show, "one, with what happened and what you may do", (_ID, _LIMIT)),
    ("open", open_one, "open one by hand", (_TITLE, _SEVERITY, _REASON, _ALERT)),
    ("acknowledge", _does("acknowledge", reason="reason"), "say that you are there; the first leads", (_ID, _REMARK)),
    ("note", _does("note", text="text"), "note something for its timeline", (_ID, _TEXT)),
    ("hand-over", _does("hand-over", to="to", reason="reason"), "have somebody else lead it", (_ID, _TO, _REMARK)),
    (
        "severity",
        _does("severity", severity="severity", reason="reason"),
        "say how grave it is",
        (_ID, _GRAVENESS, _REASON),
    ),
    ("mitigate", _does("mitigate", reason="reason"), "say that it does not hurt any more", (_ID, _REASON)),
    ("resolve", _does("resolve", reason="reason"), "say that it is over, where no alert can tell", (_ID, _REASON)),
    ("close", _does("close", summary="summary"), "close it with a summary", (_ID, _SUMMARY)),
    ("report", report, "what happened, in Markdown, with its proof", (_ID, _OUTPUT)),
)


def main(argv: list[str] | None = None) -> int:
    """Asks the receiver; 0 when it is done."""
    made = parser("incidents", "What is wrong, who leads, and what is done about it.")
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    for name, does, about, wants in _COMMANDS:
        each = commands.add_parser(name, help=about, description=about)
        each.set_defaults(does=does)
        for want in wants:
            want(each)
    given = made.parse_args(argv)
    return run(given, lambda client: given.does(client, given))
