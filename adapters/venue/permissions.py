"""What an account's API keys may do, as the exchange itself says: nothing is tried out.

What moves money to somebody else is a withdrawal, whatever the exchange calls it; what moves it between wallets and accounts of
one owner is none. A key that may cancel orders may trade.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from occ.http import bad_response

from .account import Keyed
from .shape import Record, flag, instant, maybe, number, record, records, word, words

UNNAMED, OTHERS = "unnamed", "others"
"""In place of an alias: of keys without one that can be shown, and of those that are too many."""

MOST_ALIASES = 20
LONGEST_ALIAS = 32
_LOOKED_AT = 1000  # letters of an alias
_MOST_KEYS = 500
_TELLING = 6  # letters that a key and its alias may not have in common

_WHAT = "what a key may do"


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a key may do. None is: the exchange does not say. `expires_at` is in Unix seconds.

    `alias` is what its owner calls a key that the account has besides; the one that asks has none.
    """

    withdraws: bool
    trades: bool
    ip_restricted: bool | None = None
    expires_at: float | None = None
    alias: str = ""


IsOwn = Callable[[str], bool]
"""Whether a key is the one that asks."""

Told = Callable[[Any, IsOwn], tuple[Permissions, ...]]


# --- exchanges -------------------------------------------------------------------------------------------------------


_BINANCE_TRADES = ("enableSpotAndMarginTrading", "enableFutures")
_BINANCE_ALSO = ("enableMargin", "enableVanillaOptions", "enablePortfolioMarginTrading", "enableFixApiTrade")
"""And these, where there are any: they came later."""


def _binance(answer: Any, _own: IsOwn) -> tuple[Permissions, ...]:
    """`enableInternalTransfer` and `permitsUniversalTransfer` are for the owner's own accounts."""
    told = record(answer, _WHAT)
    named = (*_BINANCE_TRADES, *(name for name in _BINANCE_ALSO if name in told))
    return (
        Permissions(
            withdraws=flag(told, "enableWithdrawals"),
            trades=True in [flag(told, name) for name in named],
            ip_restricted=flag(told, "ipRestrict"),
            expires_at=_milliseconds(told, "tradingAuthorityExpirationTime"),
        ),
    )


_BYBIT_TRADES = ("ContractTrade", "Spot")
_BYBIT_ALSO = ("Options", "Derivatives", "CopyTrading", "BlockTrade")
_BYBIT_PAYS = ("FiatP2P", "FiatBybitPay")


def _bybit(answer: Any, _own: IsOwn) -> tuple[Permissions, ...]:
    """What is listed for a key that only reads, it may look at. Bybit Pay and P2P orders give money to other users;
    `AccountTransfer` and `SubMemberTransfer` are for the owner's own accounts. An expiry is told of keys alone that are bound to
    no address.
    """
    told = record(record(answer, _WHAT).get("result"), _WHAT)
    allowed, addresses = record(told.get("permissions"), _WHAT), words(told, "ips")
    if (only_reads := number(told, "readOnly")) not in (0, 1):
        raise bad_response("an answer whose readOnly is neither 0 nor 1")
    named = (*_BYBIT_TRADES, *(name for name in _BYBIT_ALSO if name in allowed))
    trades = [permission for name in named for permission in words(allowed, name)]
    pays = [permission for name in _BYBIT_PAYS if name in allowed for permission in words(allowed, name)]
    expires_at = instant(told, "expiredAt") if told.get("expiredAt") else 0.0
    return (
        Permissions(
            withdraws=("Withdraw" in words(allowed, "Wallet") or bool(pays)) and not only_reads,
            trades=bool(trades) and not only_reads,
            ip_restricted=_restricted(addresses),
            expires_at=expires_at if expires_at > 0 else None,
        ),
    )


_OKX_ALL = frozenset({"read_only", "trade", "withdraw"})


def _okx(answer: Any, _own: IsOwn) -> tuple[Permissions, ...]:
    told = _single(record(answer, _WHAT).get("data"))
    allowed, addresses = {each.strip() for each in word(told, "perm").split(",")}, told.get("ip")
    if not allowed <= _OKX_ALL:
        raise bad_response("an answer whose perm has a word that is not known")
    if not isinstance(addresses, str):
        raise bad_response("an answer whose ip is no text")
    return (Permissions("withdraw" in allowed, "trade" in allowed, ip_restricted=bool(addresses.strip())),)


def _kraken(answer: Any, _own: IsOwn) -> tuple[Permissions, ...]:
    """Keys are documented as validUntil and ipAllowlist; valid_until and ip_allowlist have been seen, with one empty address for none."""
    told = record(record(answer, _WHAT).get("result"), _WHAT)
    until, addresses = ("validUntil", "ipAllowlist") if "validUntil" in told else ("valid_until", "ip_allowlist")
    allowed, expires_at = words(told, "permissions"), float(number(told, until))
    if not allowed:
        raise bad_response("an answer without permissions")
    return (
        Permissions(
            withdraws=any("withdraw" in each for each in allowed),
            trades=any(each.startswith(("modify", "close")) for each in allowed),
            ip_restricted=_restricted(words(told, addresses)),
            expires_at=expires_at if expires_at > 0 else None,
        ),
    )


def _coinbase(answer: Any, _own: IsOwn) -> tuple[Permissions, ...]:
    """`can_transfer` sends money off the platform, too. Neither addresses nor an expiry are told."""
    told = record(answer, _WHAT)
    return (Permissions(withdraws=flag(told, "can_transfer"), trades=flag(told, "can_trade")),)


