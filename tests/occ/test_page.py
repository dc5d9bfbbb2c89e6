"""Columns and counters in, text format 0.0.4 out. Every page here is read by `prometheus_client`'s own parser."""

from __future__ import annotations

import gzip
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occ.errors import CatalogueError
from occ.metrics import LABELS, Catalogue, Family, Kind
from occ.page import Column, Event, Format, Page, Rows
from tests.occ.samples import openmetrics_parsed, parsed, rows, sample

PEERS = Family("rpc_peers", Kind.GAUGE, "Peers of the node.", ("node",))
HEAD = Family("rpc_head", Kind.GAUGE, "Height of the head.", ("node",))
ALONE = Family("rpc_alone", Kind.GAUGE, "Has no labels.")
STATUS = Family(
    "rpc_status", Kind.STATESET, "Status of the node.", ("node", "status"), values={"status": ("ok", "bad")}
)
CLIENT = Family("rpc_client_info", Kind.INFO, "What the node runs.", ("node", "version"))
CALLS = Family("rpc_calls_total", Kind.COUNTER, "Calls.", ("node",))
REFUSED = Family("rpc_refused_total", Kind.COUNTER, "Refused calls.", ("node", "reason"))
UP = Family("occ_up", Kind.GAUGE, "Up.", ("target",), entity=True)
SLOWNESS = Family("rpc_slowness_seconds", Kind.HISTOGRAM, "Slowness.", ("chain",), unit="seconds", buckets=(0.5, 1.0))

A_AND_B: Rows = ({"node": "a"}, {"node": "b"})


@pytest.fixture
def page() -> Page:
    return Page(Catalogue([PEERS, HEAD, ALONE, STATUS, CLIENT, CALLS, REFUSED, UP, SLOWNESS]))


def peers(*values: Any, rows: Rows = A_AND_B) -> Column:
    return Column(PEERS, rows, values)


# --- text ------------------------------------------------------------------------------------------------------------


def test_an_empty_page_is_empty(page: Page) -> None:
    assert page.render() == b""


def test_a_family_is_its_help_its_type_and_a_line_per_row(page: Page) -> None:
    page.put("job", [peers(25, 3.5)])
    assert page.render().decode() == (
        '# HELP rpc_peers Peers of the node.\n# TYPE rpc_peers gauge\nrpc_peers{node="a"} 25\nrpc_peers{node="b"} 3.5\n'
    )


@pytest.mark.parametrize(
    ("family", "row", "line"),
    [
        (ALONE, {}, "rpc_alone 1"),
        (STATUS, {"node": "a", "status": "ok"}, 'rpc_status{node="a",status="ok"} 1'),
        (CLIENT, {"node": "a", "version": "v1"}, 'rpc_client_info{node="a",version="v1"} 1'),
    ],
)
def test_infos_and_statesets_are_gauges_in_this_format(
    page: Page, family: Family, row: Mapping[str, str], line: str
) -> None:
    page.put("job", [Column(family, (row,), (1,))])
    assert page.render().decode().splitlines()[1:] == [f"# TYPE {family.name} gauge", line]


def test_families_are_sorted_and_each_is_in_one_piece_whoever_it_comes_from(page: Page) -> None:
    page.put("one", [peers(1, 2), Column(HEAD, A_AND_B, (10, 20))])
    page.put("two", [peers(3, rows=({"node": "c"},))])
    body = page.render().decode()
    assert [line.split()[2] for line in body.splitlines() if line.startswith("# TYPE")] == ["rpc_head", "rpc_peers"]
    assert rows(body.encode(), "rpc_peers") == {"a": 1, "b": 2, "c": 3}


