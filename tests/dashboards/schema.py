"""Grafana's own schema, as its foundation SDK has it: what a board says must all be known there, and of the right type.

The SDK reads leniently: it drops keys that it does not know and hands through what it does not decode. So a board is
decoded, encoded again and compared; and apart from that every value is held against the annotation of its attribute.
"""

from __future__ import annotations

import enum
import functools
import json
import types
import typing
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter(
        "ignore", DeprecationWarning
    )  # it would rather have the schema that Grafana 7 to 11 can not read
    from grafana_foundation_sdk.cog import plugins, runtime
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models import dashboard, prometheus, units

plugins.register_default_plugins()

PANEL_TYPES = frozenset(runtime.Runtime().panelcfg_variants)
UNITS = frozenset(value for name, value in vars(units).items() if isinstance(value, str) and not name.startswith("_"))

Json = Any


def complaints(board: Mapping[str, Json]) -> Iterator[str]:
    """What of a board Grafana's schema does not know, with its path."""
    unknown = [panel for panel in board["panels"] if panel["type"] not in PANEL_TYPES | {"row"}]
    for panel in unknown:
        yield f"{board['uid']}: {panel['title']}: no panel type {panel['type']}"
    if not unknown:
        yield from _types(board, dashboard.Dashboard, board["uid"])
        encoded = json.loads(json.dumps(dashboard.Dashboard.from_json(dict(board)), cls=JSONEncoder))
        yield from _lost(board, encoded, board["uid"])


def _lost(before: Json, after: Json, place: str) -> Iterator[str]:
    """What is not the same after decoding and encoding; what was added are defaults."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            yield from _lost(value, after[key], f"{place}.{key}") if key in after else [f"{place}.{key} is lost"]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _lost(old, new, f"{place}[{_name(old, number)}]")
    elif before != after:
        yield f"{place} comes back as {after!r}"


def _types(value: Json, annotation: Any, place: str) -> Iterator[str]:
    """Where a value does not fit its annotation."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        yield from _union(value, arguments, place)
    elif origin is list and isinstance(value, list):
        for number, item in enumerate(value):
            yield from _types(item, arguments[0], f"{place}[{_name(item, number)}]")
    elif origin is dict and isinstance(value, dict):
        for key, item in value.items():
            yield from _types(item, arguments[1], f"{place}.{key}")
    elif hasattr(annotation, "from_json") and isinstance(value, dict):
        yield from _object(value, annotation, place)
    elif not _fits(value, annotation, origin, arguments):
        yield f"{place} is {value!r}, not {getattr(annotation, '__name__', annotation)}"


def _fits(value: Json, annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> bool:
    if origin is typing.Literal:
        return value in arguments
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return value in [member.value for member in annotation]
    if annotation is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return annotation is object or (isinstance(annotation, type) and origin is None and isinstance(value, annotation))


def _union(value: Json, members: tuple[Any, ...], place: str) -> Iterator[str]:
    """As the member that fits best, and of objects as one of the same type."""
    if value is None and type(None) in members:
        return
    named = [member for member in members if isinstance(value, dict) and _type(member) == value.get("type")]
    candidates = named or [member for member in members if member is not type(None) and not _type(member)]
    found = [list(_types(value, member, place)) for member in candidates]
    yield from min(found, key=len, default=[f"{place} is {value!r}, none of {members}"])


def _type(member: Any) -> str:
    """The `type` that objects of a class have always; empty where it is open."""
    return getattr(member(), "type_val", "") if hasattr(member, "from_json") else ""


def _object(value: dict[str, Json], schema: Any, place: str) -> Iterator[str]:
    known = {**_keys(schema), **_plugin(value, schema)}
    for key, item in value.items():
        if key in known:
            yield from _types(item, known[key], f"{place}.{key}")
        else:
            yield f"{place}.{key}: {schema.__name__} has no such key"
    if schema is dashboard.Panel:
        yield from _fields(value, place)


@functools.cache
def _keys(schema: Any) -> dict[str, Any]:
    """The JSON keys of a class with the annotations of their attributes, by encoding an object of marks."""
    hints = typing.get_type_hints(schema)
    marked = object.__new__(schema)
    for name in hints:
        setattr(marked, name, name)
    return {key: hints[name] for key, name in marked.to_json().items() if name in hints}


def _plugin(value: Mapping[str, Json], schema: Any) -> dict[str, Any]:
    """What the schema leaves open, and the panel's plugin says: options and queries; and what is asked of Grafana itself."""
    if schema is dashboard.AnnotationQuery:
        return {"target": dashboard.AnnotationTarget}
    if schema is not dashboard.Panel:
        return {}
    variant = runtime.panelcfg_config(value["type"])
    assert variant is not None
    assert variant.options_from_json_hook is not None
    return {"options": variant.options_from_json_hook.__self__, "targets": list[prometheus.Dataquery]}  # type: ignore[attr-defined]


def _fields(panel: Mapping[str, Json], place: str) -> Iterator[str]:
    """The part of the field configuration that is the plugin's own, and the overrides, which the schema leaves open."""
    variant = runtime.panelcfg_config(panel["type"])
    hook = variant and variant.field_config_from_json_hook
    own = hook.__self__ if hook else None  # type: ignore[attr-defined]
    custom = panel["fieldConfig"]["defaults"].get("custom")
    if custom is not None:
        yield from _types(custom, own or dict[str, typing.Never], f"{place}.fieldConfig.defaults.custom")
    for override in panel["fieldConfig"]["overrides"]:
        where = f"{place}.fieldConfig.overrides[{override['matcher']['options']}]"
        for change in override["properties"]:
            prefix, _, key = change["id"].rpartition(".")
            known = _keys(own) if prefix == "custom" and own else _keys(dashboard.FieldConfig)
            yield from (
                _types(change["value"], known[key], f"{where}.{change['id']}")
                if key in known
                else [f"{where}: no property {change['id']}"]
            )


def _name(item: Json, number: int) -> str:
    return str(item.get("title") or item.get("name") or number) if isinstance(item, dict) else str(number)
