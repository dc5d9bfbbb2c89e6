"""Order books, markets and contracts, for the venues and symbols that the board's variables choose."""

from __future__ import annotations

from collections.abc import Iterable

from dashboards.kit.query import age, highest, largest, lowest, number, quantile, rate, series, total

from .alerts import firing_by

VENUE = ("venue",)
BOOK = ("venue", "symbol")
SIDE = (*BOOK, "side")
BAND = ("venue", "band")
SIZE = ("venue", "size_usd")

CROSSED, GAPS, CHANGES = "2m", "15m", "1h"
"""As far back as their alerts look."""

_REMEMBERED = "1h"
"""A book whose values have vanished keeps its age for so long, as in FeedSilent."""

_NEAR = "0.0010"
_BOOK = {"venue": "$venue", "symbol": "$symbol"}


def _of_book(metric: str, **more: str) -> str:
    return largest(series(metric, **_BOOK, **more), BOOK)


def _of_side(metric: str, **more: str) -> str:
    return largest(series(metric, **_BOOK, **more), (*SIDE, "band"))


def _went_up(counter: str, window: str) -> str:
    """As its alert has it: of several instances the one that saw most."""
    return largest(f"increase({series(counter, **_BOOK)}[{window}])", BOOK)


# --- what has a limit of each symbol's own ----------------------------------------------------------------------------


def spread() -> str:
    """Negative while the book is crossed."""
    return _of_book("exchange_spread_ratio")


def deviation() -> str:
    """From the median of the venues; positive where it is dearer here."""
    return _of_book("exchange_cross_venue_deviation_ratio")


def move() -> str:
    """How far mid has gone within a minute."""
    return _of_book("exchange_mid_price_range_ratio", window="1m")


def book_age() -> str:
    """Seconds since a configured book was last heard of; absent where it never was."""
    heard = f"last_over_time({series('exchange_book_received_timestamp_seconds', **_BOOK)}[{_REMEMBERED}])"
    return f"({age(heard, BOOK)} and {_books()})"


def funding() -> str:
    """For a year at the predicted rate; positive where longs pay."""
    return _of_book("exchange_funding_annualized_ratio")


def basis() -> str:
    """How much dearer the mark price is than the index, as a share of it."""
    return _of_book("exchange_basis_ratio")


_THRESHOLD = {
    "spread_ratio": spread,
    "deviation_ratio": deviation,
    "move_ratio": move,
    "feed_age_seconds": book_age,
    "funding_ratio": funding,
    "mark_deviation_ratio": basis,
}


def nearest(threshold: str) -> str:
    """Of the values that have this limit those that come closest to it, or are furthest beyond."""
    return f"{_THRESHOLD[threshold]()} and {_nearest(threshold)}"


def bound(threshold: str) -> str:
    """What is too much, for each symbol that is among the `nearest`: the same series that the alert compares with."""
    return largest(f"{_limit(threshold)} and {_nearest(threshold)}", ("symbol",))


def lower_bound(threshold: str) -> str:
    """As much on the other side of zero."""
    return f"-({bound(threshold)})"


def _nearest(threshold: str) -> str:
    return highest(f"abs({_THRESHOLD[threshold]()}) / {_limit(threshold)}")


def _limit(threshold: str) -> str:
    return _of_book(f"occ:threshold:{threshold}")


# --- feeds ------------------------------------------------------------------------------------------------------------


def _books() -> str:
    return _of_book("occ_target_configured", exporter="exchange", check="order_book")


def oldest_book() -> str:
    return largest(book_age())


def oldest_book_of_venue() -> str:
    return largest(book_age(), VENUE)


def stands_still() -> str:
    return _of_book("exchange_book_frozen")


def most_standing_still() -> str:
    return highest(stands_still())


def share_standing_still() -> str:
    return f"avg by (venue) ({stands_still()})"


def books_not_true() -> str:
    """Books that stand still, or whose best bid is not below the best ask."""
    return f"{number(f'({stands_still()} == 1 or {spread()} <= 0)')} or {number(stands_still())} * 0"


def crossed() -> str:
    """The share of the time for which the best bid was not below the best ask."""
    return highest(_crossed(BOOK))


def crossed_of_venue() -> str:
    """Of the venue's book that was crossed for longest."""
    return _crossed(VENUE)


def _crossed(by: Iterable[str]) -> str:
    return largest(f"rate({series('exchange_book_crossed_seconds_total', **_BOOK)}[{CROSSED}])", by)