def test_help_texts_may_hold_anything(page: Page) -> None:
    odd = Family("a_odd", Kind.GAUGE, 'Back\\slash, "quotes", 100 %\nand a second line.')
    page = Page(Catalogue([odd]))
    page.put("job", [Column(odd, ({},), (1,))])
    assert page.render().decode().splitlines()[0] == '# HELP a_odd Back\\\\slash, "quotes", 100 %\\nand a second line.'
    assert parsed(page.render()) == {("a_odd", frozenset()): 1.0}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.nan, "NaN"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (True, "1.0"),
        (False, "0.0"),
        (-0.0, "-0.0"),
        (2**70, "1.1805916207174113e21"),
        (10**400, "+Inf"),
        (-(10**400), "-Inf"),
        (5e-324, "5e-324"),
    ],
)
def test_a_value_is_whatever_a_float_can_be(page: Page, value: float, text: str) -> None:
    page.put("job", [peers(value, rows=({"node": "a"},))])
    assert page.render().decode().splitlines()[-1].replace("e+", "e") == f'rpc_peers{{node="a"}} {text}'


def test_absent_values_beside_odd_ones_leave_the_others_alone(page: Page) -> None:
    many = tuple({"node": str(n)} for n in range(6))
    page.put("job", [peers(None, 1, math.nan, 10**400, 2.5, 5, rows=many)])
    seen = rows(page.render(), "rpc_peers")
    assert math.isnan(seen.pop("2"))
    assert seen == {"1": 1.0, "3": math.inf, "4": 2.5, "5": 5.0}


def test_a_family_without_a_sample_is_not_there_at_all(page: Page) -> None:
    page.put("job", [peers(None, None), Column(HEAD, (), ())])
    assert page.render() == b""


_LABEL_VALUES = st.text(st.characters() | st.sampled_from('\\"\n\r\t %{}=,#\u2028\ud800\udfff'), max_size=12)
_VALUES = st.none() | st.floats() | st.integers() | st.booleans() | st.integers(-(10**30), 10**30) | st.just(10**400)
_NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,20}[a-z0-9]", fullmatch=True).filter(
    lambda name: not re.search(r"_(total|info|bucket|sum|count|created)$", name)
)


@st.composite
def columns(draw: st.DrawFn) -> list[Column]:
    """Columns of several families with any labels and values."""
    made = []
    for name in draw(st.lists(_NAMES, min_size=1, max_size=4, unique=True)):
        labels = tuple(draw(st.lists(st.sampled_from(sorted(LABELS)), max_size=3, unique=True)))
        family = Family(
            name, Kind.GAUGE, draw(st.text(st.characters(codec="utf-8"), min_size=1)).strip() or "Help.", labels
        )
        found = draw(
            st.lists(
                st.fixed_dictionaries(dict.fromkeys(labels, _LABEL_VALUES)),
                max_size=5,
                unique_by=lambda row: frozenset(_shown(row)),
            )
        )
        made.append(Column(family, tuple(found), [draw(_VALUES) for _ in found]))
    return made


def _shown(row: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """A row as a reader sees it: half characters, which are no text, are spelled out."""
    return tuple((name, value.encode("utf-8", "backslashreplace").decode()) for name, value in row.items())


def _same(one: float, other: float) -> bool:
    # A whole number is written as one; whoever reads it makes a float of it.
    return float(one) == float(other) or (math.isnan(one) and math.isnan(other))


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value > 0 or -1)


@given(columns())
def test_any_labels_and_values_parse_to_the_same_samples(made: list[Column]) -> None:
    page = Page(Catalogue(column.family for column in made))
    page.put("job", made)
    expected = {
        (column.family.name, frozenset(_shown(row))): _float(value)
        for column in made
        for row, value in zip(column.rows, column.values, strict=True)
        if value is not None
    }
    seen = parsed(page.render())
    assert seen.keys() == expected.keys()
    assert all(_same(seen[key], value) for key, value in expected.items())


@given(columns())
def test_they_parse_to_the_same_samples_in_openmetrics(made: list[Column]) -> None:
    page = Page(Catalogue(column.family for column in made))
    page.put("job", made)
    plain, strict = parsed(page.render()), openmetrics_parsed(page.render(Format.OPENMETRICS))
    assert strict.keys() == plain.keys()
    assert all(_same(strict[key], value) for key, value in plain.items())


@given(columns())
def test_packed_is_the_same_page(made: list[Column]) -> None:
    page = Page(Catalogue(column.family for column in made))
    page.put("job", made)
    assert all(gzip.decompress(page.render(style, packed=True)) == page.render(style) for style in Format)


