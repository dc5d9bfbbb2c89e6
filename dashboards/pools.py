"""What do pools on chain hold and give, and can their oracles be trusted? Verdict, prices, liquidity, oracles, positions, events."""

from __future__ import annotations

from .kit.emit import Board, Variable
from .kit.layout import Row
from .kit.panels import Column, Header, Panel, Query, Scale, stat, state_timeline, table, timeseries
from .kit.rules import Alert, Rules
from .kit.theme import Colour, Limit, Unit
from .queries import alerts as fires
from .queries import pools as q

UID = "occ-pools"

_POOL = "{{chain}} {{pool}}"
_FEED = "{{chain}} {{feed}}"
_POSITION = "{{chain}} {{position}}"
_STALE = {0.0: ("fresh", Colour.GOOD), 1.0: ("stale", Colour.PAGE)}
_BOUND = {0.0: ("free", Colour.GOOD), 1.0: ("at its bound", Colour.PAGE)}
_SEQUENCER = {0.0: ("down", Colour.PAGE), 1.0: ("up", Colour.GOOD)}
_RANGE = {0.0: ("out of range", Colour.TICKET), 1.0: ("in range", Colour.GOOD)}
_KNOWN = "occ_target_configured"


def board(rules: Rules) -> Board:
    """The board, its limits from these rules."""
    return Board(
        uid=UID,
        title="OCC / Pools",
        description="Liquidity on chain: pools, the oracles beside them, and positions of ours.",
        variables=[
            Variable("chain", "Chain", f'{_KNOWN}{{exporter="pools"}}'),
            Variable("pool", "Pool", f'{_KNOWN}{{exporter="pools",chain=~"$chain"}}'),
        ],
        rows=[
            Row("Verdict", 4, _verdict(rules)),
            Row("Prices", 7, _prices(rules)),
            Row("Liquidity", 7, _liquidity(rules)),
            Row("Oracles", 7, _oracles(rules)),
            Row("Positions", 7, _positions(rules)),
            Row("Events", 7, _events(rules)),
            Row("Every pool", 9, _pools(rules)),
        ],
    )


def _verdict(rules: Rules) -> list[Panel]:
    depegged, stale, bound = rules["PoolDepegged"], rules["OracleStale"], rules["OracleAtBound"]
    left = rules["PositionOutOfRange"]
    return [
        stat(
            Header("Not read", "How many pools, feeds and positions did not answer the last time?", (depegged, stale)),
            Scale(Unit.COUNT, (Limit(">", 0, "ticket"),)),
            Query(q.unread(), "not read"),
        ),
        stat(
            Header("Farthest from reference", "How far is the pool that is farthest from its reference?", (depegged,)),
            Scale(Unit.RATIO, (depegged.limit("pool_reference_deviation_ratio"),)),
            Query(q.farthest_from_reference(), "away"),
        ),
        stat(
            Header("Stale oracles", "How many feeds are older than they may be?", (stale,)),
            Scale(Unit.COUNT, (Limit(">", 0, stale.severity),)),
            Query(q.stale_feeds(), "stale"),
        ),
        stat(
            Header("Oracles at a bound", "How many feeds stand at the least or the most they answer?", (bound,)),
            Scale(Unit.COUNT, (Limit(">", 0, bound.severity),), nothing="no feed tells bounds"),
            Query(q.feeds_at_a_bound(), "at a bound"),
        ),
        stat(
            Header("Out of range", "How many of our positions earn nothing?", (left,)),
            Scale(Unit.COUNT, (Limit(">", 0, left.severity),), nothing="no position"),
            Query(q.out_of_range(), "out of range"),
        ),
        stat(
            Header("Firing", "How many pages and tickets of pools fire?", (depegged, left)),
            Scale(Unit.COUNT, (Limit(">", 0, "ticket"),)),
            Query(fires.firing("page", domain="pools"), "pages"),
            Query(fires.firing("ticket", domain="pools"), "tickets"),
            names=True,
        ),
    ]


