"""What ccxt leaves undone on Deribit: that nothing is locked may be told by a text or by false."""

from __future__ import annotations

from typing import Any

from occ.http import bad_response

from .shape import record
from .status import WHAT

_ANY: Any = object  # ccxt's class comes after `Deribit`, and has no types


class Deribit(_ANY):  # type: ignore[misc]
    """Goes before Deribit's class of ccxt."""

    async def fetch_status(self, params: Any = None) -> Any:
        """The status, by "public/status": maintenance while all currencies are locked, or some."""
        told = await super().fetch_status(params or {})
        locked = str(record(record(told["info"], WHAT).get("result"), WHAT).get("locked")).lower()
        if locked not in ("true", "partial", "false"):
            raise bad_response("the answer does not say whether anything is locked")
        return {**told, "status": "ok" if locked == "false" else "maintenance"}
