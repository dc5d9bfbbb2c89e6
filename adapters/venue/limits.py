"""What a venue says of its limits: how much of them is used, and how long it wants to be left alone. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from occ.errors import RateLimitError
from occ.http import refused

TOO_MANY, BANNED = 429, 418
LONGEST_BAN = 3 * 86400.0
"""Binance's, by the status that it has for bans alone; what asks for more is not believed."""

LONGEST_PATIENCE = 900.0
"""Of whatever else refuses: no limit that is known has a longer window (Kraken locks out for 15 minutes). Who means more says so again."""

_WEIGHTS = {"api.binance.com": 6000.0, "api.binance.us": 6000.0, "fapi.binance.com": 2400.0, "dapi.binance.com": 2400.0}
_UNTIL = re.compile(rb"until (\d{13})\b")
_LEFT = (  # window, header of what is left, header of the limit
    ("1s", "X-Bapi-Limit-Status", "X-Bapi-Limit"),
    ("30s", "gw-ratelimit-remaining", "gw-ratelimit-limit"),
    ("10s", "X-Gate-RateLimit-Requests-Remain", "X-Gate-RateLimit-Limit"),
    ("1m", "bitvavo-ratelimit-remaining", "bitvavo-ratelimit-limit"),
)


OF_THE_ACCOUNT = frozenset({"bybit", "coinbase", "deribit", "okx"})
"""Exchanges that count what is asked with a key for each account, apart from what its address asks without one: so do others who
have a key of it. Sources: "Rate Limit" of each one's API documentation.
"""

OF_THE_KEY = frozenset({"kraken"})
"""And those that count for each key: nobody else uses ours. ccxt's costs are those of Kraken's lowest tier. Source: Kraken's "Spot REST
Rate Limits".
"""

KEYED_SHARE = 0.5
"""Where all that an address asks is one count, so much of what may be used is for requests with a key."""


def counts_apart(exchange: str) -> bool:
    """Whether the exchange counts what is asked with a key apart from what its address asks without one."""
    return exchange in OF_THE_ACCOUNT | OF_THE_KEY


def shares(exchange: str, share: float, *, keys: bool) -> tuple[float, float]:
    """How much of the exchange's limits may be used without a key, and with keys, where `share` of them is ours: with each key where they
    are counted apart (`counts_apart`), else with all of them together, which take turns.
    """
    if not keys:
        return share, 0.0
    if exchange in OF_THE_KEY:
        return share, 1.0
    if exchange in OF_THE_ACCOUNT:
        return share, share
    return share * (1 - KEYED_SHARE), share * KEYED_SHARE


def used(host: str, headers: Mapping[str, str]) -> dict[str, float]:
    """The used share of a venue's limit by window, where the headers of its answer tell.

    Binance tells the weight that an address has used in the running minute; its limits stand in `exchangeInfo`.
    """
    weight, limit = _number(headers.get("X-MBX-USED-WEIGHT-1M")), _WEIGHTS.get(host)
    if weight is not None and limit is not None:
        return {"1m": weight / limit}
    for window, left_in, limit_in in _LEFT:
        left, most = _number(headers.get(left_in)), _number(headers.get(limit_in))
        if left is not None and most:
            return {window: max(1 - left / most, 0.0)}
    return {}


def patience(status: int, headers: Mapping[str, str], body: bytes, now: float) -> float | None:
    """Seconds for which a venue that refuses to answer wants to be left alone, where it says so; `now` is Unix time.

    Binance's body tells until when an address is banned: `banned until 1573390909000`.
    """
    if status < 400:  # noqa: PLR2004 - errors begin here
        return None
    asked = _retry_after(headers)
    banned = _UNTIL.search(body) if status in {TOO_MANY, BANNED} else None
    told = [seconds for seconds in (asked, int(banned[1]) / 1000 - now if banned else None) if seconds is not None]
    return min(max(*told, 0.0), LONGEST_BAN if status == BANNED else LONGEST_PATIENCE) if told else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """A number of seconds at full length, since bans last for days; a date as everywhere else."""
    seconds = _number(headers.get("Retry-After", "").strip())
    if seconds is not None:
        return seconds
    read = refused(TOO_MANY, headers)
    return read.retry_after if isinstance(read, RateLimitError) else None


def _number(text: str | None) -> float | None:
    """A plain count; None for anything else that a header may hold."""
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else None  # noqa: PLR2004 - exact
