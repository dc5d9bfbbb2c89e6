"""Silences and alerts of the Alertmanager that a target is, for the executors that make silences and end them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field

from occ import http as wire
from occ.config import refuse, refuse_all
from occ.errors import SourceError
from receiver import alertmanager, fill, silencing
from receiver.actions import http
from receiver.alertmanager import Held, Silence
from receiver.outgoing import Line, NoAnswer

MAKER = "occ"
"""Who made it, by what stands in the silence."""

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

T = TypeVar("T")


def _matchers(matchers: dict[str, str]) -> dict[str, str]:
    refuse_all(refuse("expected the name of a label", name) for name in matchers if not _LABEL.fullmatch(name))
    refuse_all(
        refuse("must not be empty: that would be every alert without it", *[name])
        for name, value in matchers.items()
        if not value
    )
    return matchers


Matchers = Annotated[dict[str, str], Field(min_length=1), AfterValidator(_matchers), fill.JSON]
"""Value by label; each is compared by `=`, whole."""


class Aimed(http.Aimed):
    """A step about silences of these matchers."""

    matchers: Matchers


def made_by(key: str, matchers: Mapping[str, str], silences: Collection[Silence]) -> Silence | None:
    """The silence that an effect has made: by its key, and with its matchers. One that is in force before one that was."""
    found = [it for it in silences if key in silencing.keys_in(it.comment) and it.matchers == matchers]
    return min(found, key=lambda silence: silence.state != "active", default=None)


def path(silence: Silence) -> str:
    """Where a silence is to be found. Raises NoAnswer where it has no id that could be one."""
    if not _ID.fullmatch(silence.id):
        raise NoAnswer("a silence without an id")
    return f"/api/v2/silence/{silence.id}"


async def silences(way: Line) -> tuple[Silence, ...]:
    """All that Alertmanager remembers. Raises NotSent, NoAnswer."""
    return await _told(way, "/api/v2/silences", alertmanager.silences)


async def covered(way: Line, matchers: Mapping[str, str]) -> tuple[Held, ...]:
    """The alerts that a silence of these matchers covers now. Raises NotSent, NoAnswer.

    Alertmanager picks them, since it may hold many thousands, and takes long to tell of all.
    """
    picked = [("filter", f"{name}={_quoted(value)}") for name, value in matchers.items()]
    held = await _told(way, "/api/v2/alerts", alertmanager.held, picked)
    return tuple(alert for alert in held if silencing.covers(matchers, alert.labels))


def _quoted(value: str) -> str:
    """As Alertmanager's matchers are written."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


async def _told(way: Line, path: str, parse: Callable[[Any], T], query: Sequence[tuple[str, str]] = ()) -> T:
    status, told = await way.ask(path, query=query, most=wire.MAX_BODY_BYTES)
    if status != 200:  # noqa: PLR2004 - the one that tells
        raise NoAnswer(f"HTTP {status}")
    try:
        return parse(told)
    except SourceError as error:
        raise NoAnswer(str(error)) from None