def _prices(rules: Rules) -> list[Panel]:
    depegged, jumped = rules["PoolDepegged"], rules["PoolManipulated"]
    return [
        timeseries(
            Header("Price", "What does each pool trade at, in quote per base?", (depegged,)),
            Scale(Unit.SHORT),
            Query(q.price(), f"{_POOL} {{{{base}}}}/{{{{quote}}}}"),
            width=8,
        ),
        timeseries(
            Header("Away from reference", "How far is each pool's price from its reference?", (depegged, jumped)),
            Scale(Unit.RATIO, _away(depegged, jumped), nothing="no pool has a fresh reference"),
            Query(q.reference_deviation(), f"{_POOL} {{{{source}}}}"),
            width=8,
        ),
        timeseries(
            Header("Away from mean", "How far is each pool's price from its own mean of half an hour?", (jumped,)),
            Scale(Unit.RATIO, (jumped.limit("pool_twap_deviation_ratio"),), nothing="no pool remembers so long"),
            Query(q.twap_deviation(), _POOL),
            width=8,
        ),
    ]


def _away(depegged: Alert, jumped: Alert) -> tuple[Limit, ...]:
    return tuple(alert.limit("pool_reference_deviation_ratio") for alert in (depegged, jumped))


def _liquidity(rules: Rules) -> list[Panel]:
    drained = rules["PoolDrained"]
    return [
        timeseries(
            Header("Value", "What does each pool hold, in dollars?", (drained,)),
            Scale(Unit.USD),
            Query(q.value(), _POOL),
        ),
        timeseries(
            Header("Reserves", "What is left of the most that each pool held within 30 minutes?", (drained,)),
            Scale(Unit.RATIO),
            Query(q.reserves(), f"{_POOL} {{{{token}}}}"),
        ),
        timeseries(
            Header("Impact", f"What does a trade of {q.SIZE} dollars cost, fee included?", (drained,)),
            Scale(Unit.RATIO),
            Query(q.impact(), f"{_POOL} {{{{side}}}}"),
        ),
        timeseries(
            Header("Depth", "How many dollars trade until the price has moved by 1 %?", (drained,)),
            Scale(Unit.USD),
            Query(q.depth(), f"{_POOL} {{{{side}}}}"),
        ),
    ]


def _oracles(rules: Rules) -> list[Panel]:
    stale, bound, deviating = rules["OracleStale"], rules["OracleAtBound"], rules["OracleDeviating"]
    dollar, sequencer = rules["StablecoinDepegged"], rules["SequencerDown"]
    return [
        timeseries(
            Header("Stablecoins", "How far is each stablecoin from a dollar, by its feed?", (dollar,)),
            Scale(Unit.RATIO, (dollar.limit("oracle_price"),)),
            Query(q.from_a_dollar(), "{{base}} {{chain}} {{feed}}"),
        ),
        timeseries(
            Header("Age", "How old is each answer, over the heartbeat?", (stale,)),
            Scale(Unit.RATIO),
            Query(q.answer_age(), _FEED),
        ),
        timeseries(
            Header("Feeds away from reference", "How far is each answer from its reference?", (deviating,)),
            Scale(Unit.RATIO, (deviating.limit("oracle_deviation_ratio"),), nothing="no feed has a fresh reference"),
            Query(q.feed_deviation(), f"{_FEED} {{{{source}}}}"),
        ),
        state_timeline(
            Header("Stale", "Which feeds are older than they may be?", (stale,)),
            Scale(Unit.COUNT, states=_STALE),
            Query(q.stale(), _FEED),
        ),
        state_timeline(
            Header("Bounds", "Which feeds stand at the least or the most that they answer?", (bound,)),
            Scale(Unit.COUNT, states=_BOUND, nothing="no feed tells bounds"),
            Query(q.at_bound(), _FEED),
            width=12,
        ),
        state_timeline(
            Header("Sequencers", "Which rollups have their sequencer up?", (sequencer,)),
            Scale(Unit.COUNT, states=_SEQUENCER, nothing="no sequencer"),
            Query(q.sequencer_up(), "{{chain}}"),
            width=12,
        ),
    ]


