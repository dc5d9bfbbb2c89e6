"""Whether money can get in and out: deposits and withdrawals by currency and network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from exporters.exchange.checks import CheckOptions
from exporters.exchange.columns import offered
from exporters.exchange.reading import Gate, Gates
from occ.errors import Reason, SourceError
from occ.job import Readings, Target
from occ.metrics import Family, Kind
from occ.page import Column, Rows

if TYPE_CHECKING:
    from exporters.exchange.source import Source

PER = "venue"
NEEDS = ("fetch_currencies",)
INTERVAL = 300.0

ANY, OTHER = "any", "other"
"""In place of a network: what the venue says of the currency as a whole, and what of networks that are not listed."""

NETWORKS = ("ARBONE", "AVAXC", "BASE", "BEP20", "BTC", "ERC20", "MATIC", "OPTIMISM", "SOL", "TON", "TRC20")

_CURRENCY = ("venue", "currency", "network")

DEPOSIT = Family(
    "exchange_currency_deposit_enabled",
    Kind.GAUGE,
    f"1 if the currency can be deposited over the network, else 0. Network `{ANY}` is the currency as a whole, `{OTHER}` any "
    "network that the configuration does not list. Absent where the venue does not say.",
    _CURRENCY,
    quiet=True,
)
WITHDRAW = Family(
    "exchange_currency_withdraw_enabled",
    Kind.GAUGE,
    f"1 if the currency can be withdrawn over the network, else 0. Network `{ANY}` is the currency as a whole, `{OTHER}` any "
    "network that the configuration does not list. Absent where the venue does not say.",
    _CURRENCY,
    quiet=True,
)

FAMILIES = (DEPOSIT, WITHDRAW)


class Options(CheckOptions):
    """`networks`: which are told apart, by ccxt's codes."""

    networks: tuple[Annotated[str, Field(min_length=1, max_length=32)], ...] = NETWORKS


async def read(
    source: Source, targets: tuple[Target, ...], options: Options
) -> Mapping[Target, Gates | SourceError | None]:
    """The gates of the currencies that the configuration speaks of; None where the venue tells nobody, or not without a key."""
    (target,) = targets
    answer = await source.call_with_key("fetch_currencies")
    if not answer:
        return {target: None}
    return {target: gates(answer, source.currencies, options.networks)}


def gates(answer: Any, currencies: Iterable[str], networks: tuple[str, ...]) -> Gates:
    """What ccxt's currencies say of these. Raises bad_response for what is no collection of them."""
    if not isinstance(answer, dict):
        raise SourceError(Reason.BAD_RESPONSE, "the answer is no collection of currencies")
    found: dict[tuple[str, str], Gate] = {}
    for code in currencies:
        told = answer.get(code)
        if isinstance(told, dict):
            found[code, ANY] = _gate(told)
            for network, gate in _by_network(told.get("networks"), networks).items():
                found[code, network] = gate
    return found


def _by_network(told: Any, networks: tuple[str, ...]) -> Mapping[str, Gate]:
    found: dict[str, Gate] = {}
    for code, network in (told if isinstance(told, dict) else {}).items():
        if isinstance(network, dict):
            name = code if code in networks else OTHER
            gate = _gate(network)
            found[name] = _either(found[name], gate) if name in found else gate
    return found


def _gate(told: Mapping[str, Any]) -> Gate:
    return Gate(_flag(told.get("deposit")), _flag(told.get("withdraw")))


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _either(one: Gate, other: Gate) -> Gate:
    """Open where one of the two is."""
    return Gate(_or(one.deposit, other.deposit), _or(one.withdraw, other.withdraw))


def _or(one: bool | None, other: bool | None) -> bool | None:  # noqa: FBT001 - two values of one kind
    return True if one or other else None if one is None or other is None else False


def columns(readings: Readings[Gates | None]) -> Iterable[Column]:
    """A row per currency and network."""
    told = [(target.labels["venue"], reading) for target, reading in offered(readings)]
    rows = _rows(tuple((venue, *key) for venue, reading in told for key in reading))
    yield Column(DEPOSIT, rows, [gate.deposit for _, reading in told for gate in reading.values()])
    yield Column(WITHDRAW, rows, [gate.withdraw for _, reading in told for gate in reading.values()])


@lru_cache(maxsize=64)
def _rows(keys: tuple[tuple[str, str, str], ...]) -> Rows:
    return tuple({"venue": venue, "currency": code, "network": network} for venue, code, network in keys)
