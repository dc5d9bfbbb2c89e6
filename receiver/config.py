"""What the receiver's file may hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from occ.config import (
    SOME,
    Context,
    HttpUrl,
    Loaded,
    Model,
    Name,
    Secret,
    SecretUrl,
    SecretValue,
    file_of,
    refuse,
    refuse_all,
    unique,
)

from .audit.checkpoints import CheckpointError, private_key
from .catalogue import Catalogue
from .doors import Network
from .policy import ROLES, Policy
from .rulebook import Rulebook, disagreements
from .trading import unknown_accounts

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


def _of_ascii(secret: Secret, info: ValidationInfo[Context]) -> Secret:
    if info.context.look and not re.fullmatch(r"[\x21-\x7e]+", secret.reveal()):
        raise refuse("expected visible ASCII characters alone")
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
    """Where the boards are; with a `token`, incidents and what was done are annotated there."""

    token: Annotated[SecretValue, AfterValidator(_of_ascii)] | None = None


class Audit(Model):
    """What makes the audit provable: an Ed25519 private key in PEM, and a folder for what it signs.

    A relative folder is relative to the working directory, as the database is; it belongs on another disk, or another machine.
    """

    signing_key: Annotated[SecretValue, AfterValidator(_signing)]
    checkpoints: Annotated[str, Field(min_length=1)]

    @property
    def folder(self) -> Path:
        return Path(self.checkpoints)


class Notifier(Model):
    """Where people are told. `tells`: only what is for one of these roles, groups or people, and what becomes of it."""

    name: Name
    tells: Annotated[tuple[str, ...], SOME, unique()] | None = None


class Slack(Notifier):
    """A webhook that takes Slack's messages."""

    kind: Literal["slack"]
    url: SecretUrl


class PagerDuty(Notifier):
    """PagerDuty's Events API v2; `url` is of another endpoint than that of its American service region."""

    kind: Literal["pagerduty"]
    routing_key: Annotated[SecretValue, AfterValidator(_of_ascii)]
    url: HttpUrl = Secret("https://events.pagerduty.com/v2/enqueue")


GRAFANA = "grafana"
"""What the annotations' notifier is called."""


class Account(Model):
    """A key of the receiver's own, which may trade. `markets` are those where the account trades; all without any."""

    api_key: SecretValue
    secret: SecretValue
    password: SecretValue | None = None
    markets: Annotated[tuple[Literal["spot", "linear", "inverse"], ...], unique()] = ()


def _with_known_orders(exchange: str) -> str:
    from adapters.venue.orders import MANNERS  # noqa: PLC0415 - ccxt is loaded where a venue is configured alone

    if exchange not in MANNERS:
        raise refuse(f"cancelling orders was not tried at this exchange; it was at: {', '.join(MANNERS)}")
    return exchange


class Venue(Model):
    """A venue where the receiver may act; `exchange` is ccxt's id. It uses `rate_limit_share` of the venue's limit at most."""

    exchange: Annotated[Name, AfterValidator(_with_known_orders)]
    base_url: HttpUrl | None = None
    rate_limit_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    accounts: Annotated[dict[Name, Account], Field(min_length=1)]

    @model_validator(mode="after")
    def _trades_where_it_can(self) -> Self:
        from adapters.venue.orders import MANNERS  # noqa: PLC0415 - as above

        there = MANNERS[self.exchange].markets
        refuse_all(
            refuse(f"there is no {market} at this exchange; there is: {', '.join(there)}", "accounts", name, "markets")
            for name, account in self.accounts.items()
            for market in account.markets
            if market not in there
        )
        return self


def _networks(value: object) -> tuple[Network, ...]:
    if not isinstance(value, list | tuple):
        raise refuse("expected a list of addresses and networks, as [10.0.0.5, 192.168.0.0/24]")
    return tuple(_network(index, each) for index, each in enumerate(value))


def _network(index: int, value: object) -> Network:
    try:
        found = ip_network(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None:
        raise refuse("expected an address, or a network as 192.168.0.0/24", index)
    return found


class ReceiverConfig(Model):
    """The whole file. A relative path in `database` is relative to the working directory.

    With a `policy` people can log in and act; without one the receiver takes alerts in, shows them, and tells people of what it
    finds itself.
    """

    database: Annotated[str, AfterValidator(_database)]
    external_url: HttpUrl | None = None
    proxies: Annotated[tuple[Network, ...], PlainValidator(_networks)] = ()
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
            unknown = unknown_accounts(self.actions.config, self.venues)
            info.context.elsewhere.extend(self.actions.problem(*each) for each in unknown)
        return self

    @model_validator(mode="after")
    def _tells_whom_there_is(self) -> Self:
        refuse_all(self._notifiers())
        return self

    def _notifiers(self) -> Iterator[PydanticCustomError]:
        policy = self.policy.config if self.policy else None
        if self.notifiers and all(notifier.tells for notifier in self.notifiers):
            yield refuse("one at least must tell whatever there is: one without tells", "notifiers")
        known = {*ROLES, *policy.groups, *(person.id for person in policy.people)} if policy else {*ROLES}
        for index, notifier in enumerate(self.notifiers):
            if notifier.name == GRAFANA and self.grafana and self.grafana.token:
                yield refuse("is what the annotations' notifier is called", "notifiers", index, "name")
            for place, holder in enumerate(notifier.tells or ()):
                if holder not in known:
                    yield refuse("is no role, group or person of the policy", "notifiers", index, "tells", place)

    @property
    def rulebook(self) -> Rulebook | None:
        """What can be done and who may do it; None where nobody may do anything."""
        return Rulebook(self.actions.config, self.policy.config) if self.actions and self.policy else None

    @property
    def database_path(self) -> Path:
        """Where the database is, links followed."""
        return Path(self.database.removeprefix(_SQLITE)).resolve()
