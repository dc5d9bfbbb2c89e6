"""What ccxt leaves undone on Binance: what some calls cost, that an update of a book without levels is no update, and that what is no
list of orders is no order.
"""

from __future__ import annotations

from typing import Any

from .errors import BookGapError
from .shape import records

COSTS: Any = {
    "public": {"get": {"trades": {"cost": 5}}},
    "fapiPublic": {"get": {"premiumIndex": {"cost": 1, "noSymbol": 10}}},
    "dapiPrivate": {"get": {"openOrders": {"cost": 1, "noSymbol": 40}}},
    "fapiPrivateV3": {"get": {"account": {"cost": 5}, "positionRisk": {"cost": 5}}},
}
"""In ccxt's units: five of spot's 6,000 a minute, one of the 2,400 of contracts. By Binance's documents these weigh 25, 10 for all
contracts at once, 40 for all symbols at once, and 5.
"""

_ANY: Any = object  # ccxt's class comes after `Binance`, and has no types


class Binance(_ANY):  # type: ignore[misc]
    """Goes before the classes of ccxt that speak Binance's protocol."""

    def calculate_rate_limiter_cost(self, api: Any, method: Any, path: Any, params: Any, config: Any = None) -> Any:
        """What a call costs: ccxt has some for less than the venue counts."""
        part = api if isinstance(api, str) else api[0]
        own = COSTS.get(part, {}).get(str(method).lower(), {}).get(path)
        return super().calculate_rate_limiter_cost(api, method, path, params, own or config or {})

    def parse_orders(self, orders: Any, *rest: Any, **named: Any) -> Any:
        """Orders. What is no list of them is refused, where ccxt would take it for none."""
        return super().parse_orders(records(orders, "orders"), *rest, **named)

    def handle_order_book_message(self, client: Any, message: Any, orderbook: Any) -> Any:
        """Brings an update into the book. A side that is no list would be no change to ccxt, and the book wrong from then on."""
        if not all(isinstance(message.get(side), list) for side in ("a", "b")):
            raise BookGapError
        return super().handle_order_book_message(client, message, orderbook)
