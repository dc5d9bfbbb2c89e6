"""What tokens are worth in dollars at a block, by the feeds and pools that the configuration names for them.

The configuration has no circles: see `config.py`. What leans on something stale, or that could not be read, has no price.
"""

from __future__ import annotations

from collections.abc import Mapping

from exporters.pools.config import Chain, Feed, Pool, Price
from exporters.pools.fitting import DOLLAR
from exporters.pools.reading import FeedState, PoolState

FIXED_TOLERANCE = 0.02
"""A fixed price holds while what it is checked against says the same within so much."""


class Prices:
    """The prices of one chain at one block. `feeds` and `pools` are prices by name: of those alone that may be leant on."""

    def __init__(self, chain: Chain, feeds: Mapping[str, float], pools: Mapping[str, float]) -> None:
        self._chain = chain
        self._told = {"feed": feeds, "pool": pools}
        self._known: dict[str, float | None] = {DOLLAR: 1.0}

    def told(self, source: tuple[str, str]) -> float | None:
        """Quote per base, as a feed or pool says."""
        return self._told[source[0]].get(source[1])

    def usd(self, token: str) -> float | None:
        """Dollars per token; None where nobody can tell."""
        if token not in self._known:
            price = self._chain.prices.get(token)
            self._known[token] = None if price is None else self._priced(token, price)
        return self._known[token]

    def compared(self, item: Feed | Pool, price: float | None) -> float | None:
        """How far its price (quote per base) is from its reference, as a share of that; None where one is not known."""
        pair = None if item.reference is None else self._chain.pair(item.reference.source)
        if price is None or item.reference is None or pair is None:
            return None
        other = self.told(item.reference.source)
        own = price if pair[1] == item.quote else _times(price, self.usd(item.quote))
        if pair[1] != item.quote:
            other = _times(other, self.usd(pair[1]))
        return None if own is None or not other else own / other - 1

    def _priced(self, token: str, price: Price) -> float | None:
        found = self._by(token, price.source)
        if price.fixed is None:
            return found
        return price.fixed if found is not None and abs(found / price.fixed - 1) <= FIXED_TOLERANCE else None

    def _by(self, token: str, source: tuple[str, str]) -> float | None:
        pair, told = self._chain.pair(source), self.told(source)
        if pair is None or not told:
            return None
        base, quote = pair
        return _times(told, self.usd(quote)) if token == base else _times(1 / told, self.usd(base))


def _times(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one * other


def usable(feed: Feed, state: FeedState, now: int) -> bool:
    """Whether a feed's price may be leant on at the time of a block."""
    return not stale(feed, state, now) and not state.bound and state.sequencer_up is not False


def stale(feed: Feed, state: FeedState, now: int) -> bool:
    """Whether a feed's answer is older than it may be; or as far in the future, which no answer of now is."""
    return abs(now - state.at) > feed.heartbeat + feed.grace


def price_of(state: PoolState, decimals: tuple[int, int]) -> float | None:
    """Quote per base of a pool, whose (base, quote) have these decimals; None where it has no price."""
    spot = state.curve.spot()
    if not spot > 0:
        return None
    return (spot if state.base == 0 else 1 / spot) * 10.0 ** (decimals[0] - decimals[1])
