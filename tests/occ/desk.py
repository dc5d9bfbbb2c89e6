"""A configuration that uses every type and every way to check that the kernel offers."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from occ.config import (
    SOME,
    ExporterConfig,
    HttpUrl,
    Model,
    Name,
    SecretValue,
    TargetLabels,
    Timing,
    WsUrl,
    refuse,
    unique,
)


class Account(Model):
    name: Name
    key: SecretValue | None = None


class Flat(Model):
    kind: Literal["flat"]
    ratio: float


class Tiered(Model):
    kind: Literal["tiered"]
    ratios: tuple[float, ...]


class Venue(Timing):
    name: Name
    url: HttpUrl
    stream: WsUrl | None = None
    mode: Literal["live", "paper"] = "live"
    live: bool = True
    depth: Annotated[int, Field(ge=1, le=1000)] = 10
    share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    labels: TargetLabels = TargetLabels()
    symbols: Annotated[tuple[str, ...], SOME] = ("BTC/USDT",)
    fees: Annotated[Flat | Tiered, Field(discriminator="kind")] | None = None
    accounts: Annotated[tuple[Account, ...], unique("name")] = ()


class Desk(ExporterConfig):
    venues: Annotated[tuple[Venue, ...], unique("name")] = ()

    @model_validator(mode="after")
    def _patience(self) -> Self:
        for index, venue in enumerate(self.venues):
            if venue.timeout and venue.timeout > (venue.interval or self.defaults.interval):
                raise refuse("must not be longer than the interval", "venues", index, "timeout")
        return self
