"""What an action has brought about, as others than the receiver see it."""

from demo.centre import ACCOUNT, NODES, TRADED
from demo.settings import CHAIN, CONTRACT
from demo.views import Views

QUIET = f"{CHAIN}/{NODES[-1]}"
"""The node whose lag is muted."""

SIDES = ("long", "short")


async def no_orders(views: Views) -> bool:
    """At the venue itself no order of the desk is open but one stop for each symbol."""
    left = await views.orders(TRADED, ACCOUNT)
    return bool(left) and set(left.values()) == {1}


async def no_orders_at_all(views: Views) -> bool:
    """At the venue itself no order of the desk is open."""
    return not await views.orders(TRADED, ACCOUNT)


async def flat(views: Views) -> bool:
    """The exporter sees no position of the desk in its contract."""
    found = [
        await views.value("exchange", "exchange_position_base", venue=TRADED, symbol=CONTRACT, side=side)
        for side in SIDES
    ]
    return found == [0, 0] and await no_orders(views)


async def silenced(views: Views) -> bool:
    """Alertmanager says that the lag of the node is silenced."""
    found = await views.alertmanager_alerts("NodeLagging")
    return any(alert["status"]["silencedBy"] for alert in found if alert["labels"]["entity"] == QUIET)


async def noted(views: Views) -> bool:
    """The script has written what it was called with."""
    return views.evidence().endswith(" kraken\n")