@given(st.lists(st.lists(_VALUES, min_size=3, max_size=3), min_size=1, max_size=4))
def test_new_numbers_in_kept_text_are_the_new_numbers(cycles: list[list[float | None]]) -> None:
    odd: Rows = ({"node": "%"}, {"node": "%s%b%%"}, {"node": '"\\\n'})
    page = Page(Catalogue([PEERS]))
    for values in cycles:
        page.put("job", [peers(*values, rows=odd)])
        seen = parsed(page.render())
        for row, value in zip(odd, values, strict=True):
            found = seen.get(("rpc_peers", frozenset(row.items())))
            assert (found is None) == (value is None)
            assert value is None or _same(cast("float", found), _float(value))


# --- putting ---------------------------------------------------------------------------------------------------------


def test_a_source_replaces_all_that_it_had(page: Page) -> None:
    page.put("job", [peers(1, 2), Column(ALONE, ({},), (1,))])
    page.put("job", [peers(3, None)])
    assert parsed(page.render()) == {("rpc_peers", frozenset({("node", "a")})): 3.0}


def test_a_family_goes_with_its_last_sample_and_other_sources_stay(page: Page) -> None:
    page.put("one", [peers(1, 2)])
    page.put("two", [Column(HEAD, A_AND_B, (3, 4))])
    page.put("one", ())
    assert b"rpc_peers" not in page.render()
    assert rows(page.render(), "rpc_head") == {"a": 3, "b": 4}


def test_rows_that_are_the_same_object_are_written_once(page: Page) -> None:
    class Counting(dict[str, str]):
        written = 0

        def __getitem__(self, name: str) -> str:
            Counting.written += 1
            return super().__getitem__(name)

    kept: Rows = (Counting(node="a"),)
    for value in range(5):
        page.put("job", [peers(value, rows=kept)])
        assert rows(page.render(), "rpc_peers") == {"a": value}
    assert Counting.written == 1


def test_a_family_comes_and_goes_with_its_values_while_its_rows_stay(page: Page) -> None:
    for value in (None, 1, None, 2):
        page.put("job", [peers(value, None)])
        for style in Format:
            assert (b"# TYPE rpc_peers" in page.render(style)) == (value is not None)


def test_rows_that_are_another_object_are_looked_at_anew(page: Page) -> None:
    page.put("job", [peers(1, rows=({"node": "a"},))])
    page.put("job", [peers(1, rows=({"node": "b"},))])
    assert rows(page.render(), "rpc_peers") == {"b": 1}


def test_a_family_may_come_in_several_columns_of_one_source(page: Page) -> None:
    page.put("job", [peers(1, 2), peers(3, rows=({"node": "c"},))])
    page.put("job", [peers(4, 5), peers(6, rows=({"node": "c"},))])
    assert rows(page.render(), "rpc_peers") == {"a": 4, "b": 5, "c": 6}


def test_what_the_caller_does_to_its_values_later_does_not_reach_the_page(page: Page) -> None:
    values: list[float | None] = [1.0, 2.0]
    page.put("job", [Column(PEERS, A_AND_B, values)])
    values[0] = None
    values.append(3.0)
    assert rows(page.render(), "rpc_peers") == {"a": 1, "b": 2}


