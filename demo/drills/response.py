"""What is done about an alert, an action for each executor; then what the receiver does by itself."""

from demo.answers import ByItself, ByPeople
from demo.centre import NODES, TRADED, VENUES
from demo.faults import Fault
from demo.settings import books

from .drill import Drill
from .seen import QUIET, no_orders, noted, silenced

DRILLS = (
    Drill(
        "halt-engine",
        "a book of venue bourse is crossed: the engine is told to stop there, and two people approve",
        venues={"bourse": ("crossed", {"symbol": "ETH/USDT"})},
        fires=frozenset({("BookCrossed", "bourse/ETH/USDT")}),
        pages=frozenset({"BookCrossed"}),
        answer=ByPeople("halt", {"venue": "bourse"}, undo="resume"),
        to=("BookCrossed", "bourse/ETH/USDT"),
    ),
    Drill(
        "smaller-orders",
        "a book of venue binance is crossed: the engine's largest order becomes smaller",
        venues={"binance": ("crossed", {"symbol": "BTC/USDT"})},
        fires=frozenset({("BookCrossed", "binance/BTC/USDT")}),
        pages=frozenset({"BookCrossed"}),
        answer=ByPeople("order-size", {"usd": "20000"}, undo="order-size", undo_parameters={"usd": "25000"}),
        to=("BookCrossed", "binance/BTC/USDT"),
    ),
    Drill(
        "cancel-orders",
        "a book of venue binance is crossed: the engine stops there, and its orders are cancelled but for stops",
        venues={"binance": ("crossed", {"symbol": "ETH/USDT"})},
        fires=frozenset({("BookCrossed", "binance/ETH/USDT")}),
        pages=frozenset({"BookCrossed"}),
        answer=ByPeople("halt-and-cancel", {"venue": TRADED}, undo="resume", seen=no_orders, at_once=True),
        to=("BookCrossed", "binance/ETH/USDT"),
    ),
    Drill(
        "quiet-node",
        f"node {NODES[-1]} stays at its block, as it was told to: its lag is muted",
        breaks={NODES[-1]: Fault.STALL},
        fires=frozenset({("NodeLagging", QUIET)}),
        threshold=10,
        answer=ByPeople("quiet-node", undo="hear-node", undo_parameters={"node": QUIET}, seen=silenced, at_once=True),
        to=("NodeLagging", QUIET),
    ),
    Drill(
        "evidence",
        "a book of venue kraken is crossed: a script notes it",
        venues={"kraken": ("crossed", {})},
        fires=frozenset({("BookCrossed", "kraken/BTC/USD")}),
        pages=frozenset({"BookCrossed"}),
        follows=frozenset({"BookCrossed"}),
        answer=ByPeople("evidence", seen=noted),
        to=("BookCrossed", "kraken/BTC/USD"),
    ),
    Drill(
        "shadow",
        "one price at venue bourse falls: the receiver says what it would have done, and does nothing",
        venues={"bourse": ("flash_crash", {"symbol": "ETH/USDT", "ratio": "0.08"})},
        fires=frozenset({("FlashCrash", "bourse/ETH/USDT")}),
        pages=frozenset({"FlashCrash"}),
        answer=ByItself("halt-in-crash", "shadow", "acted"),
        to=("FlashCrash", "bourse/ETH/USDT"),
    ),
    Drill(
        "frozen",
        "a book of venue bourse is crossed while everything is frozen: the receiver does nothing",
        venues={"bourse": ("crossed", {"symbol": "BTC/USDT"})},
        fires=frozenset({("BookCrossed", "bourse/BTC/USDT")}),
        pages=frozenset({"BookCrossed"}),
        frozen=True,
        answer=ByItself("pull-quotes", "auto", "held", "frozen"),
        to=("BookCrossed", "bourse/BTC/USDT"),
    ),
    Drill(
        "storm",
        "the books of all venues are crossed at once: that is a storm, and the receiver does nothing by itself",
        venues=dict.fromkeys(VENUES, ("crossed", {})),
        fires=frozenset(
            ("BookCrossed", f"{venue}/{symbol}") for venue in ("binance", "bourse") for symbol in books("binance")
        )
        | {("BookCrossed", "kraken/BTC/USD")},
        pages=frozenset({"BookCrossed"}),
        answer=ByItself("pull-quotes", "auto", "held", "storm"),
        to=("BookCrossed", "bourse/BTC/USDT"),
    ),
    Drill(
        "by-itself",
        "a book of venue bourse is crossed: the receiver stops the engine there by itself, once an hour",
        venues={"bourse": ("crossed", {"symbol": "BTC/USDT"})},
        fires=frozenset({("BookCrossed", "bourse/BTC/USDT")}),
        pages=frozenset({"BookCrossed"}),
        answer=ByItself("pull-quotes", "auto", "acted", parameters={"venue": "bourse"}, undo="resume"),
        to=("BookCrossed", "bourse/BTC/USDT"),
    ),
)
