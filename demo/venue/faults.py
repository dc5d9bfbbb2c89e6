"""What can be wrong with a venue, and where."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """One thing that goes wrong; several may at once. Those of a symbol befall all symbols where none is named."""

    # of a symbol
    FROZEN = "frozen"  # the book stands still on a live socket and over HTTP; trades go on
    GAP = "gap"  # every tenth update of a book is left out, the first one at once
    CROSSED = "crossed"  # the best bid is above the best ask
    THIN = "thin"  # next to nobody quotes
    FLASH_CRASH = "flash_crash"  # the price falls by `ratio` within seconds and comes back when the fault goes
    TICK_SIZE = "tick_size"  # ten times as large
    HALT = "halt"  # no trades, no orders, the book stands still, and the status says so
    DELISTED = "delisted"  # the symbol is not there any more
    # of the messages
    REORDERED = "reordered"  # two updates of a book change places
    TRUNCATED = "truncated"  # the first half of every message
    GARBAGE = "garbage"  # an HTML page for every message
    CORRUPT = "corrupt"  # amounts of a book are twice what they are; a checksum says so where the venue sends one
    ABSURD = "absurd"  # best bid and ask that are no numbers, negative, of no size
    ONE_SIDED = "one_sided"  # nobody asks
    EMPTY = "empty"  # neither bids nor asks
    # of the venue
    SILENCE = "silence"  # accepts and never answers; open sockets say nothing, not even pong
    DROP = "drop"  # open sockets are closed, and new ones as soon as they are open
    SLOW = "slow"  # answers come `seconds` late
    SERVER_ERROR = "server_error"  # every request gets 502 and a page; new sockets too
    MAINTENANCE = "maintenance"  # the system status says so, the rest gets 503; sockets are closed
    BAN = "ban"  # 418 with `patience` seconds as Retry-After
    CLOCK_SKEW = "clock_skew"  # the venue's clock is `seconds` ahead of ours, or behind by a negative number
    WITHDRAWALS_SUSPENDED = "withdrawals_suspended"  # of `currency` on `network`, or on all
    # of orders and keys, those of every account where none is named
    LOST_REPLY = "lost_reply"  # what changes something takes effect, and then the connection is cut
    STUCK = "stuck"  # orders of the symbol can not be cancelled
    RACED = "raced"  # half of an order is filled right before it is cancelled
    KEY_REFUSED = "key_refused"  # no key of `account` is accepted, as from an address that is not allowed
    KEY_WITHDRAWS = "key_withdraws"  # keys of `account` may withdraw
    KEY_EXPIRES = "key_expires"  # keys of `account` expire in `seconds`; below 0 they have
    PERMISSION_DENIED = "permission_denied"  # calls with `call` in their path are refused to keys of `account`
    OTHER_ACCOUNT = "other_account"  # contracts of `account` are told as those of a portfolio margin account
    # of what an account has; what these do stays done
    MARGIN_SQUEEZE = (
        "margin_squeeze"  # mark, index and book of the contracts that `account` holds go against it, until it uses
    )
    # `ratio` of its maintenance margin, and stand there; from 1 on it is liquidated
    ADL = "adl"  # positions are the first to be deleveraged: after `seconds`, and again and again, `ratio` of each is taken
    WITHDRAWAL = (
        "withdrawal"  # `amount` of `currency` leaves `account` for `address`: pending for `seconds`, then `outcome`
    )
    STUCK_TRANSFER = (
        "stuck_transfer"  # a `kind`, deposit or withdrawal, is pending since `seconds` ago, until this is cleared
    )


class UnknownError(ValueError):
    """Something was named that is not there."""


@dataclass(frozen=True)
class Scope:
    """Where a fault is and how bad. `symbol` as in BTC/USDT, or BTC/USDT:USDT for a contract."""

    symbol: str | None = None
    currency: str | None = None
    network: str | None = None
    seconds: float = 2.0
    ratio: float = 0.1
    patience: float = 120.0
    account: str | None = None
    call: str | None = None
    kind: str = "withdrawal"
    address: str | None = None
    amount: float = 1000.0
    outcome: str = "done"

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Scope":
        """From the query of a request; UnknownError where a key is not one of ours, ValueError for what is no number."""
        fields = {each.name: each for each in dataclasses.fields(cls)}
        if left := query.keys() - fields.keys():
            raise UnknownError(f"unknown: {', '.join(sorted(left))}")
        return cls(**{name: _number(text) if fields[name].type is float else text for name, text in query.items()})  # type: ignore[arg-type]


def _number(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is no number")
    return number
