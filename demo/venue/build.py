"""Which venues there are."""

from typing import Protocol

from .accounts import Opening
from .binance.venue import Binance
from .exchange import Clock
from .flow import Habits
from .kraken.venue import Kraken
from .wire import Dialect


class Maker(Protocol):
    def __call__(
        self, name: str, clock: Clock, *, seed: int, symbols: int, habits: Habits, opening: Opening
    ) -> Dialect: ...


KINDS: dict[str, Maker] = {"binance": Binance, "kraken": Kraken}
"""By the name of the exchange at ccxt."""


def build(
    kind: str, name: str, clock: Clock, *, seed: int, symbols: int, habits: Habits, opening: Opening | None = None
) -> Dialect:
    return KINDS[kind](name, clock, seed=seed, symbols=symbols, habits=habits, opening=opening or Opening())
