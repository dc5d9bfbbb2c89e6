"""`--web.config.file`: TLS, client certificates and logins, in the format of Prometheus' exporter-toolkit.

The files are looked at again for every connection and request, which costs a `stat` each, and are read again when they
have changed. What is read then and can not be used changes nothing: the former rules stay in force, and why is logged once.
"""

from __future__ import annotations

import hashlib
import logging
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, ValidationInfo, model_validator

from occ import config
from occ.config import Model, Secret, refuse
from occ.errors import ConfigError, Problem
from occ.tls import Cipher, ClientAuth, Tls, TlsError, Version

log = logging.getLogger(__name__)

MAX_COST = 14
"""Of a bcrypt hash: about a second. Every step more doubles it, and a login may not keep the process from ending."""

SETTLED = 2.0
"""Seconds after which a file's timestamp tells of every further change to it."""

TRY_AGAIN = 1.0
"""Seconds between two looks at files that were refused: what is missing may have come."""

_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_HEADERS = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}


def _readable(value: object, info: ValidationInfo[Any]) -> Path:
    """A file beside the configuration, or anywhere by an absolute path."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise refuse("expected the path of a file")
    path: Path = info.context.base / value
    try:
        path.read_bytes()
    except OSError as error:
        raise refuse(f"can not read the file named here: {error.strerror}") from None
    return path


def _hash(value: object, info: ValidationInfo[Any]) -> Secret:
    found = _BCRYPT.fullmatch(value) if isinstance(value, str) else None
    if not isinstance(value, str) or found is None:
        raise refuse("expected a bcrypt hash, as `htpasswd -nBC 10 NAME` makes it")
    if not 4 <= int(found[1]) <= MAX_COST:  # noqa: PLR2004 - bcrypt's own least
        raise refuse(f"a bcrypt hash of cost {int(found[1])}: it must be between 4 and {MAX_COST}")
    info.context.secrets.add(value)
    return Secret(value)


def _users(value: object) -> object:
    for name in value if isinstance(value, dict) else ():
        if not re.fullmatch(r"[^:\x00-\x1f\x7f]{1,255}", name):
            raise refuse("a user's name has 1 to 255 characters, and no colon", name)
    return value


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if name not in _HEADERS:
            raise refuse(f"can not be set; there are: {', '.join(_HEADERS)}", name)
        if _HEADERS[name] and value not in _HEADERS[name]:
            raise refuse(f"expected {' or '.join(_HEADERS[name])}", name)
        if not value.isascii() or not value.isprintable():
            raise refuse("expected printable ASCII", name)
    return headers


File = Annotated[Path, PlainValidator(_readable)]
Hash = Annotated[Secret, PlainValidator(_hash)]


class TlsServer(Model):
    """`tls_server_config`."""

    cert_file: File
    key_file: File
    client_auth_type: ClientAuth = "NoClientCert"
    client_ca_file: File | None = None
    client_allowed_sans: tuple[str, ...] = ()
    min_version: Version = "TLS12"
    max_version: Version = "TLS13"
    cipher_suites: tuple[Cipher, ...] = ()
    prefer_server_cipher_suites: bool = True

    @model_validator(mode="after")
    def _usable(self) -> Self:
        verified = self.client_auth_type in {"VerifyClientCertIfGiven", "RequireAndVerifyClientCert"}
        if self.client_ca_file is not None and self.client_auth_type == "NoClientCert":
            raise refuse("needs a client_auth_type, else no certificate is asked for", "client_ca_file")
        if self.client_ca_file is None and verified:
            raise refuse(f"{self.client_auth_type} needs client_ca_file, to verify against", "client_auth_type")
        if self.client_allowed_sans and not self.client_auth_type.startswith("Require"):
            raise refuse(
                "needs a client_auth_type of RequireAnyClientCert or RequireAndVerifyClientCert", "client_allowed_sans"
            )
        if self.min_version > self.max_version:
            raise refuse("must not be below min_version", "max_version")
        try:
            self.contexts()
        except TlsError as error:
            raise refuse(str(error), error.key) from None
        return self

    def contexts(self) -> Callable[[], ssl.SSLContext]:
        """See `Tls.contexts`."""
        return Tls(
            self.cert_file,
            self.key_file,
            self.client_auth_type,
            self.client_ca_file,
            self.min_version,
            self.max_version,
            self.cipher_suites,
            self.prefer_server_cipher_suites,
        ).contexts()


class HttpServer(Model):
    """`http_server_config`. HTTP/2 is not spoken here, whatever `http2` says: it is taken so that files can be shared."""

    http2: bool = True
    headers: Annotated[dict[str, str], AfterValidator(_headers)] = Field(default_factory=dict)


class WebConfig(Model):
    """The whole file."""

    tls_server_config: TlsServer | None = None
    http_server_config: HttpServer = HttpServer()
    basic_auth_users: Annotated[dict[str, Hash], BeforeValidator(_users)] = Field(default_factory=dict)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it names."""
        tls = self.tls_server_config
        named = (tls.cert_file, tls.key_file, tls.client_ca_file) if tls else ()
        return tuple(path for path in named if path is not None)


