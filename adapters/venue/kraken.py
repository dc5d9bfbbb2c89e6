"""What ccxt leaves undone on Kraken: a book is compared with its checksum, a subscription can be given up, an error that it does not
know is named, and what is no list of orders is refused.

ccxt's own comparison is off, and would fail: it is over the numbers as they were written, of which ccxt keeps floats.
"""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Iterable
from typing import Any

from . import library
from .errors import BookGapError
from .shape import record, records

REFUSED = ("EAPI:Invalid signature", "EAuth:Account temporary disabled", "EAuth:Account unconfirmed")
"""Errors that ccxt does not know: the secret is wrong, or the account closed to this key."""

SUMMED = 10
"""Levels of a side that a checksum is over."""

_ANY: Any = object  # ccxt's class comes after `Kraken`, and has no types


class Kraken(_ANY):  # type: ignore[misc]
    """Goes before Kraken's class of ccxt. Its books have levels of price, amount, and the digits that a checksum is over."""

    def describe(self) -> Any:
        """What the venue offers, and what it says of a wrong secret, or of an account that it does not serve."""
        offered = {"unWatchOrderBook": True, "unWatchTrades": True}
        said = {"exact": {**dict.fromkeys(REFUSED, library.KEY_REFUSED), "EAuth:Too many requests": library.TOO_OFTEN}}
        return self.deep_extend(super().describe(), {"has": offered, "exceptions": said})

    async def privatePostOpenOrders(self, params: Any = None) -> Any:  # noqa: N802 - ccxt's name
        """Open orders. An answer of another shape is none, where ccxt would take it for one without orders."""
        answer = await super().privatePostOpenOrders(params or {})
        told = record(record(record(answer, "open orders").get("result"), "open orders").get("open"), "open orders")
        records(list(told.values()), "open orders")
        return answer

    def client(self, url: Any) -> Any:
        """The socket for an URL. It leaves decimals as they were written, which ccxt reads as well."""
        known = url in (self.clients or {})
        socket = super().client(url)
        if not known:
            socket.handle_text_or_binary_message = functools.partial(_read, socket)
        return socket

    # --- checksums ---------------------------------------------------------------------------------------------------

    def handle_order_book(self, client: Any, message: Any) -> None:
        """Brings a message into the book, and tells of it where the book is now what the venue's is."""
        super().handle_order_book(_Compared(client, int(message["data"][0]["checksum"])), message)

    def custom_handle_deltas(self, bookside: Any, deltas: Any) -> None:
        """Changes levels of a side."""
        for told in deltas:
            price, quantity = str(told["price"]), str(told["qty"])
            bookside.storeArray([float(price), 0.0])  # of a level that is there ccxt would change the amount alone
            bookside.storeArray([float(price), float(quantity), digits(price) + digits(quantity)])

    # --- subscriptions -----------------------------------------------------------------------------------------------

    async def un_watch_order_book(self, symbol: str) -> None:
        """Gives up a book."""
        await self._unsubscribe("book", self.get_message_hash("orderbook", None, symbol), symbol)

    async def un_watch_trades(self, symbol: str) -> None:
        """Gives up the trades of a symbol."""
        await self._unsubscribe("trade", self.get_message_hash("trade", None, symbol), symbol)

    async def _unsubscribe(self, channel: str, name: str, symbol: str) -> None:
        """Returns when Kraken has confirmed it; what it told meanwhile is forgotten."""
        socket, number = self.client(self.urls["api"]["ws"]["publicV2"]), str(self.request_id())
        depth = self.safe_integer(socket.subscriptions.pop(name, None), "limit")
        params = {"channel": channel, "symbol": [symbol], **({"depth": depth} if depth else {})}
        confirmed = socket.future(number)
        await socket.send({"method": "unsubscribe", "params": params, "req_id": int(number)})
        await confirmed
        socket.rejections.pop(name, None)

    def handle_message(self, client: Any, message: Any) -> None:
        """Every message."""
        super().handle_message(client, message)
        if message.get("method") == "unsubscribe" and message.get("success"):
            client.resolve(message, str(message.get("req_id")))


class _Compared:
    """A socket, for ccxt to tell a book by: one that has another checksum than the venue's is a gap."""

    def __init__(self, socket: Any, checksum: int) -> None:
        self._socket = socket
        self._checksum = checksum

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def resolve(self, book: Any, name: str) -> None:
        """Tells those who wait for the name. Others may hold the book from before: a wrong one is emptied."""
        if checksum(book["asks"], book["bids"]) == self._checksum:
            self._socket.resolve(book, name)
        else:
            book.reset({})
            self._socket.reject(BookGapError(), name)


def digits(number: str) -> str:
    """Of a price or quantity as it was written what goes into a checksum: neither its point, nor zeros before the first digit."""
    return number.replace(".", "").lstrip("0")


def checksum(asks: Iterable[Any], bids: Iterable[Any]) -> int:
    """CRC32 over the digits of the best asks and then bids, after Kraken's guide to its book channel, version 2."""
    return zlib.crc32("".join(level[2] for side in (asks, bids) for level in list(side)[:SUMMED]).encode())


def _read(socket: Any, text: Any) -> None:
    socket.on_message_callback(socket, json.loads(text, parse_float=str))
