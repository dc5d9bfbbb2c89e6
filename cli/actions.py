"""`occ actions`: what can be done, and everything that people do about a request."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import yaml

from cli.client import DONE, FAILED, Answer, Client, Refused, clean, identity, parser, run
from receiver.life import ENDED, State

LOOK_EVERY = 1.0
CONFIRMED = "yes"

Does = Callable[[Client, argparse.Namespace], Awaitable[int]]


# --- looking ----------------------------------------------------------------------------------------------------------


async def show_actions(client: Client, given: argparse.Namespace) -> int:
    found = (await client.get("/actions", fingerprint=given.fingerprint))["actions"]
    for action in found:
        kind = "protective" if action["protective"] else ""
        mine = "" if action["why_not"] is None else f"not by you: {action['why_not']}"
        print(clean("  ".join(filter(None, (action["name"], action["title"], kind, mine)))))
        for parameter in action["parameters"]:
            print(clean(f"    {parameter['name']}: {_bounds(parameter)}"))
    return DONE


def _bounds(parameter: Answer) -> str:
    number = parameter["number"]
    bounds = f"{number['min']} to {number['max']}" if number else ", ".join(parameter["choices"])
    return f"{bounds} (or the alert's label {parameter['from_label']})" if parameter["from_label"] else bounds


async def show_requests(client: Client, given: argparse.Namespace) -> int:
    if given.id:
        _print_request(await client.get(f"/requests/{given.id}"))
        return DONE
    for request in (await client.get("/requests", state=given.state))["requests"]:
        print(_line(request))
    return DONE


def _line(request: Answer) -> str:
    why = f" ({request['why']})" if request["why"] else ""
    parameters = " ".join(f"{name}={value}" for name, value in request["parameters"].items())
    return clean(
        f"{request['id']}  {request['state']}{why}  {request['action']} {parameters}  by {request['person']} "
        f"at {request['created_at']}: {request['reason']}"
    )


def _print_request(found: Answer) -> None:
    """YAML says all of it, and shows what is no printable text as what it is."""
    print(_line(found["request"]))
    print(_yaml({"plan": found["plan"], "seen": found["evidence"], "plan_hash": found["request"]["plan_hash"]}))
    rest = {name: found[name] for name in ("decisions", "effects", "missing", "approvers") if found[name]}
    if rest:
        print(_yaml(rest))


def _yaml(value: Answer) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=False, width=110).rstrip()


async def watch(client: Client, given: argparse.Namespace) -> int:
    return await _watched(client, given.id)


async def _watched(client: Client, id_: str) -> int:
    """Says each state until it has ended, or only people can bring it further; 0 where it succeeded."""
    before = None
    while True:
        request = (await client.get(f"/requests/{id_}"))["request"]
        if request["state"] != before:
            print(_line(request), flush=True)
        before = request["state"]
        if before in ENDED or before == State.IN_DOUBT:
            return DONE if before == State.SUCCEEDED else FAILED
        await asyncio.sleep(LOOK_EVERY)


# --- doing ------------------------------------------------------------------------------------------------------------


async def plan(client: Client, given: argparse.Namespace) -> int:
    found = await _planned(client, given)
    print(f"Nothing is done yet. To ask for it: occ actions submit {found['request']['id']}")
    return DONE


async def run_action(client: Client, given: argparse.Namespace) -> int:
    """Plans it, shows the plan, and when that is wanted asks for it and watches it."""
    return await _submitted(client, given, await _planned(client, given))


async def submit(client: Client, given: argparse.Namespace) -> int:
    found = await client.get(f"/requests/{given.id}")
    _print_request(found)
    return await _submitted(client, given, found)


async def _planned(client: Client, given: argparse.Namespace) -> Answer:
    request = await client.post(
        "/requests",
        action=given.action,
        parameters=dict(given.parameters),
        reason=given.reason,
        fingerprint=given.fingerprint,
        idempotency_key=given.key,
    )
    found = await client.get(f"/requests/{request['id']}")
    _print_request(found)
    return found


async def _submitted(client: Client, given: argparse.Namespace, found: Answer) -> int:
    request = found["request"]
    if request["state"] != State.PLANNED:
        print(f"It is {clean(request['state'])}: there is nothing to ask for.")
        return FAILED
    _confirm(given, "Ask for this?")
    print(_line(await client.post(f"/requests/{request['id']}/submit", plan_hash=request["plan_hash"])))
    return await _watched(client, request["id"])


def _decide(verdict: str) -> Does:
    async def does(client: Client, given: argparse.Namespace) -> int:
        plan_hash = given.plan_hash
        if plan_hash is None:
            found = await client.get(f"/requests/{given.id}")
            _print_request(found)
            _confirm(given, f"{verdict.capitalize()} this?")
            plan_hash = found["request"]["plan_hash"]
        print(_line(await client.post(f"/requests/{given.id}/{verdict}", plan_hash=plan_hash, reason=given.reason)))
        return DONE

    return does


def _say(verdict: str) -> Does:
    async def does(client: Client, given: argparse.Namespace) -> int:
        print(_line(await client.post(f"/requests/{given.id}/{verdict}", reason=given.reason)))
        return DONE

    return does


async def release(client: Client, given: argparse.Namespace) -> int:
    found = await client.post(f"/requests/{given.id}/release", applied=given.applied, reason=given.reason)
    print(_line(found))
    if found["state"] == State.IN_DOUBT:
        print("It stays in doubt until another person says the same.")
    return DONE


def _confirm(given: argparse.Namespace, question: str) -> None:
    """Raises Refused unless whoever is there says yes, or said so before."""
    if given.yes:
        return
    if not sys.stdin.isatty():
        raise Refused("nobody is there to be asked; say --yes")
    if input(f"{question} Type {CONFIRMED}: ").strip().lower() != CONFIRMED:
        raise Refused("nothing was done")


# --- the command ------------------------------------------------------------------------------------------------------


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _wants_action(each: argparse.ArgumentParser) -> None:
    each.add_argument("action", help="its name")
    each.add_argument(
        "--set",
        action="append",
        default=[],
        type=_parameter,
        metavar="NAME=VALUE",
        dest="parameters",
        help="a parameter",
    )
    each.add_argument("--fingerprint", help="the alert that it answers")
    each.add_argument("--key", metavar="TEXT", help="asked twice with the same key it is planned once")


def _wants_outcome(each: argparse.ArgumentParser) -> None:
    which = each.add_mutually_exclusive_group(required=True)
    which.add_argument("--applied", action="store_true", help="it took effect")
    which.add_argument("--not-applied", action="store_false", dest="applied", help="it did not, and will not")


def _wants_some(each: argparse.ArgumentParser) -> None:
    each.add_argument(
        "id", nargs="?", type=identity, metavar="ID", help="of a request; without it the newest are listed"
    )
    each.add_argument("--state", choices=list(State), metavar="STATE", help="only those in this state")


def _option(*names: str, **rest: Any) -> Callable[[argparse.ArgumentParser], object]:
    return lambda each: each.add_argument(*names, **rest)


_ID = _option("id", type=identity, metavar="ID", help="of the request")
_REASON = _option("--reason", required=True, metavar="TEXT", help="why; it is recorded")
_YES = _option("--yes", action="store_true", help="do not ask")
_HASH = _option("--plan-hash", metavar="HASH", help="of the plan that was read; without it the plan is shown first")
_ALERT = _option("--fingerprint", help="only what is offered for this alert")

_COMMANDS: tuple[tuple[str, Does, str, tuple[Callable[[argparse.ArgumentParser], object], ...]], ...] = (
    ("list", show_actions, "what can be done", (_ALERT,)),
    ("plan", plan, "plan an action", (_wants_action, _REASON)),
    ("run", run_action, "plan an action, ask for it, watch it", (_wants_action, _REASON, _YES)),
    ("submit", submit, "ask for what was planned, and watch it", (_ID, _YES)),
    ("approve", _decide("approve"), "approve the plan that was read", (_ID, _REASON, _HASH, _YES)),
    ("reject", _decide("reject"), "reject the plan that was read", (_ID, _REASON, _HASH, _YES)),
    ("cancel", _say("cancel"), "take back one's own request", (_ID, _REASON)),
    ("review", _say("review"), "say that one has looked at it afterwards", (_ID, _REASON)),
    ("release", release, "say what became of what is in doubt", (_ID, _REASON, _wants_outcome)),
    ("show", show_requests, "one request with its plan, or the newest of all", (_wants_some,)),
    ("watch", watch, "follow a request to its end", (_ID,)),
)


def _parser() -> argparse.ArgumentParser:
    made = parser("actions", "What can be done, and what people do about it.")
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    for name, does, about, wants in _COMMANDS:
        each = commands.add_parser(name, help=about, description=about)
        each.set_defaults(does=does)
        for want in wants:
            want(each)
    return made


def main(argv: list[str] | None = None) -> int:
    """Asks the receiver; 0 when it is done, and for `run`, `submit` and `watch` when the request succeeded."""
    given = _parser().parse_args(argv)
    return run(given, lambda client: given.does(client, given))
