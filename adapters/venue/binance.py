"""What ccxt leaves undone on Binance's WebSocket: an update of a book without levels is no update."""

from __future__ import annotations

from typing import Any

from .errors import BookGapError

COSTS: Any = {"public": {"get": {"trades": {"cost": 5}}}, "fapiPrivateV3": {"get": {"positionRisk": {"cost": 5}}}}
"""In ccxt's units: five of spot's 6,000 a minute, one of the 2,400 of contracts. By Binance's documents these weigh 25 and 5."""

_ANY: Any = object  # ccxt's class comes after `Binance`, and has no types


class Binance(_ANY):  # type: ignore[misc]
    """Goes before the classes of ccxt that speak Binance's protocol."""

    def describe(self) -> Any:
        """What the venue offers, and what it costs: ccxt has two calls for less than the venue counts."""
        return self.deep_extend(super().describe(), {"api": COSTS})

    def handle_order_book_message(self, client: Any, message: Any, orderbook: Any) -> Any:
        """Brings an update into the book. A side that is no list would be no change to ccxt, and the book wrong from then on."""
        if not all(isinstance(message.get(side), list) for side in ("a", "b")):
            raise BookGapError
        return super().handle_order_book_message(client, message, orderbook)
