"""A narrowed expression tells of its alert what the whole one tells, by a real Prometheus's word."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import aiohttp
import promql_parser as promql
import pytest
import pytest_asyncio

from receiver.charts.expression import conditions
from receiver.charts.narrowing import narrowed
from receiver.prometheus import Prometheus, Range
from tests.receiver.charts.past import remembering
from tests.receiver.charts.test_expression import shipped

ODD = 'b"in\\ance{}\n='
"""A venue; so odd that nothing may be unescaped."""
OWN = {"venue": ODD, "symbol": "BTC", "cluster": "that no series has"}
NOW = float(int(time.time()))

# What is narrowed by which labels.
EXPRESSIONS = {
    "max by (venue, symbol) (a)": 2,
    "max by (venue, symbol) (avg_over_time(a[1m]))": 2,
    "sum by (venue) (a) / on (venue) count by (venue) (max by (venue, symbol) (b))": 1,
    "1 - avg by (venue) (max by (venue, symbol) (a))": 1,
    "min by (venue, symbol) (a and min_over_time(b[1m]) > 0)": 2,
    "max by (venue, symbol) (a * on (venue) group_left () tier)": 1,
    "max by (venue) (sum by (venue, symbol) (a))": 1,
    "max by (venue) (max_over_time(a[1m:15s]))": 1,
    'max by (venue) (a{symbol!=""} offset 15s)': 1,
    "time() - max by (venue) (a)": 1,
    "quantile by (venue) (0.5, a)": 1,
    "max by (venue) (a) or vector(1)": 1,
    "topk by (venue) (1, a)": 1,
    "a": 0,
    "count(max by (venue) (a) > 0)": 0,
    "topk(1, max by (venue) (a))": 0,
    "max by (venue) (a) > on () max(b)": 0,
    "max by (venue) (a * on (symbol) group_left () sum by (symbol) (b))": 0,
    "max by (symbol) (a) unless on () max by (venue) (b) > 1": 0,
    'max by (venue) (label_replace(a, "venue", "x", "symbol", "ETH"))': 0,
    "sum without (symbol) (a)": 0,
    'count_values by (venue) ("symbol", a)': 0,
    "quantile by (venue) (scalar(max(b)) / 10, a)": 0,
    "absent(max by (venue) (a))": 0,
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def asked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Prometheus]:
    written = ODD.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    series = {
        f'{name}{{venue="{venue}",symbol="{symbol}"}}': lambda _, value=value: float(value)
        for name in ("a", "b")
        for value, (venue, symbol) in enumerate(
            [(written, "BTC"), (written, "ETH"), ("binance", "BTC"), ("kraken", "XRP")], 1 if name == "a" else 3
        )
    }
    tiers = {
        f'tier{{venue="{venue}"}}': lambda _, value=value: float(value)
        for value, venue in enumerate([written, "binance"], 2)
    }
    folder = tmp_path_factory.mktemp("narrowing")
    async with (
        remembering(folder, "", {**series, **tiers}, until=NOW, hours=0.1) as url,
        aiohttp.ClientSession() as session,
    ):
        yield Prometheus(session, url)


async def told(asked: Prometheus, query: str) -> set[tuple[tuple[tuple[str, str], ...], float]]:
    """What it says of the alert's own series."""
    found = await asked.query_range(query, Range(NOW, NOW, 15), agrees, most=100)
    return {(tuple(sorted(series.labels.items())), series.points[0][1]) for series in found.series}


def agrees(labels: object) -> bool:
    assert isinstance(labels, dict)
    return all(OWN.get(name, said) == said for name, said in labels.items())


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("query", "by"), EXPRESSIONS.items(), ids=EXPRESSIONS.keys())
async def test_what_is_told_of_the_alert_is_the_same(asked: Prometheus, query: str, by: int) -> None:
    less = narrowed(query, OWN)
    assert await told(asked, less) == await told(asked, query)
    added = less.count('b\\"in') > query.count('b\\"in'), less.count('symbol="BTC"') > query.count('symbol="BTC"')
    assert sum(added) == by


def test_an_expression_that_holds_the_mark_is_left_as_it_is() -> None:
    query = 'max by (venue) (a{symbol="occ_narrowed_by_0"})'
    assert narrowed(query, OWN) == query


def test_a_label_that_holds_the_mark_is_only_text() -> None:
    labels = {"a": "occ_narrowed_by_1", "b": '"occ_narrowed_by_0"'}
    assert narrowed("max by (a, b) (x)", labels) == (
        'max by (a, b) (x{a="occ_narrowed_by_1",b="\\"occ_narrowed_by_0\\""})'
    )


def test_an_expression_that_is_nested_too_deep_is_left_as_it_is() -> None:
    query = f"max by (venue) ({' + '.join(['a'] * 2_000)})"
    assert narrowed(query, OWN) == query


def test_most_shipped_alerts_of_entities_are_narrowed() -> None:
    labels = dict.fromkeys(("venue", "account", "symbol", "chain", "node", "pool", "feed", "base", "job"), "x")
    queries = [condition.value for _, expression in shipped() for condition in conditions(expression)]
    less = [query for query in queries if '="x"' in narrowed(query, labels)]
    assert len(less) > len(queries) / 2


@pytest.mark.parametrize(("name", "expression"), shipped(), ids=[name for name, _ in shipped()])
def test_every_shipped_expression_is_one_afterwards(name: str, expression: str) -> None:
    promql.parse(narrowed(expression, dict.fromkeys(("venue", "symbol", "chain", "node"), 'odd"\\')))
