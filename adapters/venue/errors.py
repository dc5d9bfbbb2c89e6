"""What ccxt raises, in our terms. ccxt's own messages hold URLs and bodies: none of them is passed on."""

from __future__ import annotations

import zlib
from typing import Any

import aiohttp

from occ.errors import HttpError, RateLimitError, Reason, SourceError
from occ.http import FOREIGN, classified, refused

from . import library
from .call import Call
from .limits import BANNED, TOO_MANY

STRANGE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError, zlib.error)
"""What becomes of an answer that ccxt did not expect: it takes it apart without looking what it is."""

RAISED = (library.ERROR, SourceError, *FOREIGN, *STRANGE)
"""All that a call of ccxt may raise for what was answered, or was not. What else it raises is a mistake of its own or ours."""

_REFUSED = "the venue answered with an error"
_KEY = "the venue does not accept the key"

REASONS: dict[str, tuple[Reason, str]] = {
    "BaseError": (Reason.INTERNAL, "ccxt failed"),
    "ExchangeError": (Reason.RPC_ERROR, _REFUSED),
    "AuthenticationError": (Reason.AUTH, _KEY),
    "PermissionDenied": (Reason.AUTH, "the key may not do this"),
    "AccountNotEnabled": (Reason.AUTH, "the account is not enabled"),
    "AccountSuspended": (Reason.AUTH, "the account is suspended"),
    "ArgumentsRequired": (Reason.INTERNAL, "the call lacks an argument"),
    "BadRequest": (Reason.RPC_ERROR, "the venue does not accept the request"),
    # Not NOT_SUPPORTED, which alarms nobody: a market that was configured and is gone must be seen.
    "BadSymbol": (Reason.RPC_ERROR, "the venue has no such market"),
    "OperationRejected": (Reason.RPC_ERROR, "the venue rejected the operation"),
    "NoChange": (Reason.RPC_ERROR, "there is nothing to change"),
    "MarginModeAlreadySet": (Reason.RPC_ERROR, "there is nothing to change"),
    "MarketClosed": (Reason.RPC_ERROR, "the market is closed"),
    "ManualInteractionNeeded": (Reason.RPC_ERROR, "the venue wants a person to do something"),
    "RestrictedLocation": (Reason.AUTH, "the venue does not serve this location"),
    "InsufficientFunds": (Reason.RPC_ERROR, "not enough funds"),
    "InvalidAddress": (Reason.RPC_ERROR, "the venue does not accept the address"),
    "AddressPending": (Reason.RPC_ERROR, "the address is not ready yet"),
    "InvalidOrder": (Reason.RPC_ERROR, "the venue does not accept the order"),
    "OrderNotFound": (Reason.RPC_ERROR, "the venue has no such order"),
    "OrderNotCached": (Reason.RPC_ERROR, "the order is not known here"),
    "OrderImmediatelyFillable": (Reason.RPC_ERROR, "the order would be filled at once"),
    "OrderNotFillable": (Reason.RPC_ERROR, "the order can not be filled"),
    "DuplicateOrderId": (Reason.RPC_ERROR, "the order id was used before"),
    "ContractUnavailable": (Reason.RPC_ERROR, "the contract is not available"),
    "NotSupported": (Reason.NOT_SUPPORTED, "the venue does not offer this"),
    "InvalidProxySettings": (Reason.INTERNAL, "the proxy settings contradict each other"),
    "ExchangeClosedByUser": (Reason.INTERNAL, "closed on this side"),
    "OperationFailed": (Reason.SERVER_ERROR, "the venue failed"),
    "NetworkError": (Reason.CONNECT, "the connection failed"),
    "DDoSProtection": (Reason.RATE_LIMITED, "the venue asks for patience"),
    "RateLimitExceeded": (Reason.RATE_LIMITED, "the venue asks for patience"),
    "ExchangeNotAvailable": (Reason.SERVER_ERROR, "the venue is not available"),
    "OnMaintenance": (Reason.MAINTENANCE, "the venue is under maintenance"),
    # The key may be good, but what it signs is not accepted: for whoever trades this is the same as a refused key.
    "InvalidNonce": (
        Reason.AUTH,
        "the venue does not accept the time or nonce of a signed request: compare the clocks",
    ),
    "ChecksumError": (Reason.BAD_RESPONSE, "updates of the book do not fit together"),
    "RequestTimeout": (Reason.TIMEOUT, "no answer in time"),
    "BadResponse": (Reason.BAD_RESPONSE, "an answer that is none"),
    "NullResponse": (Reason.BAD_RESPONSE, "an empty answer"),
    "CancelPending": (Reason.RPC_ERROR, "the order is being cancelled already"),
    "UnsubscribeError": (Reason.INTERNAL, "unsubscribed on this side"),
}
"""For every exception of ccxt the reason and our words; what the HTTP status says may be more exact."""


