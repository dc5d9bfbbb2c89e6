"""nodes.yml."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError

from exporters.nodes import families
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
    WsUrl,
    refuse,
    refuse_all,
    unique,
)
from occ.job import Pace

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 30.0
PATIENT_INTERVALS = 6
"""A node that is down is asked again at least after so many intervals, and after half a minute."""

SURVEY_SECONDS = 600.0
SURVEY_TIMEOUT = 10.0
SILENT_BLOCKS = 5
"""After the time of so many blocks without an announced head, the announcements are held to be lost."""

Capability = Literal["archive", "trace", "debug", "logs", "batch", "multicall", "proof"]


class Node(Model):
    """One endpoint. Nodes of one provider are one witness; by default every node is its own."""

    name: Name
    provider: Name | None = None
    url: HttpUrl
    ws_url: WsUrl | None = None
    expect: tuple[Capability, ...] = ()

    @property
    def witness(self) -> str:
        """The provider that vouches for what this node says."""
        return self.provider or self.name


def _known_family(name: str) -> str:
    if name not in chain_models():
        raise refuse(f"unknown family; there are: {', '.join(chain_models())}")
    return name


class Chain(Timing):
    """A chain and the nodes through which it is seen. `block_time` is the usual time between two blocks."""

    name: Name
    family: Annotated[str, AfterValidator(_known_family)]
    block_time: Duration
    labels: TargetLabels = TargetLabels()
    nodes: Annotated[tuple[Node, ...], SOME, unique("name")]

    def pace(self, config: ExporterConfig) -> Pace:
        """The timing in force: the chain's own, else the file's defaults."""
        interval = self.interval or config.defaults.interval
        return Pace(
            interval=interval,
            timeout=self.timeout or min(config.defaults.timeout, interval),
            stale_after=self.stale_after
            or config.defaults.stale_after
            or max(3 * interval, 4 * config.scrape_interval),
            patience=min(PATIENCE_SECONDS, PATIENT_INTERVALS * interval),
            silence=self.silence or max(config.defaults.silence, SILENT_BLOCKS * self.block_time),
        )

    def survey_pace(self, config: ExporterConfig) -> Pace:
        """How often it is tried what the nodes can do; each try is several requests."""
        usual = self.pace(config)
        return Pace(
            interval=SURVEY_SECONDS,
            timeout=max(SURVEY_TIMEOUT, usual.timeout),
            stale_after=3 * SURVEY_SECONDS,
            retry=usual.interval,
        )


@cache
def chain_models() -> dict[str, type[Chain]]:
    """For every chain family, the chain's keys with the family's own beside them."""
    found = plugins.load(families, families.CONTRACT)
    return {
        name: create_model(f"{name.title()}Chain", __base__=(Chain, family.Options)) for name, family in found.items()
    }


def experimental(family: str) -> bool:
    """Whether a chain family was tried on hand-written answers alone, and on no real node."""
    return bool(getattr(plugins.load(families, families.CONTRACT)[family], "EXPERIMENTAL", False))


def _of_its_family(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo[Any]) -> Any:
    """Checks a chain against its family's keys; against the common ones alone while the family is not known."""
    if not isinstance(value, dict):
        return handler(value)
    model = chain_models().get(value.get("family", ""))
    if model is None:
        return handler({key: item for key, item in value.items() if key in Chain.model_fields})
    return model.model_validate(value, context=info.context)


class NodesConfig(ExporterConfig):
    """The whole file."""

    chains: Annotated[
        tuple[Annotated[Chain, WrapValidator(_of_its_family)], ...],
        SOME,
        unique("name"),
    ]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        refuse_all(
            problem
            for index, chain in enumerate(self.chains)
            for problem in (*_untimely(self, chain, index), *_of_no_use(chain, index))
        )
        for index, chain in enumerate(self.chains):
            if experimental(chain.family):
                log.warning("chains[%d]: family %s is experimental: no real node has tried it", index, chain.family)
        return self


def _untimely(config: NodesConfig, chain: Chain, index: int) -> Iterator[PydanticCustomError]:
    pace = chain.pace(config)
    if pace.timeout > pace.interval:
        yield refuse(f"must not be longer than the interval, {pace.interval:g} s", "chains", index, "timeout")
    if pace.stale_after < pace.interval:
        yield refuse(f"must not be shorter than the interval, {pace.interval:g} s", "chains", index, "stale_after")


def _of_no_use(chain: Chain, index: int) -> Iterator[PydanticCustomError]:
    """What nodes are configured to do and their family can not."""
    family = plugins.load(families, families.CONTRACT)[chain.family]
    for place, node in enumerate(chain.nodes):
        at = ("chains", index, "nodes", place)
        if node.ws_url is not None and not hasattr(family, "heads"):
            yield refuse(f"{chain.family} nodes announce no heads: leave it out", *at, "ws_url")
        if node.expect and not hasattr(family, "survey"):
            yield refuse(f"of {chain.family} nodes it is not tried what they can do: leave it out", *at, "expect")
