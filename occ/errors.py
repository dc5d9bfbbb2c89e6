"""The errors of OCC.

OccError
├── ConfigError        what a person wrote is wrong; carries every problem with its place
├── CatalogueError     two declarations clash, or a column does not fit its family: our own mistake
└── SourceError        what is read has failed; `reason` says how, in one word of a closed set
    ├── RateLimitError the far side asks for patience; `retry_after` says how long, where it said so
    ├── HttpError      an HTTP status that carries no answer; `status` is the server's
    └── RpcError       a JSON-RPC error object; `code` is the node's
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a read failed: the value of the `reason` label, and nothing else ever is."""

    TIMEOUT = "timeout"
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    AUTH = "auth"
    RATE_LIMITED = "rate_limited"
    MAINTENANCE = "maintenance"
    SERVER_ERROR = "server_error"
    BAD_RESPONSE = "bad_response"
    RPC_ERROR = "rpc_error"
    REVERTED = "reverted"
    REORG = "reorg"
    NOT_SUPPORTED = "not_supported"
    INTERNAL = "internal"


class OccError(Exception):
    """Every error that OCC raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file: where, and what was expected there. Never holds the value of a secret."""

    file: str
    line: int | None
    path: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"


class ConfigError(OccError):
    """A configuration that can not be used."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class CatalogueError(OccError):
    """A metric declaration that clashes with another, or a column that does not fit its family."""


class SourceError(OccError):
    """A read that failed. The message is in our words: it never holds a URL, a key, or a body."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class RateLimitError(SourceError):
    """The far side refused because of too many requests."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(Reason.RATE_LIMITED, message)
        self.retry_after = retry_after


class HttpError(SourceError):
    """An HTTP status that carries no answer; `retry_after` in seconds, where the server said so."""

    def __init__(self, reason: Reason, status: int, message: str, retry_after: float | None = None) -> None:
        super().__init__(reason, message)
        self.status = status
        self.retry_after = retry_after


class RpcError(SourceError):
    """A JSON-RPC error object: an answer, though not the one asked for."""

    def __init__(self, reason: Reason, code: int, message: str) -> None:
        super().__init__(reason, message)
        self.code = code
