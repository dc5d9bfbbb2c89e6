"""`occ notifiers`: where people are told, how that goes, and a test of it."""

from __future__ import annotations

from cli.client import DONE, FAILED, Answer, Client, clean, parser, run


def main(argv: list[str] | None = None) -> int:
    """Lists the notifiers, or sends a test message through each; 0 when all of them have taken it."""
    made = parser("notifiers", "Where people are told: how that goes, or a test message through each.")
    made.add_argument("doing", choices=("list", "test"), metavar="list|test", help="list them, or test them")
    given = made.parse_args(argv)
    return run(given, _test if given.doing == "test" else _list)


async def _list(client: Client) -> int:
    found = (await client.get("/notifiers"))["notifiers"]
    print("\n".join(map(_line, found)) or "There are none: people hear of nothing but by looking.")
    return DONE


async def _test(client: Client) -> int:
    found = (await client.post("/notifiers/test"))["notifiers"]
    for one in found:
        print(clean(f"{one['name']} ({one['kind']}): {one['failure'] or 'has taken it'}"))
    if not found:
        print("There are none: nothing was sent.")
    return DONE if found and all(one["failure"] is None for one in found) else FAILED


def _line(found: Answer) -> str:
    told = f"told last at {found['last_delivered_at']}" if found["last_delivered_at"] else "told nothing yet"
    since = f" since {found['oldest_waiting_at']}" if found["waiting"] else ""
    lost = f", {found['given_up']} given up within a day" if found["given_up"] else ""
    failure = f"; at {found['last_failed_at']}: {found['failure']}" if found["failure"] else ""
    return clean(f"{found['name']} ({found['kind']}): {told}, {found['waiting']} waiting{since}{lost}{failure}")
