"""Rules on another time scale: every wait and window divided by one factor, thresholds and label values left alone.

The demo would otherwise need the minutes that real rules rightly take. What is scaled: `for`, `keep_firing_for` and
`interval`, and in PromQL the ranges, subqueries and offsets; a number of seconds that is compared with is a threshold.
A recorded threshold that says how long something may stay away (`occ:threshold:…_age_seconds`) is a wait as well.
"""

import re
from collections.abc import Callable
from typing import Any

SECOND = 1000
SHORTEST_STEP = 1 * SECOND  # the demo scrapes and evaluates every second
SHORTEST_WINDOW = 4 * SECOND  # as the shipped rules' windows, at least four scrapes

_UNITS = {
    "y": 365 * 86400 * SECOND,
    "w": 7 * 86400 * SECOND,
    "d": 86400 * SECOND,
    "h": 3600 * SECOND,
    "m": 60 * SECOND,
    "s": SECOND,
    "ms": 1,
}
_DURATION = "".join(rf"(?:(\d+){unit})?" for unit in _UNITS)
_TOKENS = re.compile(
    r"""
      (?P<text> "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | `[^`]*` )
    | (?P<comment> \#[^\n]* )
    | \[ (?P<window> [^\]]* ) \]
    | (?P<offset> (?<![\w:]) offset \s+ -? \s* ) (?P<by> [\w.]+ )
    """,
    re.VERBOSE | re.IGNORECASE,
)


_RECORDED_WAIT = re.compile(r"occ:threshold:\w+_age_seconds")


def parse(duration: str) -> int:
    """Milliseconds of a duration as Prometheus writes it: `1h30m`, `500ms`."""
    match = re.fullmatch(_DURATION, duration)
    if not duration or (not match and duration != "0"):
        raise ValueError(f"{duration!r} is no duration such as 1h30m")
    amounts = match.groups(default="0") if match else ()
    return sum(int(amount) * size for amount, size in zip(amounts, _UNITS.values(), strict=False))


def render(milliseconds: int) -> str:
    """The shortest writing down from hours: `90m` is `1h30m`."""
    written, rest = "", milliseconds
    for unit in ("h", "m", "s", "ms"):
        amount, rest = divmod(rest, _UNITS[unit])
        written += f"{amount}{unit}" if amount else ""
    return written or "0s"


def divide(duration: str, factor: float, floor: int = 0) -> str:
    """To the millisecond, and not below the floor unless it was below before."""
    before = parse(duration)
    return render(max(round(before / factor), min(before, floor)))


def promql(expression: str, factor: float) -> str:
    """The expression with its ranges, subqueries and offsets divided."""

    def scaled(match: re.Match[str]) -> str:
        if (window := match["window"]) is not None:
            return f"[{_window(window, factor)}]"
        return match["offset"] + divide(match["by"], factor) if match["offset"] else match[0]

    return _TOKENS.sub(scaled, expression)


def _window(inside: str, factor: float) -> str:
    length, colon, step = (part.strip() for part in inside.partition(":"))
    return divide(length, factor, SHORTEST_WINDOW) + colon + (step and divide(step, factor, SHORTEST_STEP))


def rules(document: dict[str, Any], factor: float) -> dict[str, Any]:
    """A rule file as loaded from YAML."""
    return {**document, "groups": [_group(group, factor) for group in document.get("groups") or []]}


def _group(group: dict[str, Any], factor: float) -> dict[str, Any]:
    scaled = [_rule(rule, factor) for rule in group.get("rules") or []]
    return _changed(group, {"interval": _divider(factor, SHORTEST_STEP)}) | {"rules": scaled}


def _rule(rule: dict[str, Any], factor: float) -> dict[str, Any]:
    wait = _divider(factor)
    changed = _changed(rule, {"expr": lambda text: promql(str(text), factor), "for": wait, "keep_firing_for": wait})
    if factor != 1 and _RECORDED_WAIT.fullmatch(rule.get("record", "")):
        return {**changed, "expr": f"({changed['expr']}) / {factor:g}"}
    return changed


def routing(route: dict[str, Any], factor: float) -> dict[str, Any]:
    """A route of Alertmanager with those below it. It refuses an interval of zero; a group may wait zero seconds."""
    interval = _divider(factor, SHORTEST_STEP)
    scaled = _changed(route, {"group_wait": _divider(factor), "group_interval": interval, "repeat_interval": interval})
    below = [routing(inner, factor) for inner in route.get("routes") or []]
    return scaled | ({"routes": below} if below else {})


def _divider(factor: float, floor: int = 0) -> Callable[[Any], str]:
    return lambda duration: divide(str(duration), factor, floor)


def _changed(values: dict[str, Any], changes: dict[str, Callable[[Any], str]]) -> dict[str, Any]:
    return {key: changes[key](value) if key in changes else value for key, value in values.items()}
