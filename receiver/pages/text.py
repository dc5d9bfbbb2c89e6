"""What others have written, as a page shows it: escaped, and never longer than its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape
from yarl import URL

from receiver import clock
from receiver.text import shown

MAX_SHOWN = 300
MAX_LINK = 500
"""Bytes, as they are sent."""

_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")


def web_link(text: str) -> str:
    """The text if it is an http or https URL of a bearable length, else nothing: annotations are written by others."""
    try:
        url = URL(text[: MAX_LINK + 1])
    except ValueError:
        return ""
    fits = len(escape(text[: MAX_LINK + 1]).encode()) <= MAX_LINK
    return text if url.scheme in ("http", "https") and url.host and fits and not _UNPRINTABLE.search(text) else ""


def host_of(url: str) -> str:
    """Where a link leads, as it is looked up: of a name in other letters its ASCII form."""
    return URL(url).raw_host or ""


def clip(text: str, limit: int = MAX_SHOWN) -> Markup:
    """As much of the text as fits into so many bytes of a page, with `…` where it is cut."""
    head = shown(text[:limit])
    whole = escape(head)
    if len(text) <= limit and len(whole.encode()) <= limit:
        return whole
    return escape(_fitting(head, limit - len("…".encode()))) + "…"


def _fitting(text: str, room: int) -> str:
    for index, char in enumerate(text):
        room -= len(escape(char).encode())
        if room < 0:
            return text[:index]
    return text


def sentence(text: str) -> str:
    """With a capital at its beginning and a full stop at its end."""
    return text and text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")


Instant = int | str
"""Microseconds since 1970, UTC; or RFC 3339."""


def micros(at: Instant) -> int:
    return at if isinstance(at, int) else clock.parsed(at)


def readable(at: Instant) -> str:
    return clock.readable(micros(at))


def rfc3339(at: Instant) -> str:
    return clock.rfc3339(micros(at))


def between(since: Instant, until: Instant) -> str:
    """The time from one to the other."""
    return clock.span(micros(until) - micros(since))


def ago(at: Instant, now: int) -> str:
    """How long ago it was, or in how long it will be."""
    apart = now - micros(at)
    return f"{clock.span(apart)} ago" if apart >= 0 else f"in {clock.span(-apart)}"


# --- what holds other things -----------------------------------------------------------------------------------------

_MARKUP = 60
"""Bytes that a page needs around one thing, or thereabouts."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Names and what they are of, and how many more there were."""

    pairs: tuple[tuple[Markup, Any], ...]
    more: int


@dataclass(frozen=True, slots=True)
class Items:
    """Things in their order, and how many more there were."""

    each: tuple[Any, ...]
    more: int


def in_order(values: Mapping[str, str]) -> dict[str, str]:
    """By their names."""
    return dict(sorted(values.items()))


def flat(value: Any) -> Any:
    """What stands in pairs within pairs, in pairs of one level: `body venue` is the venue of the body."""
    if not isinstance(value, Mapping):
        return value
    found: dict[str, Any] = {}
    for key, item in value.items():
        inner = flat(item)
        if isinstance(inner, Mapping) and inner:
            found |= {f"{key} {name}": each for name, each in inner.items()}
        else:
            found[str(key)] = inner
    return found


def trimmed(value: Any, room: int = 15_000, longest: int = 1_000) -> Any:
    """What JSON can hold, for a page: Pairs, Items and texts, which together take about `room` bytes at most."""
    return _Trimmed(room, longest).of(value)


class _Trimmed:
    def __init__(self, room: int, longest: int) -> None:
        self._room, self._longest = room, longest

    def of(self, value: Any) -> Any:
        match value:
            case Mapping() if value:
                pairs = tuple((self._text(str(key), 120), self.of(item)) for key, item in self._taken(value.items()))
                return Pairs(pairs, len(value) - len(pairs))
            case list() | tuple() if value:
                items = tuple(map(self.of, self._taken(value)))
                return Items(items, len(value) - len(items))
            case None | Mapping() | list() | tuple():
                return "none"
            case bool():
                return "yes" if value else "no"
        return self._text(str(value), self._longest)

    def _taken(self, things: Iterable[Any]) -> Iterable[Any]:
        for thing in things:
            if self._room <= 0:
                return
            self._room -= _MARKUP
            yield thing

    def _text(self, text: str, limit: int) -> Markup:
        found = clip(text, max(20, min(limit, self._room)))
        self._room -= len(found.encode())
        return found if len(text) <= limit else found + f" (cut: it has {len(text):,} characters)"