class BookGapError(SourceError):
    """The updates of a book do not fit together: one is missing or out of order. The book must be taken anew."""

    def __init__(self) -> None:
        super().__init__(*REASONS["ChecksumError"])


def translated(error: Exception, call: Call | None = None) -> SourceError:
    """The SourceError for what a call of ccxt has raised; `call` tells what was answered meanwhile."""
    if isinstance(error, SourceError):
        return error
    foreign = _foreign(error)
    if foreign is not None:
        return _unanswered(foreign)
    for kind in type(error).__mro__:
        if kind.__name__ in REASONS:
            return _told(*REASONS[kind.__name__], call or Call(""))
    if call is not None and call.status is not None:
        return SourceError(Reason.BAD_RESPONSE, f"an answer that ccxt can not read: {type(error).__name__}")
    return SourceError(Reason.INTERNAL, f"{type(error).__name__} in our own code")


def of_feed(error: Exception, call: Call | None = None) -> SourceError:
    """As `translated`, for a feed, where a wrong nonce is that of an update and not of a signature.

    ccxt tells both a gap in the sequence and a wrong checksum by ChecksumError for one venue and by InvalidNonce for another.
    """
    if any(kind.__name__ == "InvalidNonce" for kind in type(error).__mro__):
        return BookGapError()
    return translated(error, call)


def _foreign(error: Exception) -> BaseException | None:
    """What aiohttp or the system raised and ccxt wrapped: as cause over HTTP, as argument over WebSocket."""
    for found in (error, error.__cause__, *error.args):
        if isinstance(found, (*FOREIGN, TimeoutError)):
            return found
    return None


def _unanswered(error: BaseException) -> SourceError:
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return refused(error.status, error.headers or {})
    return classified(error)


def _told(reason: Reason, words: str, call: Call) -> SourceError:
    """The reason that ccxt's exception stands for, unless the HTTP status knows better."""
    status = call.status or 0
    if status == 401:  # noqa: PLR2004 - Unauthorized; ccxt takes Binance's for a ban once the key has worked
        return HttpError(
            Reason.AUTH, status, f"HTTP 401: {_KEY if reason is Reason.RATE_LIMITED else words}{call.code}"
        )
    if call.maintenance:
        return SourceError(*REASONS["OnMaintenance"])
    if reason is Reason.RATE_LIMITED or status in {TOO_MANY, BANNED}:
        return RateLimitError(f"{REASONS['RateLimitExceeded'][1]}{call.code}", call.patience)
    if _by_status(reason, status):
        return refused(status, call.headers)
    return SourceError(reason, f"{words}{call.code}")


def _by_status(reason: Reason, status: int) -> bool:
    """Whether the status says more: ccxt calls most of them "not available", and takes 504 for a time-out of its own."""
    if reason is Reason.SERVER_ERROR:
        return status >= 400  # noqa: PLR2004 - the client's errors, and the server's
    return reason in {Reason.RPC_ERROR, Reason.TIMEOUT, Reason.CONNECT} and status >= 500  # noqa: PLR2004 - the server's


def names(tree: Any) -> set[str]:
    """All names in a tree of exceptions."""
    return {name for own, below in tree.items() for name in (own, *names(below))}
