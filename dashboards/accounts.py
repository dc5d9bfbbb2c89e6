"""Is our money safe? Margin and positions, orders, keys and transfers of every account; and is the desk's engine right?"""

from __future__ import annotations

from .kit.emit import Board, Variable
from .kit.layout import Row
from .kit.panels import Column, Header, Panel, Query, Scale, bar_gauge, stat, state_timeline, table, timeseries
from .kit.query import MOST
from .kit.rules import Rules
from .kit.theme import Colour, Limit, Unit
from .queries import accounts as q
from .queries import engine

UID = "occ-accounts"

_ACCOUNT, _POSITION = "{{venue}} {{account}}", "{{venue}} {{account}} {{symbol}}"
_KEYS = {"venue": "Venue", "account": "Account"}
_KNOWN = 'occ_target_configured{exporter="exchange",account!=""'
_READ = {0.0: ("not read", Colour.PAGE), 1.0: ("read", Colour.GOOD)}
_LAST_READ = {0.0: ("failed", Colour.TICKET), 1.0: ("read", Colour.GOOD)}
_MAY = {0.0: ("no", Colour.GOOD), 1.0: ("yes", Colour.PAGE)}
_MAY_TRADE = {0.0: ("no", Colour.NEUTRAL), 1.0: ("yes", Colour.NEUTRAL)}
_RESTRICTED = {0.0: ("no", Colour.TICKET), 1.0: ("yes", Colour.GOOD)}
_QUOTING = {0.0: ("halted", Colour.TICKET), 1.0: ("quoting", Colour.GOOD)}
_SWITCH = {0.0: ("off", Colour.GOOD), 1.0: ("on", Colour.TICKET)}
_FROZEN = {0.0: ("quotes", Colour.GOOD), 1.0: ("frozen", Colour.TICKET)}
_FLAT, _UNTOLD = "nothing is held", "no venue says"


def board(rules: Rules) -> Board:
    """The board, its limits from these rules."""
    return Board(
        uid=UID,
        title="OCC / Accounts",
        description="Whether money is safe: accounts, their keys and transfers, and the desk's engine.",
        variables=[
            Variable("venue", "Venue", f"{_KNOWN}}}"),
            Variable("account", "Account", f'{_KNOWN},venue=~"$venue"}}'),
        ],
        rows=[
            Row("Verdict", 4, _verdict(rules)),
            Row("Every account", 7, _every(rules)),
            Row("Margin", 7, _margin(rules)),
            Row("Positions", 7, [*_positions(rules), _every_position(rules)]),
            Row("Orders", 6, _orders(rules)),
            Row("Keys and transfers", 7, [*_keys(rules), *_transfers(rules)]),
            Row("The desk's engine", 7, [*_engine(rules), *_reconciled(rules)]),
        ],
    )


def _verdict(rules: Rules) -> list[Panel]:
    blind, high, near = rules["AccountBlind"], rules["MarginUsageHigh"], rules["PositionNearLiquidation"]
    withdraws, left, forced = rules["KeyMayWithdraw"], rules["WithdrawalUnlisted"], rules["ForcedReduction"]
    silent, differs = rules["EngineSilent"], rules["EnginePositionDisagrees"]
    return [
        stat(
            Header("Accounts not seen", "Of how many accounts could something that matters not be read?", (blind,)),
            Scale(Unit.COUNT, (Limit(">", 0, blind.severity),)),
            Query(q.blind(), "not seen"),
            Query(q.accounts(), "of"),
            names=True,
            plain=("of",),
            width=3,
        ),
        stat(
            Header("Margin used", "How near to liquidation, which is 100 %, is the account that is nearest?", (high,)),
            Scale(Unit.RATIO, (high.limit("account:margin_usage_ratio:last"),)),
            Query(q.most_margin_used(), "used"),
            width=3,
        ),
        stat(
            Header("To liquidation", "How far may the price go before the first position is taken?", (near,)),
            Scale(Unit.RATIO, (near.limit("position:liquidation_distance_ratio:last"),), nothing=_FLAT),
            Query(q.nearest_of_all(), "away"),
            width=3,
        ),
        stat(
            Header("Taken by force", f"How often did venues reduce positions in {q.REDUCED}?", (forced,)),
            Scale(Unit.SHORT, (Limit(">", 0, forced.severity),), decimals=0),
            Query(q.all_reductions(), "times"),
            width=3,
        ),
        stat(
            Header("May withdraw", "How many keys may take money out?", (withdraws,)),
            Scale(Unit.COUNT, (Limit(">", 0, withdraws.severity),)),
            Query(q.that_may_withdraw(), "keys"),
            width=3,
        ),
        stat(
            Header("Unknown withdrawals", f"How many left for an address not listed in {q.WITHDRAWN}?", (left,)),
            Scale(Unit.SHORT, (Limit(">", 0, left.severity),), decimals=0),
            Query(q.all_unlisted_withdrawals(), "withdrawals"),
            width=3,
        ),
        stat(
            Header("Engine", "How long ago did the engine's main loop turn?", (silent,)),
            Scale(Unit.SECONDS, (silent.window("engine_heartbeat_timestamp_seconds"),), decimals=0),
            Query(engine.longest_silence(), "ago"),
            width=3,
        ),
        stat(
            Header("Engine and venues", "How far apart are engine and venues, where 100 % is too much?", (differs,)),
            Scale(Unit.RATIO, (Limit(">", 1, differs.severity),), decimals=0),
            Query(engine.largest_difference(), "apart"),
            width=3,
        ),
    ]


