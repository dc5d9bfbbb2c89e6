"""What chain families have in common in taking answers apart: nothing is believed before it was looked at."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from occ.errors import Reason, SourceError
from occ.job import Target

T = TypeVar("T")

_DIGITS = re.compile(r"[0-9]{1,24}")
_VERSION = re.compile(r"([A-Za-z][A-Za-z0-9_-]{0,23})/(v?\d{1,5}(?:\.\d{1,5}){1,3})(?![A-Za-z0-9.])")


async def each(targets: tuple[Target, ...], read: Callable[[Target], Awaitable[T]]) -> Mapping[Target, T | SourceError]:
    """Reads targets side by side; one that fails is its own outcome."""

    async def outcome(target: Target) -> T | SourceError:
        try:
            return await read(target)
        except SourceError as error:
            return error

    if len(targets) == 1:
        return {targets[0]: await outcome(targets[0])}
    return dict(zip(targets, await asyncio.gather(*map(outcome, targets)), strict=True))


def needed(answer: Any) -> Any:
    """An answer without which there is no reading."""
    if isinstance(answer, SourceError):
        raise answer
    return answer


def optional(answers: Mapping[str, Any], what: str, parse: Callable[[str, Any], T]) -> T | None:
    """An answer that a node may refuse (a hosted one has no peers to tell); garbage in its place is still an error."""
    answer = answers.get(what)
    return None if answer is None or isinstance(answer, SourceError) else parse(what, answer)


def obj(what: str, value: Any) -> Mapping[str, Any]:
    """An object. Raises bad_response for anything else."""
    if not isinstance(value, dict):
        raise SourceError(Reason.BAD_RESPONSE, f"{what}: not an object")
    return value


def number(what: str, value: Any, limit: int) -> int:
    """A whole number from 0 to below `limit`. Raises bad_response for anything else."""
    if type(value) is not int or value < 0:
        raise SourceError(Reason.BAD_RESPONSE, f"{what}: not a whole number")
    if value >= limit:
        raise SourceError(Reason.BAD_RESPONSE, f"{what}: absurdly large")
    return value


def decimal(what: str, value: Any, limit: int) -> int:
    """A whole number in a string of digits, below `limit`. Raises bad_response for anything else."""
    if not isinstance(value, str) or not _DIGITS.fullmatch(value):
        raise SourceError(Reason.BAD_RESPONSE, f"{what}: not a whole number in quotes")
    return number(what, int(value), limit)


def flag(what: str, value: Any) -> bool:
    """True or false. Raises bad_response for anything else."""
    if not isinstance(value, bool):
        raise SourceError(Reason.BAD_RESPONSE, f"{what}: neither true nor false")
    return value


def matched(what: str, value: Any, form: re.Pattern[str]) -> str:
    """A string of a form, such as a hash. Raises bad_response for anything else."""
    if not isinstance(value, str) or not form.fullmatch(value):
        raise SourceError(Reason.BAD_RESPONSE, f"{what}: not of its form")
    return value


def version(what: str, value: Any) -> str:
    """Name and version only: a label's value must not be whatever a node cares to send."""
    if not isinstance(value, str):
        raise SourceError(Reason.BAD_RESPONSE, f"{what}: not a string")
    match = _VERSION.match(value)
    return f"{match[1]}/{match[2]}" if match else "other"


def text(what: str, value: Any, longest: int = 128) -> str:
    """A text, bounded. Raises bad_response for anything else."""
    if not isinstance(value, str) or len(value) > longest:
        raise SourceError(Reason.BAD_RESPONSE, f"{what}: not a text of at most {longest} characters")
    return value
