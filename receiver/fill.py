"""Parameters in their places: `$name` in what an action says becomes the value. Pure.

What a value may do depends on where it stands, so each place has a kind, and where no kind is named no `$name` may stand.
A value never leaves its place: not the segment of a path, not the string of a matcher, not the argument of a command.
`$$` is a plain `$`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel

from occ.errors import OccError

_PARAMETER = re.compile(r"\$(?:(\$)|([a-z][a-z0-9_]*))?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

Values = Mapping[str, str]


class Unfillable(OccError):  # noqa: N818 - it names what is the matter
    """A value, or its place, that do not go together; `at` leads to the place. The message repeats no value."""

    def __init__(self, message: str, *at: str | int) -> None:
        super().__init__(message)
        self.at = at


@dataclass(frozen=True, slots=True)
class Kind:
    """How parameters are put in one kind of place."""

    fill: Callable[[Any, Values], Any]


def options(model: type[BaseModel], raw: Mapping[str, Any], values: Values) -> dict[str, Any]:
    """The options of a step with the parameters in place, as the fields of the model say. Raises Unfillable."""
    return {key: _placed(_kind(model, key), value, values, key) for key, value in raw.items()}


def _kind(model: type[BaseModel], key: str) -> Kind:
    field = model.model_fields.get(key)
    return next((found for found in field.metadata if isinstance(found, Kind)), FIXED) if field else FIXED


def _placed(kind: Kind, value: Any, values: Values, *at: str | int) -> Any:
    try:
        return kind.fill(value, values)
    except Unfillable as error:
        raise Unfillable(str(error), *at, *error.at) from None


def _text(value: Any, values: Values, escape: Callable[[str], str] = str) -> Any:
    """A string with every parameter replaced; what is no string stays as it is."""
    if not isinstance(value, str):
        return value
    return _PARAMETER.sub(lambda match: "$" if match[1] else escape(_value(match, values)), value)


def _value(match: re.Match[str], values: Values) -> str:
    name = match[2]
    if name is None:
        raise Unfillable("`$` needs the name of a parameter; `$$` is a plain `$`")
    if name not in values:
        known = f"there are: {', '.join(sorted(values))}" if values else "there are none"
        raise Unfillable(f"`${name}` is no parameter here; {known}")
    return values[name]


def _fixed(value: Any, _: Values) -> Any:
    try:
        return _json(value, {})
    except Unfillable as error:
        raise Unfillable("no parameter may stand here; `$$` is a plain `$`", *error.at) from None


def _json(value: Any, values: Values) -> Any:
    match value:
        case Mapping():
            return {_key(key): _placed(JSON, item, values, key) for key, item in value.items()}
        case tuple() | list():  # of a file, and of what was stored
            return tuple(_placed(JSON, item, values, index) for index, item in enumerate(value))
        case _:
            return _text(value, values)


def _key(key: str) -> str:
    if "$" in key:
        raise Unfillable("a key holds no parameter", key)
    return key


# --- a URL's path ----------------------------------------------------------------------------------------------------

_LITERAL = re.compile(r"/(?:[A-Za-z0-9._~!&'()*+,;=:@$-]+/)*[A-Za-z0-9._~!&'()*+,;=:@$-]*")


def _path(value: Any, values: Values) -> Any:
    """A path in which each value is percent-encoded and within one segment.

    Servers and proxies differ in what they make of an encoded `/`, so a value that holds one is refused altogether.
    """
    if not isinstance(value, str):
        return value
    if not _LITERAL.fullmatch(value):
        raise Unfillable("expected a path such as /halt or /venues/$venue: no `//`, `?`, `#`, `%` or space")
    filled = str(_text(value, values, _segment))
    if {".", ".."} & set(filled.split("/")):
        raise Unfillable("`.` and `..` are no part of a path here")
    return filled


def _segment(value: str) -> str:
    if not value or "/" in value or "\\" in value or _CONTROL.search(value):
        raise Unfillable("a value that is empty or holds `/`, `\\` or a control character can not stand in a path")
    return quote(value, safe="")


# --- PromQL ----------------------------------------------------------------------------------------------------------

_TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|`[^`]*`|#[^\n]*|[^"\'`#]+|.', re.DOTALL)
_MATCHER = re.compile(r"[{,]\s*[A-Za-z_][A-Za-z0-9_]*\s*=\s*\Z")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}


def quoted(value: str) -> str:
    """A string of PromQL that means this text and nothing else."""
    return f'"{_escaped(value)}"'


def _escaped(value: str) -> str:
    return re.sub(r'[\\"\x00-\x1f\x7f]', lambda match: _ESCAPES.get(match[0], f"\\x{ord(match[0]):02x}"), value)


def _promql(value: Any, values: Values) -> Any:
    """A query in which parameters stand in double-quoted strings of `=` matchers alone."""
    if not isinstance(value, str):
        return value
    filled, before = [], ""
    for token in _TOKEN.findall(value):
        in_matcher = token.startswith('"') and _MATCHER.search(before)
        filled.append(_text(token, values, _escaped) if in_matcher else _constant(token))
        before += "" if token.startswith("#") else '""' if token[0] in "\"'`" else token
    return "".join(filled)


def _constant(token: str) -> str:
    try:
        return str(_text(token, {}))
    except Unfillable:
        raise Unfillable(
            'a parameter stands in the double-quoted string of an `=` matcher, as in {venue="$venue"}, and nowhere else'
        ) from None


# --- a command's arguments -------------------------------------------------------------------------------------------


def _argv(value: Any, values: Values) -> Any:
    if not isinstance(value, tuple | list):
        return value
    return tuple(_placed(_ARGUMENT, item, values, index) for index, item in enumerate(value))


def _argument(value: Any, values: Values) -> Any:
    if not isinstance(value, str):
        return value
    if re.fullmatch(r"\$[a-z][a-z0-9_]*", value):
        filled = str(_text(value, values))
        if "\0" in filled:
            raise Unfillable("a value that holds a NUL can not be an argument")
        return filled
    try:
        return _text(value, {})
    except Unfillable:
        raise Unfillable("a parameter is a whole argument; `$$` is a plain `$`") from None


TEXT = Kind(_text)
"""A string; parameters whole or inside."""
JSON = Kind(_json)
"""Any value; parameters in its strings, however deep. What sends it writes it as JSON, which escapes them."""
PATH = Kind(_path)
"""A URL's path; each value stays in one segment, percent-encoded."""
PROMQL = Kind(_promql)
"""A query; parameters in the double-quoted strings of `=` matchers, escaped."""
ARGV = Kind(_argv)
"""Arguments of a command; a parameter is a whole argument."""
FIXED = Kind(_fixed)
"""No parameter at all: what holds where nothing else is said."""
_ARGUMENT = Kind(_argument)