def gaps() -> str:
    return highest(_went_up("exchange_book_sequence_gaps_total", GAPS))


def resyncs() -> str:
    return highest(_went_up("exchange_book_resyncs_total", GAPS))


def message_gap(share: float) -> str:
    return quantile(share, "exchange_ws_message_gap_seconds", VENUE, venue="$venue")


def unchanged() -> str:
    """Seconds since the book was last seen to change."""
    return age(series("exchange_book_change_timestamp_seconds", **_BOOK), BOOK)


def firing() -> str:
    return firing_by(BOOK, _books(), domain="exchange", **_BOOK)


# --- prices and depth -------------------------------------------------------------------------------------------------


def mid() -> str:
    return _of_book("exchange_mid_price")


def highest_mid() -> str:
    return highest(mid())


def stablecoin_deviation() -> str:
    """At the source of the price, whichever symbols are chosen."""
    return largest(series("exchange_stablecoin_deviation_ratio", venue="$venue"), ("currency", *BOOK))


def near_depth() -> str:
    """Dollars within 10 bp of mid on the thinner side, where the book that we hold goes on beyond the band."""
    depth, whole = _of_side("exchange_depth_usd", band=_NEAR), _of_side("exchange_depth_band_complete", band=_NEAR)
    return f"min by (venue, symbol) ({depth} and {whole} == 1)"


def thinnest() -> str:
    return lowest(near_depth())


def least_depth() -> str:
    """What is too little, for each symbol that has such a limit."""
    return largest(series("occ:threshold:depth_usd", **_BOOK), ("symbol",))


def depth_by_band() -> str:
    """Dollars on both sides of all chosen symbols."""
    return total(_of_side("exchange_depth_usd"), BAND)


def bands_held() -> str:
    """The share of the sides of books that go on beyond the band."""
    return f"avg by (venue, band) ({_of_side('exchange_depth_band_complete')})"


def slippage() -> str:
    return highest(largest(series("exchange_slippage_ratio", **_BOOK), (*SIDE, "size_usd")))


def too_thin() -> str:
    """Books of which a side can not take an order of the size."""
    return total(largest(series("exchange_book_too_thin", **_BOOK), (*BOOK, "size_usd")), SIZE)


def imbalance() -> str:
    values = _of_book("exchange_book_imbalance_ratio")
    return f"{values} and {highest(f'abs({values})')}"


def trades() -> str:
    return rate(series("exchange_trades_total", **_BOOK), ("venue", "side"))


def traded_usd() -> str:
    """Dollars per second."""
    return rate(series("exchange_trade_volume_usd_total", **_BOOK), ("venue", "side"))


def last_trade() -> str:
    """Seconds since the last trade, by the venue's own time of it."""
    return age(series("exchange_last_trade_timestamp_seconds", **_BOOK), BOOK)


def volume_usd_24h() -> str:
    """As the venues say."""
    return highest(_of_book("exchange_volume_usd_24h"))


# --- markets ----------------------------------------------------------------------------------------------------------


def halted() -> str:
    """1 where the venue says that the symbol can not be traded."""
    return f"1 - {_of_book('exchange_market_active')}"


def all_halted() -> str:
    return total(halted())


def ends_in() -> str:
    """Seconds until the venue ends trading in the symbol; 0 when it has."""
    at = series("exchange_market_delist_timestamp_seconds", **_BOOK)
    return f"clamp_min(min by (venue, symbol) ({at}) - time(), 0)"


def specification_changes() -> str:
    return _went_up("exchange_market_spec_changes_total", CHANGES)


def described() -> str:
    return largest(series("exchange_market_info", **_BOOK), (*BOOK, "base", "quote", "kind", "settle", "expiry"))


# --- contracts --------------------------------------------------------------------------------------------------------


def funding_rate(kind: str) -> str:
    """Of one interval: `last` was settled, `predicted` is to be."""
    return _of_book("exchange_funding_rate_ratio", kind=kind)


def funding_in() -> str:
    """Seconds until funding is settled next."""
    return f"{_of_book('exchange_funding_next_timestamp_seconds')} - time() >= 0"


def funding_interval() -> str:
    return _of_book("exchange_funding_interval_seconds")


def mark() -> str:
    return _of_book("exchange_mark_price")


def index() -> str:
    return _of_book("exchange_index_price")


def open_interest() -> str:
    return _of_book("exchange_open_interest_usd")


def most_open_interest() -> str:
    return highest(open_interest())