_WRONG: Sequence[tuple[str, Column, str]] = [
    ("fewer values", Column(PEERS, A_AND_B, (1,)), "rpc_peers: 2 rows and 1 values"),
    ("more values", Column(PEERS, A_AND_B, (1, 2, 3)), "rpc_peers: 2 rows and 3 values"),
    ("unknown family", Column(Family("rpc_new", Kind.GAUGE, "New."), ({},), (1,)), "rpc_new: not in the catalogue"),
    ("label missing", Column(PEERS, ({},), (1,)), "rpc_peers: labels none where node belong"),
    ("label too many", Column(PEERS, ({"node": "a", "chain": "x"},), (1,)), "rpc_peers: labels node, chain where node belong"),
    ("other label", Column(PEERS, ({"chain": "x"},), (1,)), "rpc_peers: labels chain where node belong"),
    ("labels on none", Column(ALONE, ({"node": "a"},), (1,)), "rpc_alone: labels node where none belong"),
    ("twice a row", Column(PEERS, ({"node": "a"}, {"node": "a"}), (1, 2)), "rpc_peers: two rows with the same labels"),
    ("no number", Column(PEERS, A_AND_B, (1, cast("float", "many"))), "rpc_peers: a value that is no number"),
    ("no number at all", Column(PEERS, A_AND_B, (1, cast("float", object()))), "rpc_peers: a value that is no number"),
    ("a list", Column(PEERS, A_AND_B, (1, cast("float", []))), "rpc_peers: a value that is no number"),
    ("a mapping", Column(PEERS, A_AND_B, (1, cast("float", {}))), "rpc_peers: a value that is no number"),
    ("odd entity label", Column(UP, ({"target": "a", "a b": "c"},), (1,)), "occ_up: labels target, a b where target belong"),
]  # fmt: skip


@pytest.mark.parametrize(("column", "message"), [case[1:] for case in _WRONG], ids=[case[0] for case in _WRONG])
def test_a_wrong_column_is_refused_and_nothing_changes(page: Page, column: Column, message: str) -> None:
    page.put("job", [peers(1, 2)])
    before = page.render()
    with pytest.raises(CatalogueError, match=f"^{re.escape(message)}$"):
        page.put("job", [Column(HEAD, A_AND_B, (9, 9)), column])
    assert page.render() == before


def test_nor_does_a_column_before_it_whose_rows_were_there_already(page: Page) -> None:
    page.put("job", [peers(1, 2)])
    with pytest.raises(CatalogueError):
        page.put("job", [peers(5, 6), Column(HEAD, A_AND_B, (9,))])
    page.put("other", [Column(ALONE, ({},), (1,))])
    assert rows(page.render(), "rpc_peers") == {"a": 1, "b": 2}


def test_a_column_that_fails_while_it_is_made_changes_nothing_either(page: Page) -> None:
    page.put("job", [peers(1, 2)])
    before = page.render()
    with pytest.raises(ZeroDivisionError):
        page.put("job", (peers(1 / n, 2) for n in (1, 0)))
    assert page.render() == before


def test_rows_of_an_entity_family_carry_the_labels_of_their_target_besides(page: Page) -> None:
    page.put("job", [Column(UP, ({"target": "x/a", "chain": "x", "node": "a"},), (1,))])
    assert page.render().decode().splitlines()[-1] == 'occ_up{target="x/a",chain="x",node="a"} 1'


# --- the limit -------------------------------------------------------------------------------------------------------


class TestLimit:
    def full(self, limit: int) -> Page:
        return Page(Catalogue([PEERS, HEAD, CALLS]), limit)

    def test_what_does_not_fit_is_left_out_whole_and_told(self) -> None:
        page = self.full(3)
        assert page.put("job", [peers(1, 2), Column(HEAD, A_AND_B, (3, 4))], bounded=True) == 2
        assert b"rpc_head" not in page.render()
        assert rows(page.render(), "rpc_peers") == {"a": 1, "b": 2}

    def test_a_smaller_column_after_one_that_does_not_fit_still_may(self) -> None:
        page = self.full(1)
        assert page.put("job", [peers(1, 2), Column(HEAD, ({"node": "a"},), (3,))], bounded=True) == 2
        assert rows(page.render(), "rpc_head") == {"a": 3}

    def test_all_bounded_sources_share_it_and_first_come_is_first_served(self) -> None:
        page = self.full(3)
        assert page.put("one", [peers(1, 2)], bounded=True) == 0
        assert page.put("two", [Column(HEAD, A_AND_B, (3, 4))], bounded=True) == 2

    def test_a_source_is_not_crowded_out_by_what_it_had_itself(self) -> None:
        page = self.full(2)
        for value in range(3):
            assert page.put("job", [peers(value, value)], bounded=True) == 0

    def test_room_is_there_again_when_another_goes(self) -> None:
        page = self.full(2)
        page.put("one", [peers(1, 2)], bounded=True)
        page.put("one", (), bounded=True)
        assert page.put("two", [Column(HEAD, A_AND_B, (3, 4))], bounded=True) == 0

    def test_the_processs_own_series_are_there_whatever_it_says_and_take_no_room(self) -> None:
        page = self.full(1)
        for n in range(10):
            page.count(Event(CALLS, {"node": str(n)}))
        page.render()
        assert page.put("targets", [peers(1, 2)]) == 0
        assert page.put("job", [Column(HEAD, ({"node": "a"},), (3,))], bounded=True) == 0

    def test_how_many_samples_a_source_shows_is_without_the_absent(self) -> None:
        page = self.full(10)
        page.put("job", [peers(None, 2), Column(HEAD, A_AND_B, (3, math.nan))], bounded=True)
        assert page.series("job") == 3
        assert page.series("nobody") == 0


