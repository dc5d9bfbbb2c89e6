"""One YAML file as plain data that remembers the line of everything in it.

The scalars are those of YAML 1.2's core schema, so that `off` is a word and `0x12` an address rather than a number.
`${NAME}` inside a string is replaced from the environment; `$${` is a plain `${`. Where a file is not to depend on its
environment, `${` is refused instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from occ.errors import ConfigError, Problem

MAX_DEPTH = 50
MAX_NODES = 500_000

Loc = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """PyYAML's tree with the scalars of YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as PyYAML has it


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first)

SURROGATE = re.compile(r"[\ud800-\udfff]")
"""Half a character: from an environment that is not UTF-8, or an escape such as `\\ud800`."""

_NULL = "tag:yaml.org,2002:null"
_PLAIN = _Loader("")
_QUOTED = re.compile(r" '[^'<\\]{2,}'")
_VARIABLE = re.compile(r"\$(\$\{)|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{")


class Document:
    """One file on its way to plain data: remembers the line of every path, and collects problems."""

    def __init__(self, path: Path, env: Mapping[str, str], *, substitutes: bool = True) -> None:
        self.file = str(path)
        self.env = env
        self.substitutes = substitutes
        self.problems: list[Problem] = []
        self.substituted: set[str] = set()
        self.lines: dict[Loc, int] = {}
        self._nodes = 0
        self._unknown: set[Loc] = set()

    def data(self, raw: bytes) -> object:
        try:
            text = raw.decode("utf-8")
            root = yaml.compose(text, Loader=_Loader)
        except UnicodeDecodeError as error:
            raise self._unreadable(raw[: error.start].count(b"\n") + 1, "is not UTF-8 text") from None
        except yaml.reader.ReaderError as error:
            line = text[: error.position].count("\n") + 1
            raise self._unreadable(
                line, f"not YAML: a character that does not belong in it, U+{int(error.character):04X}"
            ) from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise self._unreadable(mark.line + 1 if mark else None, f"not YAML: {_said(error)}") from None
        except RecursionError:
            raise self._unreadable(None, "too deeply nested, or too large") from None
        if root is None or root.tag == _NULL:
            raise self._unreadable(None, "is empty")
        if not isinstance(root, yaml.MappingNode):
            raise self._unreadable(root.start_mark.line + 1, "expected a mapping at the top")
        return self._value(root, ())

    def _unreadable(self, line: int | None, message: str) -> ConfigError:
        return ConfigError([Problem(self.file, line, "", message)])

    def _value(self, node: yaml.Node, loc: Loc) -> object:
        self.lines.setdefault(loc, node.start_mark.line + 1)
        self._nodes += 1
        if len(loc) > MAX_DEPTH or self._nodes > MAX_NODES:
            raise self._unreadable(node.start_mark.line + 1, "too deeply nested, or too large")
        if node.tag != _implied(node):
            self._not_known(node, loc, "tags are not used here")
            return None
        match node:
            case yaml.MappingNode():
                return self._mapping(node, loc)
            case yaml.SequenceNode():
                return tuple(self._value(item, (*loc, index)) for index, item in enumerate(node.value))
            case _:
                return self._scalar(node, loc)

    def _mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, object]:
        found: dict[str, object] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(Problem(self.file, line, dotted(loc), "a key must be a word"))
                continue
            key = str(key_node.value)
            at = (*loc, key)
            if key in found:
                message = f"stands twice, first on line {self.lines[at]}"
                self.problems.append(Problem(self.file, line, dotted(at), message))
                continue
            self.lines[at] = line
            found[key] = self._value(value_node, at)
        return found

    def _scalar(self, node: yaml.Node, loc: Loc) -> object:
        text = str(node.value)
        match node.tag.rpartition(":")[2]:
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                return self._integer(text, node, loc)
            case "float":
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
            case _:
                return self._string(text, node, loc)

    def _string(self, text: str, node: yaml.Node, loc: Loc) -> str:
        if not self.substitutes and "${" in text:
            self._not_known(node, loc, "environment variables are not put in here, so `${` is refused")
            return "unset"
        value = _VARIABLE.sub(lambda match: self._variable(match, node, loc), text)
        if SURROGATE.search(value):
            self._not_known(node, loc, "holds a character that is no text")
        return value

    def _integer(self, text: str, node: yaml.Node, loc: Loc) -> object:
        if len(text) <= 40:  # noqa: PLR2004 - a 128-bit number; longer ones are a slip, and slow to parse
            return int(text)
        self._not_known(node, loc, "a number with too many digits")
        return 0

    def _variable(self, match: re.Match[str], node: yaml.Node, loc: Loc) -> str:
        escaped, name = match.groups()
        if escaped:
            return "${"
        value = self.env.get(name or "", "")
        if not value:
            message = (
                f"environment variable {name} is not set"
                if name
                else "`${` needs a variable's name and `}`; `$${` is a plain `${`"
            )
            self._not_known(node, loc, message)
            return "unset"
        if len(value) >= 6:  # noqa: PLR2004 - a shorter one is no key, and masking it would garble the logs
            self.substituted.add(value)
        return value

    def _not_known(self, node: yaml.Node, loc: Loc, message: str) -> None:
        """Notes why a value can not be known; whatever else would be said of it is said of a stand-in."""
        self.problems.append(Problem(self.file, node.start_mark.line + 1, dotted(loc), message))
        self._unknown.add(loc)

    def problem(self, loc: Loc, message: str) -> None:
        """Notes a problem, on the line of the nearest thing that stands in the file."""
        if loc in self._unknown:
            return
        self.problems.append(Problem(self.file, nearest(self.lines, loc), dotted(loc), message))


def nearest(lines: Mapping[Loc, int], loc: Loc) -> int:
    """The line of a place, or of the smallest part around it that stands in the file."""
    return next(lines[loc[:n]] for n in range(len(loc), -1, -1) if loc[:n] in lines)


def dotted(loc: Loc) -> str:
    """`("chains", 0, "name")` as `chains[0].name`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{_in_one_line(part)}" for part in loc).lstrip(".")


def _in_one_line(key: str) -> str:
    return key if key.isprintable() else ascii(key)[1:-1]


def _implied(node: yaml.Node) -> str:
    """The tag that a node has by itself; where another one is written out, it differs."""
    quoted = bool(getattr(node, "style", None))
    return str(_PLAIN.resolve(type(node), node.value, (not quoted, quoted)))  # type: ignore[no-untyped-call]


def _said(error: yaml.MarkedYAMLError) -> str:
    """What the parser says, without the words that it repeats from the file."""
    problem = _QUOTED.sub("", error.problem or "")
    return f"{error.context}, {problem}" if problem.startswith("but ") else problem