_DERIBIT_WITHDRAWS = frozenset({"wallet:read_write", "custody:read_write"})
_DERIBIT_TRADES = frozenset({"trade:read_write", "block_trade:read_write", "block_rfq:read_write"})


def _deribit(answer: Any, own: IsOwn) -> tuple[Permissions, ...]:
    """All keys of the account but for those that are disabled. One that may write to the wallet sends to other users, too. Deribit says
    of every scope what a key has of it, `none` too.
    """
    listed = records(record(answer, _WHAT).get("result"), _WHAT)
    if len(listed) > _MOST_KEYS:
        raise bad_response(f"an account with more than {_MOST_KEYS} keys")
    keys = [str(told.get(key)) for told in listed for key in ("client_id", "client_secret") if told.get(key)]
    asking, others = list[Permissions](), list[Permissions]()
    for each in listed:
        if own(word(each, "client_id")):
            asking.append(_of_deribit(each))
        elif each.get("enabled") is not False:
            others.append(replace(_of_deribit(each), alias=alias(each.get("name"), keys)))
    if not asking:
        raise bad_response("the list of keys lacks the one that asks")
    return (asking[0], *by_alias(others))


def _of_deribit(told: Record) -> Permissions:
    scope = words(told, "max_scope") if isinstance(told.get("max_scope"), list) else word(told, "max_scope").split()
    if not ({"wallet:none", "wallet:read", "wallet:read_write"} & set(scope)):
        raise bad_response("an answer whose max_scope says nothing of the wallet")
    addresses = words(told, "ip_whitelist") if "ip_whitelist" in told else None
    return Permissions(
        withdraws=not _DERIBIT_WITHDRAWS.isdisjoint(scope),
        trades=not _DERIBIT_TRADES.isdisjoint(scope),
        ip_restricted=None if addresses is None else _restricted(addresses),
    )


_OF_BINANCE = ("sapi_get_account_apirestrictions", _binance)

TOLD: Mapping[str, tuple[str, Told]] = {
    "binance": _OF_BINANCE,
    "binanceusdm": _OF_BINANCE,
    "binancecoinm": _OF_BINANCE,
    "bybit": ("private_get_v5_user_query_api", _bybit),
    "coinbase": ("v3_private_get_brokerage_key_permissions", _coinbase),
    "deribit": ("private_get_list_api_keys", _deribit),
    "kraken": ("private_post_getapikeyinfo", _kraken),
    "okx": ("private_get_account_config", _okx),
}
"""By ccxt's id, what is asked for and how it is read. By the exchanges' documentation: Binance "Get API Key Permission", Bybit "Get
API Key Information", Coinbase "Get API Key Permissions", Deribit "private/list_api_keys" and "Access Scope", Kraken "Get API Key
Info", OKX "Get account configuration".
"""


async def told(keyed: Keyed) -> tuple[Permissions, ...] | None:
    """What the account's keys may do, the one that asks first; None where it is not known how the exchange tells it.

    Raises SourceError, also where an answer lacks what it should say: a key of which that is not known is not safe.
    """
    if keyed.exchange not in TOLD:
        return None
    method, read = TOLD[keyed.exchange]
    return read(await keyed.venue.call(method, {}), keyed.venue.is_own_key)


# --- parts of answers ------------------------------------------------------------------------------------------------


def _milliseconds(told: Record, key: str) -> float | None:
    found = maybe(told, key)
    return None if found is None or found <= 0 else float(found) / 1000


def _restricted(addresses: Iterable[str]) -> bool:
    """Whether a list of addresses, or networks, keeps any out. An empty one is none, and `*` all."""
    told = {each.strip() for each in addresses} - {""}
    return bool(told) and "*" not in told


def _single(told: Any) -> Record:
    (*others, found) = records(told, _WHAT) or ({},)
    if others or not found:
        raise bad_response("not the one answer that was asked for")
    return found


# --- other keys of an account ----------------------------------------------------------------------------------------


def alias(told: Any, keys: Iterable[str]) -> str:
    """What a key may be called in public: at most LONGEST_ALIAS printable letters, and neither a key of the account nor much of it."""
    text = told[:_LOOKED_AT] if isinstance(told, str) else ""
    if any(key in text or (len(text) >= _TELLING and text in key) for key in keys):
        return UNNAMED
    shown = "".join(letter for letter in text if letter.isprintable()).strip()
    return shown[:LONGEST_ALIAS].strip() or UNNAMED


def by_alias(told: Iterable[Permissions]) -> Iterator[Permissions]:
    """One for each alias, and no more than MOST_ALIASES: of several keys that go by the same name, the worst of all."""
    named: dict[str, list[Permissions]] = {}
    for each in sorted(told, key=lambda each: each.alias):
        name = each.alias if each.alias in named or len(named) < MOST_ALIASES - 1 else OTHERS
        named.setdefault(name, []).append(each)
    for name, group in named.items():
        yield _worst(name, group)


def _worst(name: str, told: Sequence[Permissions]) -> Permissions:
    restricted = {each.ip_restricted for each in told}
    expiries = [each.expires_at for each in told if each.expires_at is not None]
    return Permissions(
        withdraws=any(each.withdraws for each in told),
        trades=any(each.trades for each in told),
        ip_restricted=False if False in restricted else None if None in restricted else True,
        expires_at=min(expiries, default=None),
        alias=name,
    )
