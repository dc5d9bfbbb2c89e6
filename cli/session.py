"""`occ login`, `occ logout`, `occ password`: a session with the receiver, and what stands for a password in its files."""

from __future__ import annotations

import argparse
import getpass
import sys

from cli.client import DONE, FAILED, Client, Refused, clean, parser, run
from receiver.people import hashed

SHORTEST = 12


def login(argv: list[str] | None = None) -> int:
    """Logs in and keeps the session's token; 0 when that was right."""
    made = parser(
        "login",
        "Log in at the receiver. The password is asked for, or read from the first line of standard input; the token is kept "
        "in a file of mode 0600 below $XDG_STATE_HOME/occ (default: ~/.local/state/occ).",
    )
    made.add_argument("person", nargs="?", help="who; default: the name of the system's user")
    given = made.parse_args(argv)

    async def does(client: Client) -> int:
        found = await client.log_in(given.person or getpass.getuser(), _password("Password: "))
        print(f"{clean(found['person'])} ({', '.join(map(clean, found['roles']))}) until {clean(found['expires_at'])}")
        return DONE

    return run(given, does)


def logout(argv: list[str] | None = None) -> int:
    """Ends the session, here and at the receiver; 0 when it has ended there."""
    made = parser("logout", "End the session at the receiver, and forget its token.")
    made.add_argument("--everywhere", action="store_true", help="end every session of this person")
    given = made.parse_args(argv)

    async def does(client: Client) -> int:
        try:
            ended = await client.post("/sessions/revoke" if given.everywhere else "/sessions/current/revoke")
        finally:
            client.tokens.forget()
        print(f"sessions ended: {ended['sessions']}")
        return DONE

    return run(given, does)


def password(argv: list[str] | None = None) -> int:
    """Prints the Argon2id hash of a password for a person's file."""
    made = argparse.ArgumentParser(
        prog="occ password",
        description="Print the Argon2id hash of a password, for the file that policy.yml names. The password is asked for twice, or "
        "read from the first line of standard input.",
    )
    made.parse_args(argv)
    try:
        print(hashed(_chosen()))
    except Refused as error:
        print(f"occ: {error}", file=sys.stderr)
        return FAILED
    return DONE


def _chosen() -> str:
    """A new password, typed twice by whoever types. Raises Refused."""
    text = _password("Password: ")
    if len(text) < SHORTEST:
        raise Refused(f"it needs {SHORTEST} characters or more")
    if sys.stdin.isatty() and _password("Once more: ") != text:
        raise Refused("these are two different ones")
    return text


def _password(prompt: str) -> str:
    """Never from the command line, where everybody on the machine can read it. Raises Refused."""
    text = getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if not text:
        raise Refused("a password is needed")
    return text
