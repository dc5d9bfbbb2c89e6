"""What the receiver's file may hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from occ.config import Context, HttpUrl, Loaded, Model, Name, Secret, SecretValue, file_of, refuse, refuse_all, unique

from .audit.checkpoints import CheckpointError, private_key
from .catalogue import Catalogue
from .policy import Policy
from .rulebook import Rulebook, disagreements

_SQLITE = "sqlite:///"


def _database(url: str) -> str:
    path = url.removeprefix(_SQLITE)
    if not url.startswith(_SQLITE) or not path or path.startswith((":", "file:")) or path.endswith("/") or "?" in path:
        raise refuse("expected sqlite:///PATH, or sqlite:////PATH for an absolute one")
    return url


# What acting leans on.
_ACTING = ("actions", "mac_key", "audit", "prometheus")


def _long(secret: Secret, info: ValidationInfo[Context]) -> Secret:
    if info.context.look and len(secret.reveal()) < 32:  # noqa: PLR2004 - said in the message
        raise refuse("expected 32 characters or more, as `openssl rand -hex 32` prints them")
    return secret


def _signing(secret: Secret, info: ValidationInfo[Context]) -> Secret:
    if info.context.look:
        try:
            private_key(secret.reveal())
        except CheckpointError as error:
            raise refuse(str(error)) from None
    return secret


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
    """A server that the pages link to, and that is asked."""

    url: HttpUrl


class AlertmanagerServer(Server):
    """Where the alerts come from; `receiver` is what this one is called in its routes."""

    receiver: Name = "occ"


class Grafana(Server):
    """Where the boards are."""

    token: SecretValue | None = None


class Audit(Model):
    """What makes the audit provable: an Ed25519 private key in PEM, and a folder for what it signs.

    A relative folder is relative to the working directory, as the database is; it belongs on another disk, or another machine.
    """

    signing_key: Annotated[SecretValue, AfterValidator(_signing)]
    checkpoints: Annotated[str, Field(min_length=1)]

    @property
    def folder(self) -> Path:
        return Path(self.checkpoints)


class Slack(Model):
    """A webhook that takes Slack's messages."""

    name: Name
    kind: Literal["slack"]
    url: SecretValue


class PagerDuty(Model):
    """PagerDuty's Events API v2."""

    name: Name
    kind: Literal["pagerduty"]
    routing_key: SecretValue


class Account(Model):
    """A key of the receiver's own, which may trade."""

    api_key: SecretValue
    secret: SecretValue
    password: SecretValue | None = None


class Venue(Model):
    """A venue where the receiver may act; `exchange` is ccxt's id."""

    exchange: Name
    accounts: dict[Name, Account]


class ReceiverConfig(Model):
    """The whole file. A relative path in `database` is relative to the working directory.

    With a `policy` people can log in and act; without one the receiver takes alerts in and shows them. `notifiers`, `grafana`
    and `venues` are checked, and nothing uses them as yet.
    """

    database: Annotated[str, AfterValidator(_database)]
    external_url: HttpUrl | None = None
    prometheus: Server | None = None
    alertmanager: AlertmanagerServer | None = None
    ingest: Ingest
    grafana: Grafana | None = None
    mac_key: Annotated[SecretValue, AfterValidator(_long)] | None = None
    actions: Annotated[Loaded[Catalogue], file_of(Catalogue)] | None = None
    policy: Annotated[Loaded[Policy], file_of(Policy)] | None = None
    audit: Audit | None = None
    notifiers: Annotated[tuple[Annotated[Slack | PagerDuty, Field(discriminator="kind")], ...], unique("name")] = ()
    venues: dict[Name, Venue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _acts_safely_or_not_at_all(self, info: ValidationInfo[Context]) -> Self:
        if self.policy is None:
            return self
        refuse_all(refuse(f"needs {key} as well", "policy") for key in _ACTING if getattr(self, key) is None)
        if self.actions is not None:
            found = disagreements(self.actions.config, self.policy.config)
            info.context.elsewhere.extend(self.policy.problem(*each) for each in found)
        return self

    @property
    def rulebook(self) -> Rulebook | None:
        """What can be done and who may do it; None where nobody may do anything."""
        return Rulebook(self.actions.config, self.policy.config) if self.actions and self.policy else None

    @property
    def database_path(self) -> Path:
        """Where the database is, links followed."""
        return Path(self.database.removeprefix(_SQLITE)).resolve()
