"""What a real Prometheus is asked, and what no answer of a broken one is taken for."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.processes import free_ports
from demo.until import until
from occ.errors import Reason, SourceError
from receiver import prometheus as asking
from receiver.fill import quoted
from receiver.prometheus import Matrix, Prometheus, Range, Rule, Sample, Series, matcher
from tests.receiver.servers import WITHIN, Exposed, prometheus
from tests.receiver.wire import listening, silent

ODD = 'a"b\\c\n{}=~.*äöü'
RULES = """
groups:
  - name: alerts
    rules:
      - {alert: EngineHalted, expr: 'engine_quoting == 0', labels: {severity: page}}
"""


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


async def test_a_real_prometheus_answers_with_samples(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    async with prometheus(tmp_path) as url:
        asked = Prometheus(session, url)
        (one,) = await asked.query("vector(3.5)")
        assert (one.labels, one.value) == ({}, 3.5)
        assert [sample.value for sample in await asked.query("vector(1) / 0 or vector(2)")] == [math.inf]
        assert math.isnan((await asked.query("vector(0) / 0"))[0].value)
        assert await asked.query("vector(1) > 2") == ()
        (odd,) = await asked.query(f'label_replace(vector(1), "entity", {quoted(ODD)}, "", "")')
        assert odd.labels == {"entity": ODD}
        long = " or ".join(["vector(1)"] * 5_000)
        assert len(await asked.query(long)) == 1, "longer than any URL may be"
        for expression in ("up{", "no such thing", "", "1", '"a string"', "vector(1)[5m:1m]"):
            with pytest.raises(SourceError) as caught:
                await asked.query(expression)
            assert caught.value.reason is Reason.BAD_RESPONSE
            assert "vector" not in str(caught.value).replace("not an instant vector", "")


async def test_an_alert_fires_by_prometheus_own_word(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    page = 'engine_quoting{venue="a\\"b\\\\c\\n"} 0\nengine_quoting{venue="other"} 1\n'
    async with (
        Exposed(page).serving() as engine,
        prometheus(tmp_path, scrapes={"engine": engine.address}, rules=RULES) as url,
    ):
        asked = Prometheus(session, url)
        alert = {"alertname": "EngineHalted", "severity": "page", "job": "engine", "instance": engine.address}
        halted = {**alert, "venue": 'a"b\\c\n'}
        assert await until(lambda: asked.firing(halted), WITHIN)
        assert await asked.firing({**halted, "cluster": "an external label"})
        assert await asked.firing(halted, ["venue"])
        assert not await asked.firing({**halted, "size": "put in by another"}, ["venue", "size"])
        for other in ({"venue": "other"}, {"severity": "ticket"}, {"alertname": "Other"}, {"alertname": ""}):
            assert not await asked.firing({**halted, **other})
        engine.text = page.replace("} 0", "} 1")

        async def resolved() -> bool:
            return not await asked.firing(halted)

        assert await until(resolved, WITHIN)


async def test_the_alerting_rules_are_told_as_they_are_loaded(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    rules = """
groups:
  - name: first
    rules:
      - {record: 'a:b', expr: vector(1)}
      - {alert: One, expr: 'vector(1)', labels: {severity: page, entity: '{{ $labels.venue }}'}}
  - name: second
    rules:
      - {alert: Two, expr: 'vector(2)   > 1'}
