"""Trading venues by ccxt, wrapped once: errors, limits, markets, feeds. To be imported only by what talks to a venue."""

from __future__ import annotations

from .errors import BookGapError
from .library import IDS
from .observer import Nobody, Observer, Request
from .venue import Credentials, Venue

__all__ = ["IDS", "BookGapError", "Credentials", "Nobody", "Observer", "Request", "Venue"]
