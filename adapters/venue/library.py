"""The one place that imports ccxt: its exchanges by id, and what it knows of itself. Costs 0.5 s and 110 MB once."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from typing import Any

import ccxt.async_support as polling
import ccxt.pro as streaming
from ccxt.base.errors import AuthenticationError, BaseError, RateLimitExceeded, error_hierarchy

VERSION: str = polling.__version__
IDS: tuple[str, ...] = tuple(polling.exchanges)
ERROR: type[Exception] = BaseError
KEY_REFUSED: type[Exception] = AuthenticationError
TOO_OFTEN: type[Exception] = RateLimitExceeded
ERRORS: Mapping[str, Any] = error_hierarchy
"""The tree of ccxt's exceptions: under each name those that are narrower."""

# At level DEBUG ccxt logs every request with its URL, headers and body: keys and signatures.
logging.getLogger("ccxt").setLevel(logging.WARNING)


def kind(exchange: str) -> Any:
    """The class of an exchange: the one that streams where there is one. Raises KeyError for an unknown id."""
    if exchange not in IDS:
        raise KeyError(exchange)
    return getattr(streaming, exchange, None) or getattr(polling, exchange)


def key_parts(exchange: str) -> frozenset[str]:
    """What a key of an exchange is made of, in ccxt's words: apiKey, secret, password, uid and others. Raises KeyError."""
    return frozenset(part for part, needed in kind(exchange)().requiredCredentials.items() if needed)


def knows(error: BaseException) -> bool:
    """Whether ccxt has raised it on purpose."""
    return isinstance(error, BaseError)


@functools.cache
def extended(exchange: str, *extensions: type) -> Any:
    """The class of an exchange with extensions that go before it, each before the next."""
    return type(extensions[0].__name__, (*extensions, kind(exchange)), {})