def _positions(rules: Rules) -> list[Panel]:
    left = rules["PositionOutOfRange"]
    return [
        state_timeline(
            Header("Ranges", "Which positions earn fees?", (left,)),
            Scale(Unit.COUNT, states=_RANGE, nothing="no position"),
            Query(q.in_range(), _POSITION),
        ),
        timeseries(
            Header("To the edges", "How far is the price from the edges of each range?", (left,)),
            Scale(Unit.RATIO, nothing="no position"),
            Query(q.edge_distance(), f"{_POSITION} {{{{side}}}}"),
        ),
        timeseries(
            Header("Worth", "What is each position worth, and what has it earned?", (left,)),
            Scale(Unit.USD, nothing="no position with a price"),
            Query(q.position_value(), _POSITION),
            Query(q.position_fees(), f"{_POSITION} fees"),
        ),
        timeseries(
            Header("Impermanent loss", "What is lost against keeping what was put in?", (left,)),
            Scale(Unit.RATIO, nothing="no position says what was put in"),
            Query(q.impermanent_loss(), _POSITION),
        ),
    ]


def _events(rules: Rules) -> list[Panel]:
    behind, deep = rules["PoolEventsBehind"], rules["PoolDeepReorg"]
    return [
        timeseries(
            Header("Swaps", "How often is each pool traded with?", (behind,)),
            Scale(Unit.PER_SECOND),
            Query(q.swaps(), _POOL),
            width=8,
        ),
        timeseries(
            Header("Volume", "How many dollars are traded per second?", (behind,)),
            Scale(Unit.USD),
            Query(q.volume(), _POOL),
            width=8,
        ),
        timeseries(
            Header("Liquidity events", f"How often did liquidity come and go in {q.LATELY}?", (rules["PoolDrained"],)),
            Scale(Unit.COUNT),
            Query(q.liquidity_events(), f"{_POOL} {{{{event}}}}"),
            width=8,
        ),
        timeseries(
            Header("Unconfirmed swaps", "How many swaps are not deep enough to count yet?", (deep,)),
            Scale(Unit.COUNT),
            Query(q.unconfirmed(), _POOL),
            width=8,
        ),
        timeseries(
            Header("Counted up to", "How many blocks below the head are events counted?", (behind,)),
            Scale(Unit.BLOCKS),
            Query(q.behind(), "{{chain}}"),
            width=8,
        ),
        timeseries(
            Header("Deep reorganisations", f"How often did counted blocks go away in {q.LATELY}?", (deep,)),
            Scale(Unit.COUNT, (deep.limit("pool_deep_reorgs_total"),)),
            Query(q.deep_reorgs(), "{{chain}}"),
            width=8,
        ),
    ]


def _pools(rules: Rules) -> list[Panel]:
    depegged = rules["PoolDepegged"]
    return [
        table(
            Header("Pools", "How is each pool, and what is it?", (depegged, rules["PoolDrained"])),
            {"chain": "Chain", "pool": "Pool"},
            [
                Column("Value", q.value(), Scale(Unit.USD, nothing="no price")),
                Column("Away from mean", q.twap_deviation(), Scale(Unit.RATIO, nothing="not remembered")),
                Column("Last swap", q.since_swap(), Scale(Unit.SECONDS, nothing="none seen")),
                Column("Block", q.block(), Scale(Unit.COUNT)),
                Column("", q.facts(), Scale(Unit.COUNT)),
            ],
            facts={"dex": "Dex", "kind": "Kind", "base": "Base", "quote": "Quote", "fee": "Fee"},
            links={"pool": f"/d/{UID}?var-chain=${{__data.fields.Chain}}&var-pool=${{__value.raw}}"},
        )
    ]