def _every(rules: Rules) -> list[Panel]:
    high, near, runaway = rules["MarginUsageHigh"], rules["PositionNearLiquidation"], rules["OrdersRunaway"]
    return [
        table(
            Header("Accounts", "How is each account?", (rules["AccountBlind"], high, runaway)),
            _KEYS,
            [
                Column("Fires", q.firing(), Scale(Unit.COUNT, (Limit(">", 0, "ticket"),))),
                Column("Seen", q.seen(), Scale(Unit.COUNT, states=_READ)),
                Column(
                    "Margin used",
                    q.margin_used(),
                    Scale(Unit.RATIO, (high.limit("account:margin_usage_ratio:last"),)),
                ),
                Column("Initial margin used", q.initial_margin_used(), Scale(Unit.RATIO, nothing=_UNTOLD)),
                Column("Equity", q.equity(), Scale(Unit.DOLLARS)),
                Column(
                    "To liquidation",
                    q.nearest_of_account(),
                    Scale(Unit.RATIO, (near.limit("position:liquidation_distance_ratio:last"),), nothing=_FLAT),
                ),
                Column("Open orders", q.open_orders_of_account(), Scale(Unit.COUNT)),
                Column("Transfers under way", q.pending_of_account(), Scale(Unit.COUNT)),
            ],
            links={"account": f"/d/{UID}?var-venue=${{__data.fields.Venue}}&var-account=${{__value.raw}}"},
            width=16,
        ),
        state_timeline(
            Header("Reads", "Which reads of which account succeeded, the last time?", (rules["AccountBlind"],)),
            Scale(Unit.COUNT, states=_LAST_READ),
            Query(q.reads(), f"{_ACCOUNT} {{{{check}}}}"),
            width=8,
        ),
    ]


def _margin(rules: Rules) -> list[Panel]:
    high, rising, worth = rules["MarginUsageHigh"], rules["MarginUsageRising"], rules["AccountNotValued"]
    return [
        timeseries(
            Header("Margin usage", "How near to liquidation, which is 100 %, is each account?", (high, rising)),
            Scale(Unit.RATIO),
            Query(q.margin_used(), _ACCOUNT),
            bounds=[Query(q.margin_limit(), "{{venue}} limit")],
            width=8,
        ),
        timeseries(
            Header("Initial margin", "How near is each account to where nothing more can be opened?", (rising,)),
            Scale(Unit.RATIO, nothing=_UNTOLD),
            Query(q.initial_margin_used(), _ACCOUNT),
            width=4,
        ),
        timeseries(
            Header("Equity", "What is each account worth?", (worth,)),
            Scale(Unit.DOLLARS, signed=True),
            Query(q.equity(), _ACCOUNT),
            width=6,
        ),
        timeseries(
            Header("Balances", f"How much of each asset is in each account? The {MOST} highest.", (worth,)),
            Scale(Unit.SHORT),
            Query(q.balances(), f"{_ACCOUNT} {{{{currency}}}}"),
            width=6,
        ),
    ]


