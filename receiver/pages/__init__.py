"""What a person sees: pages over the operations of the API. Rendered here, escaped always, no script."""

from __future__ import annotations

from .alerts import MAX_FIRING
from .leaves import Deed, Leaf, Refused, Visit
from .serving import FOREIGN, STATIC, Pages, Shown
from .text import web_link

__all__ = ("FOREIGN", "MAX_FIRING", "STATIC", "Deed", "Leaf", "Pages", "Refused", "Shown", "Visit", "web_link")
