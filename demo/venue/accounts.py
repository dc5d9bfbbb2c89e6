"""Accounts and their keys: whose they are and what they may do."""

from dataclasses import dataclass, field
from decimal import Decimal

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Opening:
    """What each account begins with, where it has anything: USDT for contracts, and whether in hedge mode."""

    wallet: Decimal = Decimal(1_000_000)
    hedged: bool = False


@dataclass(frozen=True)
class Account:
    """Who may do what with which key; one account may have several. The secret is compared and never told."""

    name: str
    api_key: str
    secret: str = field(repr=False)
    trades: bool = True
    withdraws: bool = False
    addresses: tuple[str, ...] = ()
    """From which it may be used; from any, where there are none."""
