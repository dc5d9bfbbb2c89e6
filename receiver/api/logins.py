"""Logging in and out, and who one is."""

from __future__ import annotations

from occ.auth import Busy
from receiver.clock import rfc3339
from receiver.people import TooMany
from receiver.why import Why

from .errors import Failure
from .operations import AnyOperation, Call, Nothing, Operation
from .shapes import Ended, LoggedIn, Login, Me


async def log_in(call: Call[Login, Nothing]) -> LoggedIn:
    """A token for a name and a password."""
    given = call.body
    try:
        found = await call.people.doors.sessions.log_in(given.person, given.password, call.address)
    except TooMany as error:
        raise Failure(Why.TOO_MANY, str(error), {"Retry-After": str(error.after)}) from None
    except Busy:
        raise Failure(Why.TOO_MANY, "too many logins at once; try again", {"Retry-After": "1"}) from None
    if found is None:
        raise Failure(Why.NOT_AUTHENTICATED, "name or password are wrong", {"WWW-Authenticate": 'Bearer realm="occ"'})
    token, session = found
    expires_at = rfc3339(session.expires_at)
    return LoggedIn(token=token, person=session.person.id, roles=session.person.roles, expires_at=expires_at)


async def me(call: Call[Nothing, Nothing]) -> Me:
    session = call.session
    return Me(
        person=session.person.id,
        roles=session.person.roles,
        expires_at=rfc3339(session.expires_at),
        proof=call.visitor.proof if call.visitor and call.visitor.by_cookie else None,
    )


async def end(call: Call[Nothing, Nothing]) -> Ended:
    return Ended(sessions=await call.people.doors.sessions.end(call.session))


async def end_all(call: Call[Nothing, Nothing]) -> Ended:
    return Ended(sessions=await call.people.doors.sessions.end_all(call.session))


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation("login", "POST", "/sessions", "Log in: a token for a name and a password", log_in, LoggedIn, Login,
              status=201, public=True),
    Operation("logout", "POST", "/sessions/current/revoke", "End the session that asks", end, Ended),
    Operation("logout_everywhere", "POST", "/sessions/revoke", "End every session of the person who asks", end_all, Ended),
    Operation("me", "GET", "/me", "Who asks, with the roles of now", me, Me),
)  # fmt: skip
