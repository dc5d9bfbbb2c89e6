"""Logs in one line per record, with every known secret masked, as text or JSON, on standard error."""

from __future__ import annotations

import base64
import logging
import re
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal
from urllib.parse import quote, quote_plus

import orjson

LEVELS = ("debug", "info", "warning", "error")
Format = Literal["text", "json"]
MASK = "***"
RECENT = 50
LONGEST_LINE = 2_000
LINES_APART = 200
_MIN_SECRET = 4
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Masker:
    """Replaces secrets in a text: as they are, as Python shows them, URL-encoded, and in base64 wherever they begin."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        needles = {form for secret in secrets if len(secret) >= _MIN_SECRET for form in _forms(secret)}
        longest_first = sorted(needles, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if needles else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(MASK, text) if self._pattern else text


def _forms(secret: str) -> Iterable[str]:
    yield from (secret, repr(secret)[1:-1], quote(secret, safe=""), quote(secret), quote_plus(secret))
    raw = secret.encode()
    for shift in range(3):
        # Base64 of the secret inside a longer text: only the digits that the secret alone decides.
        encoded = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        inner = encoded[(0, 2, 3)[shift] : len(encoded) - (1 if (shift + len(raw)) % 3 else 0)]
        if len(inner) >= 2 * _MIN_SECRET:
            yield from (inner, inner.replace("+", "-").replace("/", "_"))


class _Formatter(logging.Formatter):
    def __init__(self, style: Format, mask: Masker) -> None:
        super().__init__()
        self._render = _as_json if style == "json" else _as_text
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        at = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"
        message = _escaped(self._mask(_said(record)))
        trace = self._mask(self.formatException(record.exc_info)) if record.exc_info else ""
        return self._render(at, record, message, "\n".join(map(_escaped, trace.split("\n"))))


def _said(record: logging.LogRecord) -> str:
    """The message; where its arguments do not fit, both, since logging itself would print them without a mask."""
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} {record.args}"


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


def _as_text(at: str, record: logging.LogRecord, message: str, trace: str) -> str:
    line = f"{at} {record.levelname:<7} {record.name}: {message}"
    return f"{line}\n{trace}" if trace else line


def _as_json(at: str, record: logging.LogRecord, message: str, trace: str) -> str:
    line = {"time": at, "level": record.levelname.lower(), "logger": record.name, "message": message}
    return orjson.dumps(line | {"trace": trace} if trace else line).decode()


_apart: ContextVar[list[str] | None] = ContextVar("apart", default=None)


@contextmanager
def apart() -> Iterator[list[str]]:
    """What this task, and those that it starts, log from here on is told to whoever asked for it: the list is filled by
    `Recent`. Only errors go to the log of the process as well.
    """
    lines: list[str] = []
    token = _apart.set(lines)
    try:
        yield lines
    finally:
        _apart.reset(token)


class Recent(logging.Handler):
    """Keeps the last warnings and errors as the log shows them, masked, each clipped."""

    def __init__(self) -> None:
        super().__init__()
        self.complaints: deque[str] = deque(maxlen=RECENT)

    def emit(self, record: logging.LogRecord) -> None:
        line, lines = self.format(record)[:LONGEST_LINE], _apart.get()
        if lines is None and record.levelno >= logging.WARNING:
            self.complaints.append(line)
        if lines is not None and len(lines) < LINES_APART:
            lines.append(line)


class Logged:
    """The log of a process, in which everything is masked that it has ever known to be secret."""

    def __init__(self, level: str, style: Format) -> None:
        self.recent = Recent()
        self.masker = Masker()
        self._level = level
        self._style = style
        self._secrets: frozenset[str] = frozenset()

    def mask(self, secrets: frozenset[str]) -> None:
        """These are masked from here on, beside those of before."""
        self._secrets |= secrets
        self.masker = setup(self._level, self._style, self._secrets, also=[self.recent])


def setup(
    level: str, style: Format = "text", secrets: Iterable[str] = (), *, also: Iterable[logging.Handler] = ()
) -> Masker:
    """Routes all logging of the process through one masked handler; calling it again replaces the former.

    Whatever else is to hear of it (`also`) gets masked text. Returns the mask.
    """
    handler, mask = logging.StreamHandler(sys.stderr), Masker(secrets)
    handler.setFormatter(_Formatter(style, mask))
    handler.addFilter(lambda record: record.levelno >= logging.ERROR or _apart.get() is None)
    root = logging.getLogger()
    root.handlers[:] = [handler, *also]
    for other in also:
        other.setFormatter(_Formatter("text", mask))
    root.setLevel(level.upper())
    logging.getLogger("asyncio").setLevel(max(root.level, logging.WARNING))
    return mask
