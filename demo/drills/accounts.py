"""What goes wrong with money, keys and orders of the desk, and with its own engine."""

from collections.abc import Mapping

from demo.answers import ByPeople
from demo.centre import ACCOUNT, TRADED
from demo.engine.faults import Fault
from demo.settings import CONTRACT, TREASURY

from .drill import Drill, VenueFault
from .seen import flat, no_orders, no_orders_at_all

TRADER = f"{TRADED}/{ACCOUNT}"

HALTED = frozenset({"OrdersWhileHalted"})
"""May follow where the engine stays halted until the fault is over: its stops rest."""

SQUEEZED = frozenset(
    {"MarginUsageHigh", "PositionNearLiquidation", "MarginUsageRising", "FlashCrash", "EngineOrdersFailing"}
)
"""May follow where the price of a contract goes against a position: orders are refused for want of margin."""


def _account(fault: str, **particulars: str) -> Mapping[str, VenueFault]:
    """Of the account where the desk trades."""
    return {TRADED: (fault, {"account": ACCOUNT, **particulars})}


DRILLS = (
    Drill(
        "margin-squeeze",
        f"the price of a contract goes against the account on {TRADED}, until nine tenths of its margin are used: the engine is "
        "stopped there, its orders are cancelled and its position is closed",
        venues=_account("margin_squeeze", ratio="0.9"),
        fires=frozenset({("MarginUsageHigh", TRADER)}),
        pages=frozenset({"MarginUsageHigh"}),
        follows=SQUEEZED | HALTED,
        answer=ByPeople("halt-and-flatten", {"venue": TRADED}, undo="resume", seen=flat, resolves=True),
        to=("MarginUsageHigh", TRADER),
    ),
    Drill(
        "liquidation",
        f"the price of a contract goes against the account on {TRADED}, until the venue closes its position: what the engine takes "
        "again meanwhile is closed as well",
        venues=_account("margin_squeeze", ratio="1"),
        fires=frozenset({("ForcedReduction", TRADER)}),
        pages=frozenset({"ForcedReduction"}),
        follows=SQUEEZED | HALTED,
        lasts=frozenset({("ForcedReduction", TRADER)}),
        answer=ByPeople("halt-and-flatten", {"venue": TRADED}, undo="resume", seen=flat),
        to=("ForcedReduction", TRADER),
    ),
    Drill(
        "adl-wave",
        f"venue {TRADED} deleverages: the position of the account is the first in the queue, and half of it is taken again and again",
        venues=_account("adl", ratio="0.5", seconds="10"),
        fires=frozenset({("ForcedReduction", TRADER), ("AdlNear", f"{TRADER}/{CONTRACT}")}),
        pages=frozenset({"ForcedReduction"}),
        lasts=frozenset({("ForcedReduction", TRADER)}),
        rules=600,
    ),
    Drill(
        "leaked-key",
        f"the key that only reads of the account on {TRADED} may withdraw",
        venues=_account("key_withdraws"),
        fires=frozenset({("KeyMayWithdraw", TRADER)}),
        pages=frozenset({"KeyMayWithdraw"}),
    ),
    Drill(
        "stuck-transfer",
        f"a withdrawal from {TRADED} to the desk's own address has been pending for two hours",
        venues=_account("stuck_transfer", currency="USDT", seconds="7200", address=TREASURY),
        fires=frozenset({("TransferStuck", TRADER)}),
    ),
    Drill(
        "unknown-withdrawal",
        f"a thousand USDT leave the account on {TRADED} for an address that nobody has listed",
        venues=_account("withdrawal", currency="USDT", amount="1000", address="0x" + "ba" * 20),
        fires=frozenset({("WithdrawalUnlisted", TRADER)}),
        pages=frozenset({"WithdrawalUnlisted"}),
        lasts=frozenset({("WithdrawalUnlisted", TRADER)}),
    ),
    Drill(
        "engine-disagrees",
        "the engine does not hear of what it bought, and buys it again: it is stopped, and reads what it has",
        engine=Fault.MISSED_FILLS,
        fires=frozenset({("EnginePositionDisagrees", "BTC")}),
        pages=frozenset({"EnginePositionDisagrees"}),
        follows=HALTED,
        answer=ByPeople("halt", {"venue": TRADED}, undo="resume", resolves=True),
        to=("EnginePositionDisagrees", "BTC"),
        threshold=40,
    ),
    Drill(
        "runaway-orders",
        f"the engine places orders on {TRADED} without end: it is stopped there, and they are cancelled",
        engine=Fault.RUNAWAY,
        fires=frozenset({("EngineRunaway", TRADED), ("OrdersRunaway", TRADER)}),
        pages=frozenset({"EngineRunaway", "OrdersRunaway"}),
        follows=HALTED,
        answer=ByPeople("halt-and-cancel", {"venue": TRADED}, undo="resume", seen=no_orders, resolves=True),
        to=("OrdersRunaway", TRADER),
        threshold=30,
    ),
    Drill(
        "engine-silent",
        "the main loop of the engine stands still, while its pages are served",
        engine=Fault.SILENT,
        fires=frozenset({("EngineSilent", "engine")}),
        pages=frozenset({"EngineSilent"}),
    ),
    Drill(
        "orders-left",
        f"the engine stops quoting by itself, and leaves its orders on {TRADED}: they are cancelled, its stops as well",
        engine=Fault.STOPPED,
        fires=frozenset({("OrdersWhileHalted", TRADER)}),
        answer=ByPeople("cancel-all", {"venue": TRADED}, seen=no_orders_at_all, resolves=True),
        to=("OrdersWhileHalted", TRADER),
        rules=400,
    ),
    Drill(
        "stray-orders",
        f"the engine has an order on {TRADED} in a symbol that nobody has configured: all that it has there is cancelled",
        engine=Fault.STRAY,
        fires=frozenset({("OrdersUnlisted", TRADER)}),
        follows=HALTED,
        answer=ByPeople("halt-and-cancel", {"venue": TRADED}, undo="resume", seen=no_orders, resolves=True),
        to=("OrdersUnlisted", TRADER),
        rules=900,
    ),
)
