"""The drills: what is broken in the running demo, which alerts must come of it, and which must not."""

from . import accounts, nodes, pools, response, venues
from .drill import Alert, Drill

__all__ = ["DRILLS", "Alert", "Drill"]

DRILLS = (*nodes.DRILLS, *venues.DRILLS, *pools.DRILLS, *accounts.DRILLS, *response.DRILLS)
