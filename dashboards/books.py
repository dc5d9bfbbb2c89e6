"""What the board of exchanges shows of books and markets: their feeds, prices and depth."""

from __future__ import annotations

from .kit.panels import Column, Header, Panel, Query, Scale, bar_gauge, status_history, table, timeseries
from .kit.query import MOST
from .kit.rules import Rules
from .kit.theme import Colour, Limit, Unit
from .queries import books as q

_VENUE, _BOOK = "{{venue}}", "{{venue}} {{symbol}}"
_KEYS = {"venue": "Venue", "symbol": "Symbol"}
_FROZEN = {0.0: ("moves", Colour.GOOD), 1.0: ("stands still", Colour.PAGE)}
_HALTED = {0.0: ("trades", Colour.GOOD), 1.0: ("halted", Colour.PAGE)}


def _limit(threshold: str) -> Query:
    return Query(q.bound(threshold), "{{symbol}} limit")


def feeds(rules: Rules) -> list[Panel]:
    """Whether what is heard of a book is alive and true."""
    silent, frozen, crossed, gaps = (rules[name] for name in ("FeedSilent", "BookFrozen", "BookCrossed", "BookGaps"))
    return [
        timeseries(
            Header("Feed age", f"How long ago was each book heard of? The {MOST} closest to their limits.", (silent,)),
            Scale(Unit.SECONDS),
            Query(q.nearest("feed_age_seconds"), _BOOK),
            bounds=[_limit("feed_age_seconds")],
            width=8,
        ),
        status_history(
            Header("Frozen books", f"Which books stand still while the market moves? Of many {MOST}.", (frozen,)),
            Scale(Unit.COUNT, states=_FROZEN),
            Query(q.most_standing_still(), _BOOK),
            width=8,
        ),
        timeseries(
            Header("Frozen feeds", "What share of each venue's books stands still?", (rules["FeedFrozen"],)),
            Scale(Unit.RATIO, (rules["FeedFrozen"].limit("exchange_book_frozen"),)),
            Query(q.share_standing_still(), _VENUE),
            width=8,
        ),
        timeseries(
            Header(
                "Crossed books", f"For what share of {q.CROSSED} was the best bid not below the best ask?", (crossed,)
            ),
            Scale(Unit.RATIO, (crossed.limit("exchange_book_crossed_seconds_total"),)),
            Query(q.crossed(), _BOOK),
            width=8,
        ),
        timeseries(
            Header(
                "Gaps and resyncs", f"How often in {q.GAPS} did updates not fit, and was a book taken anew?", (gaps,)
            ),
            Scale(Unit.COUNT, (gaps.limit("exchange_book_sequence_gaps_total"),)),
            Query(q.gaps(), f"{_BOOK} gaps"),
            Query(q.resyncs(), f"{_BOOK} resyncs"),
            width=8,
        ),
        timeseries(
            Header("Message gap", "How long does a stream say nothing between two updates (99 %)?", (silent,)),
            Scale(Unit.SECONDS),
            Query(q.message_gap(0.99), _VENUE),
            width=8,
        ),
    ]


def prices(rules: Rules) -> list[Panel]:
    """What prices are, and whether they can be."""
    apart, depeg, crash = rules["CrossVenueDeviation"], rules["StablecoinDepeg"], rules["FlashCrash"]
    return [
        timeseries(
            Header(
                "Mid price", f"What is each book's mid price? Of many the {MOST} highest: choose a symbol.", (crash,)
            ),
            Scale(Unit.PRICE),
            Query(q.highest_mid(), _BOOK),
            width=8,
        ),
        timeseries(
            Header("Range in a minute", f"How far did mid go? The {MOST} closest to their limits.", (crash,)),
            Scale(Unit.RATIO),
            Query(q.nearest("move_ratio"), _BOOK),
            bounds=[_limit("move_ratio")],
            width=8,
        ),
        timeseries(
            Header(
                "Between venues",
                f"How far is each mid from the median of the venues? The {MOST} closest to their limits.",
                (apart,),
            ),
            Scale(Unit.RATIO, nothing="fewer than three venues", signed=True),
            Query(q.nearest("deviation_ratio"), _BOOK),
            bounds=[_limit("deviation_ratio"), Query(q.lower_bound("deviation_ratio"), "{{symbol}} limit")],
            width=8,
        ),
        timeseries(
            Header("Stablecoins", "How far is each dollar-like asset from a dollar?", (depeg,)),
            Scale(
                Unit.RATIO,
                (depeg.limit("exchange_stablecoin_deviation_ratio"),),
                nothing="none configured",
                signed=True,
            ),
            Query(q.stablecoin_deviation(), "{{currency}} at {{venue}}"),
            width=6,
        ),
    ]


def turnover(rules: Rules) -> list[Panel]:
    """How much is traded."""
    halted = rules["MarketHalted"]
    return [
        timeseries(
            Header("Trades", "How often is traded on each venue, by the taker's side?", (halted,)),
            Scale(Unit.PER_SECOND),
            Query(q.trades(), f"{_VENUE} {{{{side}}}}"),
            width=6,
        ),
        timeseries(
            Header("Value traded", "For how many dollars a second is traded on each venue?", (halted,)),
            Scale(Unit.DOLLARS),
            Query(q.traded_usd(), f"{_VENUE} {{{{side}}}}"),
            width=6,
        ),
        bar_gauge(
            Header("Traded in a day", f"What is most traded in 24 hours, as venues say? Of many {MOST}.", (halted,)),
            Scale(Unit.DOLLARS, nothing="no ticker"),
            Query(q.volume_usd_24h(), _BOOK),
            width=6,
        ),
    ]


