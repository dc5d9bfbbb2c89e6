"""pools.yml."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from types import ModuleType
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
    model_validator,
)

from exporters.pools import fitting, kinds
from occ import plugins
from occ.config import (
    SOME,
    Duration,
    ExporterConfig,
    HttpUrl,
    Model,
    Name,
    TargetLabels,
    Timing,
    refuse,
    refuse_all,
    seconds,
    unique,
)
from occ.job import Pace

MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"
MOST_DECIMALS = 77
"""10^78 is more than a uint256 holds."""

PATIENCE_SECONDS = 30.0

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,31}")


def _address(value: object) -> str:
    if isinstance(value, str) and _ADDRESS.fullmatch(value):
        return value.lower()
    raise refuse("expected an address: 0x and 40 hexadecimal digits")


def _token(value: object) -> str:
    if isinstance(value, str) and _TOKEN.fullmatch(value):
        return value
    raise refuse("expected a token's name such as WETH")


def _grace(value: object) -> float:
    try:
        return seconds(value if isinstance(value, str) else "")
    except ValueError:
        raise refuse("expected a duration such as 0s, 30s or 5m") from None


Address = Annotated[str, BeforeValidator(_address)]
"""In lower case."""

TokenName = Annotated[str, BeforeValidator(_token)]
Grace = Annotated[float, BeforeValidator(_grace)]
"""Seconds, written as 0s, 30s, 5m."""

Size = Annotated[int, Field(ge=1, le=10**12)]


class Rpc(Model):
    """A node, in the order in which they are asked."""

    name: Name
    url: HttpUrl


class Token(Model):
    """A token; the chain is asked whether its decimals are these."""

    address: Address
    decimals: Annotated[int, Field(ge=0, le=MOST_DECIMALS)]


def _source(feed: str | None, pool: str | None) -> tuple[str, str]:
    return ("feed", feed) if feed is not None else ("pool", pool or "")


class Reference(Model):
    """Something else that tells the same price: a feed or a pool of the same chain."""

    feed: Name | None = None
    pool: Name | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.feed is None) == (self.pool is None):
            raise refuse("expected a feed or a pool")
        return self

    @property
    def source(self) -> tuple[str, str]:
        """`feed` or `pool`, and its name."""
        return _source(self.feed, self.pool)


class Price(Model):
    """What a token is worth: by a feed, by a pool, or fixed and checked against one of them."""

    feed: Name | None = None
    pool: Name | None = None
    fixed: Annotated[float, Field(gt=0)] | None = None
    check_against: Reference | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if [self.feed, self.pool, self.fixed].count(None) != 2:  # noqa: PLR2004 - all but one
            raise refuse("expected one of feed, pool and fixed")
        if self.fixed is not None and self.check_against is None:
            raise refuse("a fixed price needs check_against: what is said to be a dollar may cease to be one")
        if self.fixed is None and self.check_against is not None:
            raise refuse("only a fixed price is checked against another", "check_against")
        return self

    @property
    def source(self) -> tuple[str, str]:
        """`feed` or `pool`, and its name: what tells the price, or what the fixed one is checked against."""
        if self.check_against is not None:
            return self.check_against.source
        return _source(self.feed, self.pool)


class _Kinded(Model):
    """Something that a kind reads; `kind` is the name of its file."""

    name: Name
    kind: str
    labels: TargetLabels = TargetLabels()


class Feed(_Kinded):
    """A price oracle. It is stale when it is older than `heartbeat` and `grace`, by the chain's time.

    `sequencer` is the uptime feed of a rollup: while its sequencer is down the feed's price counts for nothing.
    """

    address: Address
    base: TokenName
    quote: TokenName
    heartbeat: Duration
    grace: Grace = 300.0
    sequencer: Address | None = None
    reference: Reference | None = None


class Pool(_Kinded):
    """A pool of two tokens, whose price is told in `quote` per `base`."""

    address: Address
    dex: Name | None = None
    base: TokenName
    quote: TokenName
    sizes_usd: Annotated[tuple[Size, ...], SOME, unique()] = (10_000, 100_000, 1_000_000)
    reference: Reference | None = None


class Position(_Kinded):
    """A position of ours, by its number at its manager. `deposited` is what was put in, to compare with keeping that."""

    manager: Address
    token_id: Annotated[int, Field(ge=0, lt=2**256)]
    deposited: dict[TokenName, Annotated[float, Field(ge=0)]] = {}  # noqa: RUF012 - pydantic copies it


PARTS: Mapping[str, tuple[type[_Kinded], str]] = {
    "pools": (Pool, "PoolReader"),
    "feeds": (Feed, "FeedReader"),
    "positions": (Position, "PositionReader"),
}
"""What a chain may list, its model, and what a kind must define to read it."""


@cache
def readers(part: str) -> Mapping[str, ModuleType]:
    """The kinds that can read this part of a chain, by name."""
    _, reader = PARTS[part]
    return {name: kind for name, kind in plugins.load(kinds, kinds.CONTRACT).items() if hasattr(kind, reader)}


@cache
def models(part: str) -> dict[str, type[_Kinded]]:
    """The model of an item of this part, by its kind: with the keys that the kind adds."""
    base, _ = PARTS[part]
    if base is not Pool:
        return dict.fromkeys(readers(part), base)
    return {name: create_model(f"{name}_pool", __base__=(Pool, kind.Options)) for name, kind in readers(part).items()}


def _of_its_kind(part: str) -> WrapValidator:
    """Checks an item against the keys of its kind; against the common ones alone while the kind is not known."""

    def validate(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo[Any]) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
            return handler(value)
        model = models(part).get(value["kind"])
        if model is not None:
            return model.model_validate(value, context=info.context)
        return handler({key: item for key, item in value.items() if key in PARTS[part][0].model_fields})

    return WrapValidator(validate)


def _known_kind(part: str) -> AfterValidator:
    def validate(value: _Kinded) -> _Kinded:
        if value.kind not in models(part):
            raise refuse(f"unknown kind; there are: {', '.join(models(part))}", "kind")
        return value

    return AfterValidator(validate)


class Chain(Timing):
    """A chain, the nodes through which it is read, and what is read of it."""

    name: Name
    rpc: Annotated[tuple[Rpc, ...], SOME, unique("name")]
    confirmations: Annotated[int, Field(ge=0, le=10_000)] = 12
    start_block: Annotated[int, Field(ge=0)] | None = None
    multicall: Address = MULTICALL3.lower()
    labels: TargetLabels = TargetLabels()
    tokens: dict[TokenName, Token] = {}  # noqa: RUF012 - pydantic copies it
    prices: dict[TokenName, Price] = {}  # noqa: RUF012 - pydantic copies it
    feeds: Annotated[tuple[Annotated[Feed, _known_kind("feeds"), _of_its_kind("feeds")], ...], unique("name")] = ()
    pools: Annotated[tuple[Annotated[Pool, _known_kind("pools"), _of_its_kind("pools")], ...], unique("name")] = ()
    positions: Annotated[
        tuple[Annotated[Position, _known_kind("positions"), _of_its_kind("positions")], ...], unique("name")
    ] = ()

    def pace(self, config: ExporterConfig) -> Pace:
        """The timing in force: the chain's own, else the file's defaults."""
        interval = self.interval or config.defaults.interval
        return Pace(
            interval=interval,
            timeout=self.timeout or min(config.defaults.timeout, interval),
            stale_after=self.stale_after
            or config.defaults.stale_after
            or max(3 * interval, 4 * config.scrape_interval),
            patience=max(PATIENCE_SECONDS, interval),
        )

    def pair(self, source: tuple[str, str]) -> tuple[str, str] | None:
        """Base and quote of a feed or pool, by its name; None where there is none of this name."""
        items: Iterable[Feed | Pool] = self.feeds if source[0] == "feed" else self.pools
        return next(((item.base, item.quote) for item in items if item.name == source[1]), None)


class PoolsConfig(ExporterConfig):
    """The whole file."""

    state: Annotated[str, Field(min_length=1, max_length=1024)] = "pools.db"
    chains: Annotated[tuple[Chain, ...], SOME, unique("name")]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        refuse_all(fitting.problems(self))
        return self

    @property
    def bases(self) -> Mapping[str, str]:
        """The one name of each asset that has aliases."""
        return {alias: base for base, aliases in self.assets.items() for alias in (base, *aliases)}
