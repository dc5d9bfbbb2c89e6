"""What the engine takes itself to hold: what its accounts held when they were asked, and every fill since. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Amounts = Mapping[str, Decimal]
"""By what is held: an asset, as BTC, or a contract by its symbol, as BTC/USDT:USDT; a contract in its base asset, below 0 is sold."""


@dataclass(frozen=True)
class Fill:
    """One trade of ours. `id` grows within a symbol; `changes` is what is more, or less, by it, its fee included."""

    symbol: str
    id: int
    buys: bool
    changes: Amounts


def fill(trade: Mapping[str, Any], market: Mapping[str, Any]) -> Fill:
    """Of a trade and its market as ccxt has them, of spot or of contracts that are settled in their quote asset."""
    symbol, buys = str(trade["symbol"]), trade["side"] == "buy"
    amount = Decimal(str(trade["amount"])) * (1 if buys else -1)
    if market["contract"]:
        changes = {symbol: amount * Decimal(str(market["contractSize"]))}
    else:
        changes = {market["base"]: amount, market["quote"]: -amount * Decimal(str(trade["price"]))}
        fee = trade["fee"]
        changes[fee["currency"]] = changes.get(fee["currency"], Decimal(0)) - Decimal(str(fee["cost"]))
    return Fill(symbol, int(trade["id"]), buys, changes)


class Ledger:
    """What is held in each of these accounts; nobody knows until it is opened."""

    def __init__(self, accounts: Iterable[str] = ()) -> None:
        self._accounts: dict[str, dict[str, Decimal] | None] = dict.fromkeys(accounts)

    def open(self, account: str, held: Amounts) -> None:
        """From now on that is what there is, whatever was booked before."""
        self._accounts[account] = dict(held)

    def forget(self, account: str) -> None:
        """Nobody knows any more."""
        self._accounts[account] = None

    def book(self, account: str, each: Fill) -> None:
        """In an account that is open."""
        held = self._accounts[account]
        if held is None:
            raise ValueError(f"{account} is not open")
        for name, amount in each.changes.items():
            held[name] = held.get(name, Decimal(0)) + amount

    def held(self, account: str, name: str) -> Decimal | None:
        """Of one thing in one account; None where nobody knows."""
        held = self._accounts[account]
        return None if held is None else held.get(name, Decimal(0))

    def position(self, base: str) -> Decimal | None:
        """Of a base asset in all accounts, as balances and as contracts; None where one of them is not known."""
        total = Decimal(0)
        for held in self._accounts.values():
            if held is None:
                return None
            total += sum((amount for name, amount in held.items() if name.partition("/")[0] == base), Decimal(0))
        return total
