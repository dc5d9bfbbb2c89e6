"""Market-maker protection: whether an exchange has stopped an account's quotes in the options of an underlying."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from .account import Keyed
from .shape import flag, record, records, word

BEHALF = "other"
"""ccxt has no method of its own for this."""

WHAT = "market-maker protection"

Frozen = Mapping[str, bool]
"""By underlying. One for which no protection is set up is left out, where the exchange tells that."""


async def _okx(keyed: Keyed, underlyings: Sequence[str]) -> Frozen:
    return of_okx(await keyed.venue.ask(BEHALF, "privateGetAccountMmpConfig", {}), underlyings)


def of_okx(answer: Any, underlyings: Sequence[str]) -> Frozen:
    """An answer of account/mmp-config: families of instruments for which protection is set up, BTC-USD being one of BTC's. An
    underlying is frozen where one of its families is. Raises bad_response.
    """
    told = records(record(answer, WHAT).get("data"), WHAT)
    frozen: dict[str, bool] = {}
    for each in told:
        base = word(each, "instFamily").partition("-")[0]
        frozen[base] = frozen.get(base, False) or flag(each, "mmpFrozen")
    return {base: state for base, state in frozen.items() if base in underlyings}


async def _bybit(keyed: Keyed, underlyings: Sequence[str]) -> Frozen:
    return {
        base: frozen
        for base in underlyings
        for frozen in of_bybit(await keyed.venue.ask(BEHALF, "privateGetV5AccountMmpState", {"baseCoin": base}), base)
    }


def of_bybit(answer: Any, base: str) -> Sequence[bool]:
    """An answer of account/mmp-state for an underlying: whether it is frozen, and nothing where its protection is not in use.

    Raises bad_response.
    """
    told = records(record(record(answer, WHAT).get("result"), WHAT).get("result"), WHAT)
    return [flag(each, "mmpFrozen") for each in told if word(each, "baseCoin") == base and flag(each, "mmpEnabled")]


async def _deribit(keyed: Keyed, underlyings: Sequence[str]) -> Frozen:
    return of_deribit(await keyed.venue.ask(BEHALF, "privateGetGetMmpStatus", {}), underlyings)


def of_deribit(answer: Any, underlyings: Sequence[str]) -> Frozen:
    """An answer of private/get_mmp_status: the indices, and groups of quotes on them, for which protection was triggered and has not
    ended; btc_usd and btc_usdc are of BTC. All others are not frozen. That of block trades is another matter. Raises bad_response.
    """
    told = records(record(answer, WHAT).get("result"), WHAT)
    frozen = {word(each, "index_name").partition("_")[0].upper() for each in told if each.get("block_rfq") is not True}
    return {base: base in frozen for base in underlyings}


MANNERS: Mapping[str, Callable[[Keyed, Sequence[str]], Awaitable[Frozen]]] = {
    "bybit": _bybit,
    "deribit": _deribit,
    "okx": _okx,
}
"""By ccxt's id."""
