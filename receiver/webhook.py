"""Alertmanager's webhook message, version "4": bytes in, alerts out, and what could not be read said in words.

Nothing of the message is quoted in a complaint. Unknown fields are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson

from .episodes import Span

VERSION = "4"
MAX_ALERTS = 20_000
MAX_LABELS = 128
MAX_TEXT_BYTES = 65_536
MAX_KEY_BYTES = 65_536
MAX_LINK_BYTES = 8_192

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EARLIEST = (datetime(2000, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_AHEAD = timedelta(days=1) // _MICROSECOND
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")


class Unreadable(ValueError):  # noqa: N818 - it names what is the matter
    """A message, or an alert in it, that does not say what it should."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of a message."""

    fingerprint: str
    span: Span
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    generator_url: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message: its alerts, what is wrong with it, how many alerts are left out for that, and how many by the sender."""

    alerts: tuple[Alert, ...] = ()
    complaints: tuple[str, ...] = ()
    unreadable: int = 0
    group: str = ""
    truncated: int = 0


def read(body: bytes, now: int) -> Message:
    """The message of a body received at `now` (microseconds). Raises Unreadable when nothing of it can be used."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unreadable("not JSON in UTF-8") from None
    if not isinstance(data, dict):
        raise Unreadable("not a JSON object")
    if data.get("version") != VERSION:
        raise Unreadable(f'not a message of version "{VERSION}"')
    items = data.get("alerts")
    if not isinstance(items, list) or len(items) > MAX_ALERTS:
        raise Unreadable(f"alerts: not a list of {MAX_ALERTS} at most")
    alerts, complaints = _alerts(items, now)
    unreadable = len(complaints)
    truncated = data.get("truncatedAlerts", 0)
    if not isinstance(truncated, int) or not 0 <= truncated < 2**31:
        complaints.append("truncatedAlerts: not a number")
        truncated = 0
    try:
        group = _string(data, "groupKey", MAX_KEY_BYTES)
    except Unreadable as complaint:
        complaints.append(str(complaint))
        group = ""
    return Message(tuple(alerts), tuple(complaints), unreadable, group, int(truncated))


def _alerts(items: list[object], now: int) -> tuple[list[Alert], list[str]]:
    alerts, complaints = [], []
    for index, item in enumerate(items):
        try:
            alerts.append(_alert(item, now))
        except Unreadable as complaint:
            complaints.append(f"alerts[{index}]: {complaint}")
    return alerts, complaints


def _alert(item: object, now: int) -> Alert:
    if not isinstance(item, dict):
        raise Unreadable("not an object")
    labels = _texts(item, "labels")
    if not labels:
        raise Unreadable("labels: none")
    fingerprint = item.get("fingerprint")
    if not isinstance(fingerprint, str) or not _FINGERPRINT.fullmatch(fingerprint):
        fingerprint = fingerprint_of(labels)
    link = _string(item, "generatorURL", MAX_LINK_BYTES)
    return Alert(fingerprint, _span(item, now), labels, _texts(item, "annotations"), link)


def _span(item: Mapping[str, object], now: int) -> Span:
    starts = instant(item, "startsAt", now)
    match item.get("status"):
        case "firing":
            return Span(starts)
        case "resolved":
            ends = instant(item, "endsAt", now)
            if ends < starts:
                raise Unreadable("endsAt: before startsAt")
            return Span(starts, ends)
        case _:
            raise Unreadable("status: neither firing nor resolved")


def instant(item: Mapping[str, object], key: str, now: int) -> int:
    """Microseconds since 1970 of an RFC 3339 text, whatever its zone and precision. Raises Unreadable."""
    text = item.get(key)
    if not isinstance(text, str) or not _RFC3339.fullmatch(text):
        raise Unreadable(f"{key}: not an RFC 3339 timestamp")
    try:
        instant = (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        raise Unreadable(f"{key}: not an RFC 3339 timestamp") from None
    if not _EARLIEST <= instant <= now + _AHEAD:
        raise Unreadable(f"{key}: before 2000, or more than a day ahead of the clock here")
    return instant


def _texts(item: Mapping[str, object], key: str) -> Mapping[str, str]:
    texts = item.get(key) or {}
    if not isinstance(texts, dict) or len(texts) > MAX_LABELS:
        raise Unreadable(f"{key}: not a mapping of {MAX_LABELS} at most")
    size = 0
    for name, value in texts.items():
        if not name or not isinstance(value, str):
            raise Unreadable(f"{key}: not names and strings")
        if "\0" in name or "\0" in value:
            raise Unreadable(f"{key}: a NUL in a name or value")
        size += len(name.encode()) + len(value.encode())
    if size > MAX_TEXT_BYTES:
        raise Unreadable(f"{key}: more than {MAX_TEXT_BYTES} bytes")
    return texts


def _string(item: Mapping[str, object], key: str, limit: int) -> str:
    text = item.get(key) or ""
    if not isinstance(text, str) or "\0" in text or len(text.encode()) > limit:
        raise Unreadable(f"{key}: not a string of {limit} bytes at most")
    return text


def fingerprint_of(labels: Mapping[str, str]) -> str:
    """Alertmanager's own fingerprint of a label set: 64-bit FNV-1a over the sorted pairs, 0xff after each part."""
    value = 0xCBF29CE484222325
    for byte in b"".join(part.encode() + b"\xff" for pair in sorted(labels.items()) for part in pair):
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"