@dataclass(frozen=True, slots=True)
class Rules:
    """What is in force: who may connect, and what is said to everybody."""

    tls: Callable[[], ssl.SSLContext] | None = None
    client_auth: ClientAuth = "NoClientCert"
    allowed_sans: frozenset[str] = frozenset()
    users: Mapping[str, Secret] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def verified(self) -> bool:
        """Whether every connection has shown a certificate of the configured authority."""
        return self.tls is not None and self.client_auth == "RequireAndVerifyClientCert"

    @property
    def guarded(self) -> bool:
        """Whether nobody is let in without having shown who he is."""
        return bool(self.users) or self.verified


def _rules(found: WebConfig) -> Rules:
    tls = found.tls_server_config
    common = {"users": dict(found.basic_auth_users), "headers": dict(found.http_server_config.headers)}
    if tls is None:
        return Rules(**common)  # type: ignore[arg-type]
    return Rules(tls.contexts(), tls.client_auth_type, frozenset(tls.client_allowed_sans), **common)  # type: ignore[arg-type]


Demand = Callable[[Rules], str | None]
"""What a process demands of its rules besides: a complaint, or None."""


class WebConfigFile:
    """The rules by the file as it is now. Without a file there are none. Raises ConfigError where it can not be used.

    `changed` is called when the files became unusable or usable again. `secrets` must not be logged.
    """

    def __init__(self, path: Path | None = None, demand: Demand = lambda _: None) -> None:
        self.problems: tuple[str, ...] = ()
        self.secrets: frozenset[str] = frozenset()
        self.changed: Callable[[], None] = lambda: None
        self._path = path
        self._demand = demand
        self._watched: tuple[Path, ...] = ()
        self._seen: tuple[object, ...] = ()
        self._settled = True
        self._digest = b""
        self._try_again_at = 0.0
        self._rules = Rules() if path is None else self._load(path)

    @property
    def path(self) -> Path | None:
        """The file, where there is one."""
        return self._path

    def current(self) -> Rules:
        """The rules in force. Looks at the files, and takes what has changed if it can be used."""
        if self._path is not None and self._has_changed():
            self._take(self._path)
        return self._rules

    def _has_changed(self) -> bool:
        """Whether the files are others than those last read; while they are refused, true once a second."""
        if self.problems and time.monotonic() >= self._try_again_at:
            return True
        stats = self._stats()
        if stats == self._seen and self._settled:
            return False
        self._seen = stats
        before, self._digest = self._digest, self._contents()
        return self._digest != before

    def _take(self, path: Path) -> None:
        before = self.problems
        self._try_again_at = time.monotonic() + TRY_AGAIN
        try:
            self._rules, self.problems = self._load(path), ()
            log.info("%s: in force as it is now", path)
        except ConfigError as error:
            self.problems = tuple(map(str, error.problems))
            if self.problems != before:
                log.error("refused, the former rules stay in force: %s", "; ".join(self.problems))  # noqa: TRY400
        if self.problems != before:
            self.changed()

    def _load(self, path: Path) -> Rules:
        loaded = config.load(path, WebConfig)
        watched = (path, *loaded.config.files)
        if watched != self._watched:
            self._watched = watched
            self._seen, self._digest = self._stats(), self._contents()
            loaded = config.load(path, WebConfig)  # once more: the digest may not be newer than what is in force
        rules = _rules(loaded.config)
        if complaint := self._demand(rules):
            raise ConfigError([Problem(str(path), None, "", complaint)])
        self.secrets |= loaded.secrets
        return rules

    def _stats(self) -> tuple[object, ...]:
        """Differs when any of the files does, but for a second change within the same tick of the clock."""
        found, newest = [], 0.0
        for path in self._watched:
            try:
                seen = path.stat()
            except OSError as error:
                found.append((path, error.errno, 0, 0, 0))
            else:
                found.append((path, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size, seen.st_ino))
                newest = max(newest, seen.st_ctime)
        self._settled = abs(time.time() - newest) > SETTLED
        return tuple(found)

    def _contents(self) -> bytes:
        digest = hashlib.sha256()
        for path in self._watched:
            try:
                digest.update(hashlib.sha256(path.read_bytes()).digest())
            except OSError as error:
                digest.update(f"{path} {error.errno}".encode())
        return digest.digest()
