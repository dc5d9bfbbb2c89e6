"""What the receiver's file may hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, model_validator

from occ.config import HttpUrl, Model, SecretValue, refuse

_SQLITE = "sqlite:///"


def _database(url: str) -> str:
    path = url.removeprefix(_SQLITE)
    if not url.startswith(_SQLITE) or not path or path.startswith((":", "file:")) or path.endswith("/") or "?" in path:
        raise refuse("expected sqlite:///PATH, or sqlite:////PATH for an absolute one")
    return url


def _username(name: str) -> str:
    if not re.fullmatch(r"[^:\x00-\x1f\x7f]{1,255}", name):
        raise refuse("expected a user name: 255 characters at most, no colon")
    return name


class Basic(Model):
    """A user name and a password, as HTTP's basic authentication sends them."""

    username: Annotated[str, AfterValidator(_username)]
    password: SecretValue


class Ingest(Model):
    """How a sender of alerts shows who it is: exactly one of these."""

    bearer: SecretValue | None = None
    basic: Basic | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.bearer is None) == (self.basic is None):
            raise refuse("expected one of bearer and basic; without it nobody may send alerts")
        return self


class Server(Model):
    """A server that the pages link to."""

    url: HttpUrl


class ReceiverConfig(Model):
    """The whole file. A relative path in `database` is relative to the working directory."""

    database: Annotated[str, AfterValidator(_database)]
    external_url: HttpUrl | None = None
    prometheus: Server | None = None
    alertmanager: Server | None = None
    ingest: Ingest

    @property
    def database_path(self) -> Path:
        """Where the database is, links followed."""
        return Path(self.database.removeprefix(_SQLITE)).resolve()
