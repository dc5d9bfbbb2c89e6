"""What ccxt leaves undone on Binance's WebSocket: an update of a book without levels is no update."""

from __future__ import annotations

from typing import Any

from .errors import BookGapError

_ANY: Any = object  # ccxt's class comes after `Binance`, and has no types


class Binance(_ANY):  # type: ignore[misc]
    """Goes before the classes of ccxt that speak Binance's protocol."""

    def handle_order_book_message(self, client: Any, message: Any, orderbook: Any) -> Any:
        """Brings an update into the book. A side that is no list would be no change to ccxt, and the book wrong from then on."""
        if not all(isinstance(message.get(side), list) for side in ("a", "b")):
            raise BookGapError
        return super().handle_order_book_message(client, message, orderbook)