# --- counters --------------------------------------------------------------------------------------------------------


class TestCounters:
    def test_a_counter_adds_up(self, page: Page) -> None:
        for amount in (1, 2.5, 0):
            page.count(Event(CALLS, {"node": "a"}, amount))
        page.count(Event(CALLS, {"node": "b"}))
        assert rows(page.render(), "rpc_calls_total") == {"a": 3.5, "b": 1}
        assert b"# TYPE rpc_calls_total counter\n" in page.render()

    def test_an_amount_of_0_makes_the_series_be_there(self, page: Page) -> None:
        page.count(Event(CALLS, {"node": "a"}, 0))
        assert sample(page.render(), "rpc_calls_total", node="a") == 0.0

    @pytest.mark.parametrize("amount", [-1, -1e-9, math.nan, math.inf, -math.inf, 10**400])
    def test_a_counter_never_goes_down_nor_out_of_numbers(self, page: Page, amount: float) -> None:
        page.count(Event(CALLS, {"node": "a"}, 5))
        with pytest.raises(CatalogueError, match="rpc_calls_total: can not count"):
            page.count(Event(CALLS, {"node": "a"}, amount))
        assert sample(page.render(), "rpc_calls_total", node="a") == 5.0

    def test_only_counters_are_counted(self, page: Page) -> None:
        with pytest.raises(CatalogueError, match=r"rpc_peers: can not count 1\.0"):
            page.count(Event(PEERS, {"node": "a"}))

    def test_the_order_of_labels_makes_no_other_series(self, page: Page) -> None:
        page.count(Event(REFUSED, {"node": "a", "reason": "dns"}))
        page.count(Event(REFUSED, {"reason": "dns", "node": "a"}))
        assert sample(page.render(), "rpc_refused_total") == 2.0

    @pytest.mark.parametrize("labels", [{}, {"node": "a", "chain": "x"}, {"chain": "x"}])
    def test_wrong_labels_are_refused_and_leave_no_trace(self, page: Page, labels: Mapping[str, str]) -> None:
        with pytest.raises(CatalogueError, match="rpc_calls_total: labels"):
            page.count(Event(CALLS, labels))
        page.count(Event(CALLS, {"node": "a"}))
        assert rows(page.render(), "rpc_calls_total") == {"a": 1}

    def test_a_counter_that_is_not_declared_is_refused_before_it_can_spoil_the_page(self, page: Page) -> None:
        with pytest.raises(CatalogueError, match="rpc_new_total: not in the catalogue"):
            page.count(Event(Family("rpc_new_total", Kind.COUNTER, "New."), {}))
        assert page.render() == b""

    def test_a_counter_stays_when_every_source_goes(self, page: Page) -> None:
        page.put("job", [peers(1, 2)])
        page.count(Event(CALLS, {"node": "a"}))
        page.put("job", ())
        assert parsed(page.render()) == {("rpc_calls_total", frozenset({("node", "a")})): 1.0}

    def test_what_the_caller_does_to_its_labels_later_does_not_reach_the_page(self, page: Page) -> None:
        labels = {"node": "a"}
        page.count(Event(CALLS, labels))
        labels["node"] = "b"
        assert rows(page.render(), "rpc_calls_total") == {"a": 1}

    @given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 1e12)), max_size=30))
    def test_a_counter_is_never_less_than_on_the_page_before(self, steps: list[tuple[str, float]]) -> None:
        page, before = Page(Catalogue([CALLS])), dict[str, float]()
        for node, amount in steps:
            page.count(Event(CALLS, {"node": node}, amount))
            now = rows(page.render(), "rpc_calls_total")
            assert all(now[key] >= value for key, value in before.items())
            before = now


