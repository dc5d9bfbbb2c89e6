"""What a key may do just now, with the faults that befall it."""

from .accounts import Account
from .exchange import Exchange
from .faults import Fault


def accepted(exchange: Exchange, key: Account, address: str) -> bool:
    """Whether it may be used from there at all."""
    return not exchange.befalls(Fault.KEY_REFUSED, key.name) and (not key.addresses or address in key.addresses)


def expiry(exchange: Exchange, key: Account) -> float | None:
    """The venue's time at which it expires; None where it never does."""
    scope = exchange.befalls(Fault.KEY_EXPIRES, key.name)
    if scope is None:
        return None
    return exchange.since[Fault.KEY_EXPIRES] + scope.seconds + exchange.now() - exchange.clock()


def expired(exchange: Exchange, key: Account) -> bool:
    at = expiry(exchange, key)
    return at is not None and exchange.now() >= at


def trades(exchange: Exchange, key: Account) -> bool:
    return key.trades and not expired(exchange, key)


def withdraws(exchange: Exchange, key: Account) -> bool:
    return key.withdraws or exchange.befalls(Fault.KEY_WITHDRAWS, key.name) is not None


def denied(exchange: Exchange, key: Account, path: str) -> bool:
    """Whether this one call is refused."""
    scope = exchange.befalls(Fault.PERMISSION_DENIED, key.name)
    return scope is not None and (scope.call or "") in path
