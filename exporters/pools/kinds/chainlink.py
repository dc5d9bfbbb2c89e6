"""Chainlink price feeds: a proxy, which asks the aggregator of the phase, which has bounds that it does not pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.evm import EthCall
from adapters.evm.abi import address, bounded, signed, sized, word
from exporters.pools.reading import FeedState
from exporters.pools.steps import Reply, Steps, needed, optional
from occ.errors import Reason, SourceError

if TYPE_CHECKING:
    from exporters.pools.terms import FeedTerms

LATEST_ROUND_DATA = bytes.fromhex("feaf968c")
DECIMALS = bytes.fromhex("313ce567")
AGGREGATOR = bytes.fromhex("245a7bfc")
MIN_ANSWER = bytes.fromhex("22adbc78")
MAX_ANSWER = bytes.fromhex("70da2f67")

MOST_DECIMALS = 77
PHASE_BITS = 64
"""A proxy's round: the phase, and in so many bits the round of the aggregator of that phase."""


class FeedReader:
    """Reads one feed. A new phase has a new aggregator, and so its decimals and bounds are read again."""

    def __init__(self, terms: FeedTerms) -> None:
        feed = terms.feed
        self._address = feed.address
        sources = (feed.address,) if feed.sequencer is None else (feed.address, feed.sequencer)
        self._calls = tuple(EthCall(each, LATEST_ROUND_DATA) for each in sources)
        self._phase: int | None = None
        self._scale = 1.0
        self._bounds: tuple[int, int] | None = None

    def steps(self) -> Steps[FeedState]:
        """Its newest answer; with each phase its decimals and the aggregator's bounds."""
        newest, *sequencer = yield self._calls
        data = _round("latestRoundData", newest)
        phase, answer, at = word(data, 0) >> PHASE_BITS, signed(data, 1), bounded("updatedAt", word(data, 3), 2**53)
        if answer <= 0 or not at:
            raise SourceError(Reason.BAD_RESPONSE, "latestRoundData: no positive answer, or a round without an end")
        if phase != self._phase:
            yield from self._new_phase(phase)
        return FeedState(
            price=answer / self._scale,
            at=at,
            round=word(data, 0) % 2**PHASE_BITS,
            bound=None if self._bounds is None else not self._bounds[0] < answer < self._bounds[1],
            sequencer_up=_is_up(sequencer[0]) if sequencer else None,
        )

    def _new_phase(self, phase: int) -> Steps[None]:
        """Reads the decimals; and the bounds of the aggregator, or its own where it tells of none behind it, if there are any."""
        decimals, aggregator = yield tuple(EthCall(self._address, data) for data in (DECIMALS, AGGREGATOR))
        decimals = sized("decimals", needed("decimals", decimals), 1)
        scale = 10.0 ** bounded("decimals", word(decimals, 0), MOST_DECIMALS + 1)
        another = optional("aggregator", aggregator)
        behind = address(sized("aggregator", another, 1), 0) if another else self._address
        limits = yield tuple(EthCall(behind, data) for data in (MIN_ANSWER, MAX_ANSWER))
        least, most = map(optional, ("minAnswer", "maxAnswer"), limits)
        bounds = (signed(least, 0), signed(most, 0)) if least and most else None
        self._phase, self._scale, self._bounds = phase, scale, bounds


def _round(what: str, reply: Reply) -> bytes:
    return sized(what, needed(what, reply), 5)


def _is_up(reply: Reply) -> bool:
    """An uptime feed answers 0 while the sequencer is up, and 1 while it is down. Raises bad_response before it has begun."""
    data = _round("sequencer", reply)
    if not word(data, 2):
        raise SourceError(Reason.BAD_RESPONSE, "sequencer: a round without a beginning")
    return signed(data, 1) == 0
