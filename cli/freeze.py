"""`occ freeze`, `occ unfreeze`, `occ freezes`: stop actions from starting, and let them go on."""

from __future__ import annotations

from cli.client import DONE, Answer, Client, clean, parser, run


def freeze(argv: list[str] | None = None) -> int:
    """Freezes everything, an action or a target; 0 when it is in force."""
    made = parser("freeze", "Stop actions from starting: all of them, one, or those that touch a target.")
    what = made.add_mutually_exclusive_group(required=True)
    what.add_argument("--everything", action="store_const", const=("everything", ""), dest="what")
    what.add_argument("--action", type=lambda name: ("action", name), metavar="NAME", dest="what")
    what.add_argument("--target", type=lambda name: ("target", name), metavar="NAME", dest="what")
    made.add_argument("--reason", required=True, metavar="TEXT", help="why; it is paged, and recorded")
    given = made.parse_args(argv)

    async def does(client: Client) -> int:
        scope, name = given.what
        print(_line(await client.post("/freezes", scope=scope, name=name, reason=given.reason)))
        return DONE

    return run(given, does)


def unfreeze(argv: list[str] | None = None) -> int:
    """Says that a freeze may end; 0 when that was recorded, which may not be enough to end it."""
    made = parser(
        "unfreeze", "Say that a freeze may end. It ends once as many people have said so as the policy wants."
    )
    made.add_argument("id", metavar="ID", help="of the freeze, as `occ freezes` shows it")
    made.add_argument("--reason", required=True, metavar="TEXT", help="why; it is recorded")
    given = made.parse_args(argv)

    async def does(client: Client) -> int:
        found = await client.post(f"/freezes/{given.id}/unfreeze", reason=given.reason)
        print(_line(found))
        if found["lifted_at"] is None:
            print("It goes on until another person says so too.")
        return DONE

    return run(given, does)


def freezes(argv: list[str] | None = None) -> int:
    """Prints the freezes in force."""
    made = parser("freezes", "What is frozen now.")
    made.add_argument("--all", action="store_true", help="those that have ended, too")
    given = made.parse_args(argv)

    async def does(client: Client) -> int:
        found = (await client.get("/freezes"))["freezes"]
        shown = [one for one in found if given.all or one["lifted_at"] is None]
        print("\n".join(map(_line, shown)) or "Nothing is frozen.")
        return DONE

    return run(given, does)


def _line(found: Answer) -> str:
    what = " ".join(filter(None, (found["scope"], found["name"])))
    until = f", until {found['lifted_at']}" if found["lifted_at"] else ""
    return clean(f"{found['id']}  {what}, by {found['person']} at {found['at']}{until}: {found['reason']}")
