"""The names in a query: enough of PromQL's grammar to tell metrics from functions, keywords and labels."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_STRING = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]*`")
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)?\s*\{([^}]*)\}")
_MATCHED = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_LISTED = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)", re.IGNORECASE)
_RANGE = re.compile(r"\[[^]]*\]|\boffset\s+-?\w+", re.IGNORECASE)
_METRIC = re.compile(r"(?<![\w:.])([a-zA-Z_:][\w:]*)(?![\w:]*\s*\()")
_KEYWORDS = frozenset({"and", "or", "unless", "bool", "by", "without", "on", "ignoring", "group_left", "group_right"})


@dataclass(frozen=True)
class Names:
    """Metrics with the labels that their selectors match on, and the labels that are grouped or joined by."""

    metrics: Mapping[str, frozenset[str]]
    listed: frozenset[str]


def names(query: str) -> Names:
    bare = _RANGE.sub("", re.sub(r"#[^\n]*", "", _STRING.sub('""', query)))
    listed = {label.strip() for match in _LISTED.finditer(bare) for label in match[1].split(",")}
    bare = _LISTED.sub("", bare)
    metrics = {name: frozenset[str]() for name in _METRIC.findall(_SELECTOR.sub(r"\1 ", bare)) if name not in _KEYWORDS}
    for match in _SELECTOR.finditer(bare):
        if match[1]:
            metrics[match[1]] = metrics[match[1]] | set(_MATCHED.findall(match[2]))
    return Names(metrics, frozenset(listed - {""}))


def linked(annotation: str) -> list[str]:
    """The queries that a templated annotation draws, their placeholders filled."""
    found = re.findall(r"(?:printf|graphLink) (\"(?:\\.|[^\"\\])*\")", annotation)
    return [text[1:-1].replace('\\"', '"').replace("%q", '"x"') for text in found]