def depth(rules: Rules) -> list[Panel]:
    """What trading costs, and how much can be."""
    wide, thin = rules["SpreadWide"], rules["DepthThin"]
    return [
        timeseries(
            Header("Spread", f"What share of mid is the spread? The {MOST} closest to their limits.", (wide,)),
            Scale(Unit.RATIO, signed=True),
            Query(q.nearest("spread_ratio"), _BOOK),
            bounds=[_limit("spread_ratio")],
            width=8,
        ),
        timeseries(
            Header("Thinner side", f"What lies within 10 bp of mid on the thinner side? The {MOST} thinnest.", (thin,)),
            Scale(Unit.DOLLARS),
            Query(q.thinnest(), _BOOK),
            bounds=[Query(q.least_depth(), "{{symbol}} limit")],
            width=8,
        ),
        timeseries(
            Header("Imbalance", f"Is more bid (up to 1) or asked (down to -1)? The {MOST} furthest from 0.", (thin,)),
            Scale(Unit.SHORT, signed=True),
            Query(q.imbalance(), _BOOK),
            width=8,
        ),
        timeseries(
            Header("Depth by band", "What is bid and asked within each band from mid, of all chosen symbols?", (thin,)),
            Scale(Unit.DOLLARS),
            Query(q.depth_by_band(), f"{_VENUE} {{{{band}}}}"),
            width=6,
        ),
        timeseries(
            Header("Bands held", "In what share of the books do we hold the whole band? Else depth is more.", (thin,)),
            Scale(Unit.RATIO),
            Query(q.bands_held(), f"{_VENUE} {{{{band}}}}"),
            width=6,
        ),
        timeseries(
            Header("Slippage", f"How much worse than mid does an order trade? The {MOST} worst.", (thin, wide)),
            Scale(Unit.RATIO),
            Query(q.slippage(), f"{_BOOK} {{{{side}}}} {{{{size_usd}}}}"),
            width=6,
        ),
        timeseries(
            Header("Too thin", "How many books can not take an order of a size in dollars?", (thin,)),
            Scale(Unit.COUNT),
            Query(q.too_thin(), f"{_VENUE} {{{{size_usd}}}}"),
            width=6,
        ),
    ]


def every_book(rules: Rules) -> list[Panel]:
    """A row for each book, what fires the most first. Limits of each symbol's own are in `Fires`."""
    silent, frozen = rules["FeedSilent"], rules["BookFrozen"]
    return [
        table(
            Header("Books", "How is each book?", (silent, frozen)),
            _KEYS,
            [
                Column("Fires", q.firing(), Scale(Unit.COUNT, (Limit(">", 0, "ticket"),))),
                Column(
                    "Heard of",
                    q.book_age(),
                    Scale(
                        Unit.SECONDS,
                        (silent.limit("exchange_book_received_timestamp_seconds"),),
                        nothing="never",
                    ),
                ),
                Column("Stands still", q.stands_still(), Scale(Unit.COUNT, states=_FROZEN)),
                Column("Changed", q.unchanged(), Scale(Unit.SECONDS)),
                Column("Last trade", q.last_trade(), Scale(Unit.SECONDS, nothing="none")),
                Column("Mid", q.mid(), Scale(Unit.PRICE)),
                Column("Spread", q.spread(), Scale(Unit.RATIO)),
                Column("Thinner side, 10 bp", q.near_depth(), Scale(Unit.DOLLARS, nothing="band not held")),
                Column("Between venues", q.deviation(), Scale(Unit.RATIO, nothing="not compared")),
            ],
            links={"symbol": "/d/occ-exchange?var-venue=${__data.fields.Venue}&var-symbol=${__value.raw}"},
        )
    ]


def markets(rules: Rules) -> list[Panel]:
    """What the venues say of the symbols."""
    halted, ending, changed = rules["MarketHalted"], rules["MarketDelisting"], rules["MarketSpecChanged"]
    return [
        table(
            Header("Markets", "What can be traded, until when, and by a new specification?", (halted, ending, changed)),
            _KEYS,
            [
                Column("Says", q.halted(), Scale(Unit.COUNT, states=_HALTED, nothing="does not say")),
                Column(
                    "Ends in",
                    q.ends_in(),
                    Scale(
                        Unit.SECONDS,
                        (ending.limit("exchange_market_delist_timestamp_seconds"),),
                        nothing="no end announced",
                    ),
                ),
                Column(
                    f"Changes in {q.CHANGES}",
                    q.specification_changes(),
                    Scale(Unit.COUNT, (changed.limit("exchange_market_spec_changes_total"),)),
                ),
                Column("", q.described(), Scale(Unit.COUNT)),
            ],
            facts={"base": "Base", "quote": "Quote", "kind": "Kind", "settle": "Settles in", "expiry": "Expires"},
        )
    ]