"""
    async with prometheus(tmp_path, rules=rules) as url:
        asked = Prometheus(session, url)
        assert await until(asked.rules, WITHIN) == (
            Rule("One", "vector(1)", {"severity": "page", "entity": "{{ $labels.venue }}"}),
            Rule("Two", "vector(2) > 1", {}),
        )


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_a_matcher_holds_its_value_whole(value: str) -> None:
    """The grammar is that of Prometheus: no quote or line end within the quotes stands bare."""
    text = matcher("venue", value)
    inside = text.removeprefix('venue="').removesuffix('"')
    bare = inside.replace("\\\\", "").replace('\\"', "")
    assert '"' not in bare
    assert "\n" not in inside


def test_a_name_that_is_no_plain_one_is_quoted() -> None:
    assert matcher("venue", "a", "!=") == 'venue!="a"'
    assert matcher('x"} or vector(1) #', "a") == '"x\\"} or vector(1) #"="a"'


# --- broken ones: the wire is faked, no Prometheus answers so ----------------------------------------------------------


def vector(*items: object, **more: object) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "vector", "result": list(items)}, **more}


BROKEN = {
    "an error": {"status": "error", "errorType": "execution", "error": "canary"},
    "no status": {"data": {"resultType": "vector", "result": []}},
    "a matrix": {"status": "success", "data": {"resultType": "matrix", "result": []}},
    "a scalar": {"status": "success", "data": {"resultType": "scalar", "result": [1, "1"]}},
    "no result": {"status": "success", "data": {"resultType": "vector"}},
    "a null result": {"status": "success", "data": {"resultType": "vector", "result": None}},
    "a part of an answer": vector(warnings=["canary: a store did not answer"]),
    "a list": [],
    "a value that is a number": vector({"metric": {}, "value": [1.0, 1]}),
    "a value that is none": vector({"metric": {}, "value": [1.0, "canary"]}),
    "no value": vector({"metric": {}}),
    "a label that is no text": vector({"metric": {"a": 1}, "value": [1.0, "1"]}),
    "no instant": vector({"metric": {}, "value": ["now", "1"]}),
    "a histogram": vector({"metric": {}, "histogram": [1.0, {"count": "1"}]}),
    "one good and one bad": vector({"metric": {}, "value": [1.0, "1"]}, {}),
    "too many": vector(*[{"metric": {}, "value": [1.0, "1"]}] * (asking.MAX_SAMPLES + 1)),
}


@pytest.mark.parametrize("told", BROKEN.values(), ids=BROKEN.keys())
async def test_an_answer_that_is_none_is_an_error_and_is_not_repeated(
    session: aiohttp.ClientSession, told: object
) -> None:
    body = json.dumps(told).encode()
    async with listening(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)) as wire:
        with pytest.raises(SourceError) as caught:
            await Prometheus(session, wire.url).query("up")
    assert caught.value.reason is Reason.BAD_RESPONSE
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "told",
    [
        {},
        [],
        {"status": "error", "data": {"groups": []}},
        {"status": "success", "data": {"groups": None}},
        {"status": "success", "data": {"groups": [{}]}},
        {"status": "success", "data": {"groups": [{"rules": ["canary"]}]}},
        {"status": "success", "data": {"groups": [{"rules": [{"type": "alerting", "name": "canary"}]}]}},
        {
            "status": "success",
            "data": {"groups": [{"rules": [{"type": "alerting", "name": "a", "query": "b", "labels": {"c": 1}}]}]},
        },
    ],
)
async def test_rules_that_are_none_are_an_error(session: aiohttp.ClientSession, told: object) -> None:
    body = json.dumps(told).encode()
    async with listening(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)) as wire:
        with pytest.raises(SourceError) as caught:
            await Prometheus(session, wire.url).rules()
    assert caught.value.reason is Reason.BAD_RESPONSE
    assert "canary" not in str(caught.value)


async def test_values_and_labels_are_taken_as_they_are(session: aiohttp.ClientSession) -> None:
    body = json.dumps(vector({"metric": {"a": "b"}, "value": [1.5, "+Inf"]}, infos=["only a hint"])).encode()
    async with listening(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)) as wire:
        assert await Prometheus(session, f"{wire.url}/prefix/").query("up") == (Sample({"a": "b"}, math.inf, 1.5),)
    assert wire.heard[0].startswith("POST /prefix/api/v1/query HTTP/1.1\r\n")


async def test_a_prometheus_that_does_not_answer_is_an_error(session: aiohttp.ClientSession) -> None:
    async with listening(silent) as wire:
        with pytest.raises(SourceError) as caught:
            await Prometheus(session, wire.url, within=0.3).query("up")
    assert caught.value.reason is Reason.TIMEOUT
    with pytest.raises(SourceError) as caught:
        await Prometheus(session, f"http://127.0.0.1:{free_ports(1)[0]}").query("up")
    assert caught.value.reason is Reason.CONNECT


# --- over time -------------------------------------------------------------------------------------------------------


def anything(_: Mapping[str, str]) -> bool:
    return True


async def test_a_real_prometheus_says_what_was_at_each_instant(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    async with prometheus(tmp_path) as url:
        asked = Prometheus(session, url)
        times = Range(1_790_000_000, 1_790_000_120, 60)
        found = await asked.query_range("vector(time()) > 1790000000", times, anything, most=1)
        assert found == Matrix(
            (Series({}, ((1_790_000_060.0, 1_790_000_060.0), (1_790_000_120.0, 1_790_000_120.0))),), 0
        )
        named = " or ".join(f'label_replace(vector({number}), "n", "{number}", "", "")' for number in range(5))
        found = await asked.query_range(named, times, lambda labels: labels["n"] != "3", most=2)
        assert ([series.labels["n"] for series in found.series], found.more) == (["0", "1"], 2)
        with pytest.raises(SourceError):
            await asked.query_range("up{", times, anything, most=1)
        with pytest.raises(ValueError, match="more than 300 points"):
            await asked.query_range("up", Range(0, 300, 1), anything, most=1)


def matrix(*items: object, **more: object) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "matrix", "result": list(items)}, **more}


BROKEN_MATRIX = {
    "an error": {"status": "error", "error": "canary"},
    "a vector": vector(),
    "a part of an answer": matrix(warnings=["canary"]),
    "no values": matrix({"metric": {}}),
    "a histogram": matrix({"metric": {}, "histograms": [[1.0, {}]]}),
    "a value that is none": matrix({"metric": {}, "values": [[1.0, "canary"]]}),
    "a point that is none": matrix({"metric": {}, "values": [1.0]}),
    "a label that is no text": matrix({"metric": {"a": 1}, "values": []}),
    "an item that is none": matrix("canary"),
    "too many": matrix(*[{"metric": {}, "values": []}] * (asking.MAX_SERIES + 1)),
}


@pytest.mark.parametrize("told", BROKEN_MATRIX.values(), ids=BROKEN_MATRIX.keys())
async def test_an_answer_over_time_that_is_none_is_an_error(session: aiohttp.ClientSession, told: object) -> None:
    body = json.dumps(told).encode()
    async with listening(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)) as wire:
        with pytest.raises(SourceError) as caught:
            await Prometheus(session, wire.url).query_range("up", Range(0, 60, 15), anything, most=9)
    assert caught.value.reason is Reason.BAD_RESPONSE
    assert "canary" not in str(caught.value)