def _positions(rules: Rules) -> list[Panel]:
    near, adl, forced = rules["PositionNearLiquidation"], rules["AdlNear"], rules["ForcedReduction"]
    unlisted = rules["PositionUnlisted"]
    return [
        timeseries(
            Header("Distance to liquidation", f"How far may each price go? The {MOST} nearest.", (near,)),
            Scale(Unit.RATIO, nothing=_FLAT),
            Query(q.nearest(), _POSITION),
            bounds=[Query(q.distance_limit(), "{{symbol}} limit")],
            width=8,
        ),
        timeseries(
            Header("Value held", "For how many dollars is held in each symbol?", (near,)),
            Scale(Unit.DOLLARS, nothing=_FLAT),
            Query(q.notional(), _POSITION),
            width=8,
        ),
        timeseries(
            Header("Open profit", "What would each position bring or cost, closed now?", (rules["MarginUsageRising"],)),
            Scale(Unit.DOLLARS, nothing=_FLAT, signed=True),
            Query(q.profit(), _POSITION),
            width=8,
        ),
        timeseries(
            Header("Deleveraging", "Who is in line when a venue deleverages? 5 is next.", (adl,)),
            Scale(Unit.COUNT, (adl.limit("position:adl_rank:last"),), nothing=_UNTOLD),
            Query(q.queue(), _POSITION),
            width=8,
        ),
        timeseries(
            Header("Forced reductions", f"How often did a venue reduce positions itself in {q.REDUCED}?", (forced,)),
            Scale(Unit.SHORT, (forced.limit("exchange_forced_reductions_total"),)),
            Query(q.reductions(), f"{_ACCOUNT} {{{{kind}}}}"),
            width=8,
        ),
        timeseries(
            Header("Unlisted positions", "For how many dollars is held in symbols nobody configured?", (unlisted,)),
            Scale(Unit.DOLLARS, (unlisted.limit("account:unlisted_notional_usd:last"),), nothing=_FLAT),
            Query(q.unlisted_notional(), _ACCOUNT),
            width=8,
        ),
    ]


def _every_position(rules: Rules) -> Panel:
    near, adl = rules["PositionNearLiquidation"], rules["AdlNear"]
    return table(
        Header("Every position", "How is each position?", (near, adl)),
        {**_KEYS, "symbol": "Symbol"},
        [
            Column("Value", q.notional(), Scale(Unit.DOLLARS, nothing="no price")),
            Column("Held", q.position(), Scale(Unit.SHORT)),
            Column("Open profit", q.profit(), Scale(Unit.DOLLARS, nothing="no price")),
            Column("Liquidation price", q.liquidation_price(), Scale(Unit.PRICE, nothing=_UNTOLD)),
            Column("To liquidation", q.distance(), Scale(Unit.RATIO, nothing=_UNTOLD)),
            Column("In line", q.queue(), Scale(Unit.COUNT, (adl.limit("position:adl_rank:last"),), nothing=_UNTOLD)),
        ],
        links={"symbol": "/d/occ-exchange?var-venue=${__data.fields.Venue}&var-symbol=${__value.raw}"},
    )


def _orders(rules: Rules) -> list[Panel]:
    halted, unlisted, runaway = rules["OrdersWhileHalted"], rules["OrdersUnlisted"], rules["OrdersRunaway"]
    old, mmp = rules["OrderOld"], rules["MmpFrozen"]
    return [
        timeseries(
            Header("Open orders", "How many orders of ours rest on each venue?", (halted, runaway)),
            Scale(Unit.COUNT),
            Query(q.open_orders(), f"{_ACCOUNT} {{{{side}}}}"),
            bounds=[Query(q.open_orders_limit(), "{{venue}} limit")],
            width=7,
        ),
        timeseries(
            Header("Unlisted orders", "How many orders of ours are of symbols that nobody configured?", (unlisted,)),
            Scale(Unit.COUNT, (unlisted.limit("exchange_open_orders_unlisted"),)),
            Query(q.unlisted_orders(), _ACCOUNT),
            width=6,
        ),
        timeseries(
            Header("Oldest order", "For how long has the oldest order of ours rested?", (old,)),
            Scale(
                Unit.SECONDS,
                (old.limit("exchange_open_order_oldest_timestamp_seconds"),),
                nothing="no order",
            ),
            Query(q.oldest_order(), _ACCOUNT),
            width=6,
        ),
        state_timeline(
            Header("Market-maker protection", "Where are our option quotes held back?", (mmp,)),
            Scale(Unit.COUNT, states=_FROZEN, nothing="none is set up"),
            Query(q.frozen(), f"{_ACCOUNT} {{{{underlying}}}}"),
            width=5,
        ),
    ]


