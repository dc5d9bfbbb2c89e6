"""What must fit together in pools.yml, beyond its single values; and what fits, and is hardly meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pydantic_core import PydanticCustomError

from exporters.pools.leaning import circles
from occ.config import Loaded, refuse
from occ.errors import Problem

if TYPE_CHECKING:
    from exporters.pools.config import Chain, Feed, Pool, PoolsConfig

DOLLAR = "USD"

HIGH_FEE = 0.1
"""Nobody trades at a fee of so much: who writes it may have meant percent."""


def problems(config: PoolsConfig) -> Iterator[PydanticCustomError]:
    """Everything by which the file is refused."""
    for index, chain in enumerate(config.chains):
        yield from _untimely(config, chain, index)
        yield from _at_one_address(chain, index)
        yield from _unknown_tokens(chain, index)
        yield from _unusable_prices(config, chain, index)
        yield from _unusable_references(config, chain, index)
        yield from _nothing(chain, index)


def notes(loaded: Loaded[PoolsConfig]) -> Iterator[Problem]:
    """What is valid, and still not what anybody would want, with its place."""
    for index, chain in enumerate(loaded.config.chains):
        for place, pool in enumerate(chain.pools):
            if (fee := getattr(pool, "fee", 0.0)) >= HIGH_FEE:
                at = ("chains", index, "pools", place, "fee")
                yield loaded.problem(at, f"{fee:.0%} of what is paid? 0.003 is 0.3 %")
        for part, place, item in _compared(chain):
            if lacking := _incomparable(chain, item):
                at = ("chains", index, part, place, "reference")
                yield loaded.problem(at, f"is never compared: the quotes differ, and {lacking} has no price")


def _incomparable(chain: Chain, item: Feed | Pool) -> str | None:
    """A quote without a price, where it takes the dollars of both to compare an item with its reference."""
    pair = None if item.reference is None else chain.pair(item.reference.source)
    if pair is None or pair[1] == item.quote:
        return None
    return next((name for name in (item.quote, pair[1]) if name != DOLLAR and name not in chain.prices), None)


def _untimely(config: PoolsConfig, chain: Chain, index: int) -> Iterator[PydanticCustomError]:
    pace = chain.pace(config)
    if pace.timeout > pace.interval:
        yield refuse(f"must not be longer than the interval, {pace.interval:g} s", "chains", index, "timeout")
    if pace.stale_after < pace.interval:
        yield refuse(f"must not be shorter than the interval, {pace.interval:g} s", "chains", index, "stale_after")


def _nothing(chain: Chain, index: int) -> Iterator[PydanticCustomError]:
    if not (chain.pools or chain.feeds or chain.positions):
        yield refuse("nothing is read of this chain: name a pool, a feed or a position", "chains", index)


def _at_one_address(chain: Chain, index: int) -> Iterator[PydanticCustomError]:
    """On the chain a token or pool is known by its address: under two names one of them would be taken for the other."""
    tokens: Iterable[tuple[str | int, str, str]] = ((name, name, token.address) for name, token in chain.tokens.items())
    pools = ((place, pool.name, pool.address) for place, pool in enumerate(chain.pools))
    for part, items in (("tokens", tokens), ("pools", pools)):
        first: dict[str, str] = {}
        for place, name, address in items:
            if (before := first.setdefault(address, name)) != name:
                yield refuse(f"is that of {before} as well", "chains", index, part, place, "address")


def _unknown_tokens(chain: Chain, index: int) -> Iterator[PydanticCustomError]:
    if DOLLAR in chain.tokens:
        message = "means the dollar itself, of which all prices are made: give the token another name"
        yield refuse(message, "chains", index, "tokens", DOLLAR)
    for place, pool in enumerate(chain.pools):
        for side in ("base", "quote"):
            name = getattr(pool, side)
            if name not in chain.tokens:
                yield refuse(f"no such token{_meant(name, chain.tokens)}", "chains", index, "pools", place, side)
        if pool.base == pool.quote:
            yield refuse("base and quote are the same", "chains", index, "pools", place, "quote")
    for place, position in enumerate(chain.positions):
        for name in position.deposited:
            if name not in chain.tokens:
                yield refuse(
                    f"no such token{_meant(name, chain.tokens)}", "chains", index, "positions", place, "deposited", name
                )


def _unusable_prices(config: PoolsConfig, chain: Chain, index: int) -> Iterator[PydanticCustomError]:
    at = ("chains", index, "prices")
    leans: dict[str, str] = {}
    for token, price in chain.prices.items():
        if token == DOLLAR:
            yield refuse("a dollar is a dollar: leave it out", *at, token)
            continue
        pair = chain.pair(price.source)
        if pair is None:
            yield refuse(f"no {price.source[0]} is called {price.source[1]}", *at, token)
        elif token not in pair:
            told = f"{' '.join(price.source)} tells the price of {pair[0]} in {pair[1]}"
            yield refuse(told + _alias(config, token, pair), *at, token)
        else:
            leans[token] = pair[1] if pair[0] == token else pair[0]
    for token, other in leans.items():
        if other != DOLLAR and other not in chain.prices:
            yield refuse(f"{other} has no price in dollars itself", *at, token)
    for circle in circles(leans):
        yield refuse(f"goes round in a circle: {' -> '.join((*circle, circle[0]))}", *at, circle[0])


def _compared(chain: Chain) -> Iterator[tuple[str, int, Feed | Pool]]:
    """What may have a reference: where it stands, and the item."""
    yield from (("feeds", place, feed) for place, feed in enumerate(chain.feeds))
    yield from (("pools", place, pool) for place, pool in enumerate(chain.pools))


def _unusable_references(config: PoolsConfig, chain: Chain, index: int) -> Iterator[PydanticCustomError]:
    for part, place, item in _compared(chain):
        if item.reference is not None:
            for problem in _unlike(config, chain, part, item, item.reference.source):
                yield refuse(problem, "chains", index, part, place, "reference")


def _unlike(config: PoolsConfig, chain: Chain, part: str, item: Feed | Pool, source: tuple[str, str]) -> Iterator[str]:
    pair = chain.pair(source)
    if pair is None:
        yield f"no {source[0]} is called {source[1]}"
    elif (f"{source[0]}s", source[1]) == (part, item.name):
        yield "is compared with itself"
    elif pair[0] != item.base:
        told = f"{' '.join(source)} tells the price of {pair[0]}, not of {item.base}"
        yield told + _alias(config, item.base, pair[:1])


def _alias(config: PoolsConfig, wanted: str, told: Iterable[str]) -> str:
    """What to do where it is the same asset by another name: `assets` are for joins, and one token may be worth less than another."""
    same = [name for name in told if config.bases.get(name, name) == config.bases.get(wanted, wanted)]
    return f"; if these are one, call {same[0]} {wanted} there as well" if same else ""


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
