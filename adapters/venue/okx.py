"""What ccxt leaves undone on OKX: of several events of maintenance all count, and a refused key is named as one."""

from __future__ import annotations

from typing import Any

from . import library
from .shape import record
from .status import WHAT, of_events

REFUSED = ("50100", "50119", "50120", "50121")
"""Codes of errors that ccxt has no word of its own for: the key is frozen, unknown, may not do this, or not from this address."""

_ANY: Any = object  # ccxt's class comes after `Okx`, and has no types


class Okx(_ANY):  # type: ignore[misc]
    """Goes before OKX's class of ccxt."""

    def describe(self) -> Any:
        """What the venue says of a key."""
        said = {"exact": dict.fromkeys(REFUSED, library.KEY_REFUSED)}
        return self.deep_extend(super().describe(), {"exceptions": said})

    async def fetch_status(self, params: Any = None) -> Any:
        """The status, by the events of "Status". To ccxt the last one would count alone, and no list would be none."""
        told = await super().fetch_status(params or {})
        return {**told, "status": of_events(record(told["info"], WHAT).get("data"))}