def _keys(rules: Rules) -> list[Panel]:
    withdraws, trades = rules["KeyMayWithdraw"], rules["KeyMayTrade"]
    open_to_all, ends = rules["KeyNotRestricted"], rules["KeyExpiring"]
    return [
        table(
            Header("Keys", "What may each key do? Ours has no name.", (withdraws, trades, open_to_all, ends)),
            {**_KEYS, "tag": "Key"},
            [
                Column("May withdraw", q.may_withdraw(), Scale(Unit.COUNT, states=_MAY)),
                Column("May trade", q.may_trade(), Scale(Unit.COUNT, states=_MAY_TRADE)),
                Column("From listed addresses", q.restricted(), Scale(Unit.COUNT, states=_RESTRICTED, nothing=_UNTOLD)),
                Column(
                    "Expires in",
                    q.expires_in(),
                    Scale(Unit.SECONDS, (ends.limit("key:expiry_timestamp_seconds:last"),), nothing="never"),
                ),
            ],
            width=10,
        )
    ]


def _transfers(rules: Rules) -> list[Panel]:
    stuck, left = rules["TransferStuck"], rules["WithdrawalUnlisted"]
    return [
        timeseries(
            Header("Unlisted withdrawals", f"How many left for an address not listed, in {q.WITHDRAWN}?", (left,)),
            Scale(Unit.SHORT, (Limit(">", 0, left.severity),)),
            Query(q.unlisted_withdrawals(), f"{_ACCOUNT} {{{{currency}}}}"),
            width=5,
        ),
        timeseries(
            Header("Oldest transfer", "For how long has the oldest transfer been under way?", (stuck,)),
            Scale(Unit.SECONDS, nothing="none is under way"),
            Query(q.oldest_transfer(), _ACCOUNT),
            bounds=[Query(q.transfer_limit(), "{{venue}} limit")],
            width=5,
        ),
        bar_gauge(
            Header("Under way", "How many deposits and withdrawals are under way?", (stuck,)),
            Scale(Unit.COUNT),
            Query(q.pending(), f"{_ACCOUNT} {{{{currency}}}} {{{{kind}}}}"),
            width=4,
        ),
    ]


def _engine(rules: Rules) -> list[Panel]:
    silent, switch, halted = rules["EngineSilent"], rules["EngineKillSwitch"], rules["OrdersWhileHalted"]
    failing, runaway = rules["EngineOrdersFailing"], rules["EngineRunaway"]
    return [
        timeseries(
            Header("Heartbeat", "How long ago did the engine's main loop turn?", (silent,)),
            Scale(Unit.SECONDS, (silent.window("engine_heartbeat_timestamp_seconds"),)),
            Query(engine.heartbeat(), "{{job}} {{instance}}"),
            width=5,
        ),
        state_timeline(
            Header("Quoting", "Where does the desk's engine say that it quotes?", (halted,)),
            Scale(Unit.COUNT, states=_QUOTING),
            Query(engine.quoting(), "{{venue}}"),
            width=5,
        ),
        state_timeline(
            Header("Kill switch", "Is the engine's kill switch on?", (switch,)),
            Scale(Unit.COUNT, states=_SWITCH),
            Query(engine.kill_switch(), "{{job}}"),
            width=3,
        ),
        timeseries(
            Header(
                "Orders sent", "How many orders does the engine send, and what becomes of them?", (failing, runaway)
            ),
            Scale(Unit.PER_SECOND),
            Query(engine.orders(), "{{venue}} {{outcome}}"),
            bounds=[Query(engine.orders_limit(), "{{venue}} limit")],
            width=6,
        ),
        timeseries(
            Header("Acknowledged in", "How long do 95 % of the orders take until the venue has them?", (failing,)),
            Scale(Unit.SECONDS),
            Query(engine.acknowledged(0.95), "{{venue}}"),
            width=5,
        ),
    ]


def _reconciled(rules: Rules) -> list[Panel]:
    differs, unchecked = rules["EnginePositionDisagrees"], rules["EnginePositionUnchecked"]
    return [
        timeseries(
            Header("Position", "What does the engine believe to hold, and what do the accounts hold?", (differs,)),
            Scale(Unit.SHORT, signed=True),
            Query(engine.believed(), "{{base}} engine"),
            Query(engine.held(), "{{base}} accounts"),
            width=12,
        ),
        timeseries(
            Header("Difference", "How far apart are engine and accounts in each base?", (differs, unchecked)),
            Scale(Unit.SHORT),
            Query(engine.difference(), "{{base}}"),
            bounds=[Query(engine.difference_limit(), "{{base}} limit")],
            width=12,
        ),
    ]
