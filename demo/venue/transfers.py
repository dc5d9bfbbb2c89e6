"""Deposits and withdrawals of spot wallets: what began, what is pending, and how it ended."""

import hashlib
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from .desk import RefusalError, SpotMoney
from .faults import Scope, UnknownError

_ADDRESS = "0x" + "5c" * 20
_NETWORK = {"BTC": "BTC", "SOL": "SOL"}
_FOREVER = 2**62  # ms


class Kind(StrEnum):
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"


class Outcome(StrEnum):
    DONE = "done"
    FAILED = "failed"


@dataclass(eq=False)
class Transfer:
    """`began` and `ends` in ms; until it ends it is pending."""

    number: int
    account: str
    kind: Kind
    currency: str
    amount: Decimal
    network: str
    address: str
    began: int
    ends: int
    outcome: Outcome = Outcome.DONE
    closed: bool = False

    @property
    def id(self) -> str:
        return hashlib.md5(f"{self.account}/{self.number}".encode(), usedforsecurity=False).hexdigest()

    @property
    def transaction(self) -> str:
        """Its id on the chain."""
        return "0x" + hashlib.sha256(f"{self.account}/{self.number}".encode()).hexdigest()


@dataclass
class Transfers:
    """A withdrawal leaves the wallet when it begins, and comes back where it fails; a deposit arrives when it is done."""

    money: SpotMoney
    all: list[Transfer] = field(default_factory=list)

    def begin(self, kind: Kind, scope: Scope, stamp: int, *, after: float, late: float = 0.0) -> Transfer:
        """It is pending since `late` seconds ago and, unless that is for ever, ends in `after`; UnknownError where there is
        too little to withdraw, or nothing is to be moved.
        """
        if scope.amount <= 0:
            raise UnknownError(f"an amount is above 0, not {scope.amount}")
        currency = scope.currency or "USDT"
        began = stamp - round(late * 1000)
        found = Transfer(
            number=len(self.all) + 1,
            account=scope.account or "",
            kind=kind,
            currency=currency,
            amount=Decimal(str(scope.amount)),
            network=scope.network or _NETWORK.get(currency, "ETH"),
            address=scope.address or _ADDRESS,
            began=began,
            ends=stamp + round(after * 1000) if after < _FOREVER else _FOREVER,
            outcome=Outcome(scope.outcome),
        )
        if kind is Kind.WITHDRAWAL:
            self._move(found, -found.amount)
        self.all.append(found)
        return found

    def release(self, transfer: Transfer, stamp: int) -> None:
        """It goes on: what was stuck ends now."""
        transfer.ends = min(transfer.ends, stamp)
        self.advance(stamp)

    def advance(self, stamp: int) -> None:
        for each in self.all:
            if not each.closed and each.ends <= stamp:
                each.closed = True
                if (each.kind is Kind.DEPOSIT) is (each.outcome is Outcome.DONE):
                    self.money.move(each.account, each.currency, each.amount)

    def of(self, account: str, kind: Kind) -> list[Transfer]:
        """The latest first."""
        mine = (each for each in self.all if each.account == account and each.kind is kind)
        return sorted(mine, key=lambda each: each.began, reverse=True)

    def _move(self, transfer: Transfer, amount: Decimal) -> None:
        try:
            self.money.move(transfer.account, transfer.currency, amount)
        except RefusalError:
            raise UnknownError(f"{transfer.account} has no {-amount} {transfer.currency}") from None