# --- rendering -------------------------------------------------------------------------------------------------------


def test_a_page_that_has_not_changed_is_the_same_bytes(page: Page) -> None:
    page.put("job", [peers(1, 2)])
    page.count(Event(CALLS, {"node": "a"}))
    assert page.render() == page.render()


def test_a_histogram_stands_beside_the_columns(page: Page) -> None:
    page.put("job", [peers(1, 2)])
    page.histogram(SLOWNESS).labels("ethereum").observe(0.7)
    body = page.render()
    assert sample(body, "rpc_slowness_seconds_bucket", chain="ethereum", le="1.0") == 1.0
    assert sample(body, "rpc_slowness_seconds_bucket", chain="ethereum", le="0.5") == 0.0
    assert b"# TYPE rpc_slowness_seconds histogram\n" in body
    assert sample(body, "rpc_peers", node="a") == 1.0


# --- OpenMetrics -----------------------------------------------------------------------------------------------------


def test_openmetrics_calls_families_by_their_base_names_and_ends_with_eof(page: Page) -> None:
    page.put("job", [Column(CLIENT, ({"node": "a", "version": "v1"},), (1,))])
    page.count(Event(CALLS, {"node": "a"}, 2))
    assert page.render(Format.OPENMETRICS).decode() == (
        "# HELP rpc_calls Calls.\n"
        "# TYPE rpc_calls counter\n"
        'rpc_calls_total{node="a"} 2.0\n'
        "# HELP rpc_client What the node runs.\n"
        "# TYPE rpc_client info\n"
        'rpc_client_info{node="a",version="v1"} 1\n'
        "# EOF\n"
    )


def test_openmetrics_tells_units() -> None:
    age = Family("rpc_age_seconds", Kind.GAUGE, "Age.", unit="seconds")
    page = Page(Catalogue([age]))
    page.put("job", [Column(age, ({},), (3,))])
    assert page.render(Format.OPENMETRICS).decode().splitlines()[1:3] == [
        "# TYPE rpc_age_seconds gauge",
        "# UNIT rpc_age_seconds seconds",
    ]


def test_exemplars_of_histograms_are_there_in_openmetrics_alone(page: Page) -> None:
    page.histogram(SLOWNESS).labels("eth").observe(0.4, {"node": "a"})
    line = next(line for line in page.render(Format.OPENMETRICS).decode().splitlines() if 'le="0.5"' in line)
    assert line.startswith('rpc_slowness_seconds_bucket{chain="eth",le="0.5"} 1.0 # {node="a"} 0.4')
    assert b"# {" not in page.render()


def test_both_formats_hold_the_same_samples_while_a_page_changes(page: Page) -> None:
    page.histogram(SLOWNESS).labels("eth").observe(0.4)
    for value in (1.0, None, math.nan, 2.0):
        page.put("job", [peers(value, 7), Column(HEAD, A_AND_B, (value, None))])
        page.count(Event(CALLS, {"node": "a"}))
        plain, strict = parsed(page.render()), openmetrics_parsed(page.render(Format.OPENMETRICS))
        assert plain.keys() == strict.keys()


# --- the registry ----------------------------------------------------------------------------------------------------


def test_histograms_are_written_anew_by_refresh_and_not_by_the_scrape(page: Page) -> None:
    slowness = page.histogram(SLOWNESS).labels("eth")
    assert sample(page.render(), "rpc_slowness_seconds_count") == 0
    slowness.observe(0.4)
    assert sample(page.render(), "rpc_slowness_seconds_count") == 0
    page.refresh()
    assert sample(page.render(), "rpc_slowness_seconds_count") == 1


def test_a_histogram_of_a_family_is_one_whoever_asks_for_it(page: Page) -> None:
    assert page.histogram(SLOWNESS) is page.histogram(SLOWNESS)
