"""What goes wrong with venues and their books."""

from demo.centre import VENUES
from demo.settings import books

from .drill import Drill

BLIND = frozenset({"AccountBlind", "EnginePositionUnchecked"})
"""May follow where a venue with an account of the desk is out of sight for a minute."""

DRILLS = (
    Drill(
        "venue-outage",
        "venue kraken answers every request with 502",
        venues={"kraken": ("server_error", {})},
        fires=frozenset({("VenueDown", "kraken")}),
        pages=frozenset({"VenueDown"}),
    ),
    Drill(
        "venues-outage",
        "every venue answers every request with 502",
        venues=dict.fromkeys(VENUES, ("server_error", {})),
        fires=frozenset({("ManyVenuesDown", "exchange")}),
        pages=frozenset({"ManyVenuesDown"}),
        mutes=frozenset(("VenueDown", venue) for venue in VENUES),
        follows=BLIND,
    ),
    Drill(
        "venue-maintenance",
        "venue bourse says that it is in maintenance, and does nothing else",
        venues={"bourse": ("maintenance", {})},
        fires=frozenset({("VenueMaintenance", "bourse")}),
        mutes=frozenset({("SightLost", "bourse/BTC/USDT"), ("SightLost", "bourse/ETH/USDT")}),
        rules=600,
        follows=BLIND,
    ),
    Drill(
        "rate-limit-ban",
        "venue binance has banned our address for a while; its streams go on",
        venues={"binance": ("ban", {"patience": "50"})},
        fires=frozenset({("RateLimitBanned", "binance")}),
        pages=frozenset({"RateLimitBanned"}),
        mutes=frozenset({("SightLost", "binance")}),
        rules=600,
        follows=BLIND,
    ),
    Drill(
        "clock-skew",
        "the clock of venue bourse is three seconds ahead",
        venues={"bourse": ("clock_skew", {"seconds": "3"})},
        fires=frozenset({("ClockSkewed", "bourse")}),
        rules=600,
    ),
    Drill(
        "frozen-feed",
        "the books of venue binance stand still on a live socket while trades go on",
        venues={"binance": ("frozen", {})},
        fires=frozenset({("FeedFrozen", "binance")}),
        pages=frozenset({"FeedFrozen"}),
        mutes=frozenset(("BookFrozen", f"binance/{symbol}") for symbol in books("binance")),
    ),
    Drill(
        "frozen-book",
        "one book of venue bourse stands still",
        venues={"bourse": ("frozen", {"symbol": "BTC/USDT"})},
        fires=frozenset({("BookFrozen", "bourse/BTC/USDT")}),
        pages=frozenset({"BookFrozen"}),
    ),
    Drill(
        "lost-symbol",
        "venue binance does not know one of its symbols any more",
        venues={"binance": ("delisted", {"symbol": "ETH/USDT"})},
        fires=frozenset({("FeedSilent", "binance/ETH/USDT")}),
        pages=frozenset({"FeedSilent"}),
        mutes=frozenset({("SightLost", "binance/ETH/USDT")}),
        rules=600,
        follows=BLIND | {"SightLost"},  # of the account: its orders in that symbol can not be asked for
    ),
    Drill(
        "crossed-book",
        "in one book of venue bourse the best bid is above the best ask",
        venues={"bourse": ("crossed", {"symbol": "ETH/USDT"})},
        fires=frozenset({("BookCrossed", "bourse/ETH/USDT")}),
        pages=frozenset({"BookCrossed"}),
    ),
    Drill(
        "book-gaps",
        "the stream of one book of venue binance leaves out every tenth update",
        # Not the symbol of `lost-symbol`: a stream that was lost a minute ago is tried twice a minute, which is too few gaps.
        venues={"binance": ("gap", {"symbol": "BTC/USDT"})},
        fires=frozenset({("BookGaps", "binance/BTC/USDT")}),
        rules=900,  # as far as its rule looks back: the book is taken anew ever less often, and one try that fails is a gap less
    ),
    Drill(
        "thin-book",
        "next to nobody quotes one symbol of venue binance",
        venues={"binance": ("thin", {"symbol": "ETH/USDT"})},
        fires=frozenset({("SpreadWide", "binance/ETH/USDT"), ("DepthThin", "binance/ETH/USDT")}),
        rules=900,
    ),
    Drill(
        "flash-crash",
        "one price at venue bourse falls by eight percent within seconds",
        venues={"bourse": ("flash_crash", {"symbol": "ETH/USDT", "ratio": "0.08"})},
        fires=frozenset({("FlashCrash", "bourse/ETH/USDT")}),
        pages=frozenset({"FlashCrash"}),
    ),
    Drill(
        "price-apart",
        "one price at venue bourse is two percent lower than elsewhere",
        venues={"bourse": ("flash_crash", {"symbol": "BTC/USDT", "ratio": "0.02"})},
        fires=frozenset({("CrossVenueDeviation", "bourse/BTC/USDT")}),
        rules=500,
    ),
    Drill(
        "stablecoin-depeg",
        "USDT is worth 97 cents",
        venues={"kraken": ("flash_crash", {"symbol": "USDT/USD", "ratio": "0.03"})},
        fires=frozenset({("StablecoinDepeg", "kraken/USDT/USD")}),
        pages=frozenset({"StablecoinDepeg"}),
        rules=500,
    ),
    Drill(
        "withdrawal-halt",
        "nothing can be withdrawn from venue bourse",
        venues={"bourse": ("withdrawals_suspended", {})},
        fires=frozenset({("WithdrawalsHalted", "bourse")}),
        pages=frozenset({"WithdrawalsHalted"}),
        mutes=frozenset(("WithdrawalsSuspended", f"bourse/{currency}") for currency in ("BTC", "ETH", "USDT")),
        rules=1200,
    ),
    Drill(
        "market-halt",
        "venue bourse halts trading in one symbol",
        venues={"bourse": ("halt", {"symbol": "ETH/USDT"})},
        fires=frozenset({("MarketHalted", "bourse/ETH/USDT")}),
        pages=frozenset({"MarketHalted"}),
        rules=400,
    ),
)
