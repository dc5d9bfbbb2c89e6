"""What the queries of the board of exchanges say that decide something, by promtool: also when half of it is gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from dashboards.queries import books, exchange
from tests.dashboards.said import Samples, Says

# --- venues -----------------------------------------------------------------------------------------------------------

A, B = 'venue="a"', 'venue="b"'
BOTH = {f"venue:tier:info{{{A}}}": "1x10", f"venue:tier:info{{{B}}}": "1x10"}
OPEN = {f"venue:tier:open{{{A}}}": "1x10", f"venue:tier:open{{{B}}}": "1x10"}
UP = {f"venue:up:max{{{A}}}": "1x10", f"venue:up:max{{{B}}}": "1x10"}


def says_of(venue: str, status: str) -> Samples:
    """The state set of a venue."""
    return {
        f'exchange_status{{{venue},status="{each}"}}': f"{int(each == status)}x10"
        for each in ("ok", "maintenance", "shutdown", "error", "other")
    }


DOWN = [
    pytest.param({**BOTH, **OPEN, **UP}, {"{}": 0}, id="all are reached, and say nothing"),
    pytest.param({**BOTH, **OPEN, **UP, **says_of(A, "ok"), **says_of(B, "other")}, {"{}": 0}, id="all are well"),
    pytest.param({**BOTH, **OPEN, **UP, f"venue:up:max{{{B}}}": "0x10"}, {"{}": 1}, id="one is not reached"),
    pytest.param({**BOTH, **OPEN, f"venue:up:max{{{A}}}": "1x10"}, {"{}": 1}, id="of one nothing is known"),
    pytest.param(
        {**BOTH, **OPEN, **UP, **says_of(A, "shutdown")}, {"{}": 1}, id="one is reached and says it is closed"
    ),
    pytest.param({**BOTH, **OPEN}, {"{}": 2}, id="the exporter is gone"),
    pytest.param(
        {**BOTH, f"venue:tier:open{{{A}}}": "1x10", f"venue:up:max{{{A}}}": "1x10", f"venue:up:max{{{B}}}": "0x10"},
        {"{}": 0},
        id="one is down for maintenance",
    ),
    pytest.param(UP, {}, id="no rule is evaluated"),
]


@pytest.mark.parametrize(("given", "expected"), DOWN)
def test_venues_down(says: Says, given: Samples, expected: Mapping[str, float]) -> None:
    assert says(exchange.down(), given, expected) == ""


def test_no_venue_in_maintenance_is_zero_only_while_venues_are_known(says: Says) -> None:
    assert says(exchange.in_maintenance(), BOTH, {"{}": 0}) == ""
    assert says(exchange.in_maintenance(), {**BOTH, f"venue:maintenance:info{{{A}}}": "1x10"}, {"{}": 1}) == ""
    assert says(exchange.in_maintenance(), UP, {}) == ""


@pytest.mark.parametrize("name", exchange.STATUSES)
def test_a_status_is_its_place_among_them(says: Says, name: str) -> None:
    assert says(exchange.status(), says_of(A, name), {f"{{{A}}}": exchange.STATUSES.index(name)}) == ""


def test_a_venue_without_a_status_has_none(says: Says) -> None:
    assert says(exchange.status(), {**says_of(A, "nothing"), **says_of(B, "ok")}, {f"{{{B}}}": 0}) == ""


def test_reconnects_are_of_each_stream(says: Says) -> None:
    streams = {
        f'occ_target_configured{{exporter="exchange",{A},symbol="X/Y",check="{check}",instance="{instance}"}}': "1x10"
        for check in ("order_book", "trades", "markets")
        for instance in ("one", "other")
    }
    lost = {f'exchange_ws_reconnects_total{{{A},instance="{each}"}}': "0+6x10" for each in ("one", "other")}
    assert says(exchange.reconnects(), {**streams, **lost}, {f"{{{A}}}": 30}) == ""


def test_errors_of_canaries_are_those_of_no_venue(says: Says) -> None:
    failed = {
        f'occ_target_errors_total{{exporter="exchange",reason="dns",{A}}}': "0+60x10",
        'occ_target_errors_total{exporter="exchange",reason="dns"}': "0+60x10",
    }
    assert says(exchange.errors_by_reason(), failed, {f'{{{A},reason="dns"}}': 1}) == ""


WATCHDOG = {'ALERTS{alertname="Watchdog",alertstate="firing",severity="none",domain="meta"}': "1x10"}


def alert(severity: str, state: str, labels: str) -> Samples:
    return {f'ALERTS{{alertname="X",alertstate="{state}",severity="{severity}",domain="exchange",{labels}}}': "1x10"}


FIRES = [
    pytest.param({**BOTH, **WATCHDOG}, {f"{{{A}}}": 0, f"{{{B}}}": 0}, id="none"),
    pytest.param(
        {**BOTH, **WATCHDOG, **alert("page", "firing", A), **alert("ticket", "firing", f'{A},symbol="X/Y"')},
        {f"{{{A}}}": 2, f"{{{B}}}": 0},
        id="of the venue and of a book",
    ),
    pytest.param(
        {**BOTH, **WATCHDOG, **alert("info", "firing", A), **alert("page", "pending", B)},
        {f"{{{A}}}": 0, f"{{{B}}}": 0},
        id="what nobody need see to yet",
    ),
    pytest.param(
        {**BOTH, **WATCHDOG, **alert("page", "firing", 'venue="gone"')}, {f"{{{A}}}": 0, f"{{{B}}}": 0}, id="of another"
    ),
    pytest.param(BOTH, {}, id="no rule is evaluated"),
]


@pytest.mark.parametrize(("given", "expected"), FIRES)
def test_what_fires_of_each_venue(says: Says, given: Samples, expected: Mapping[str, float]) -> None:
    assert says(exchange.firing(), given, expected) == ""


def test_what_fires_of_each_book_leaves_out_what_fires_of_its_venue(says: Says) -> None:
    fires = {**alert("page", "firing", f'{A},symbol="X/Y"'), **alert("page", "firing", A)}
    assert says(books.firing(), {**BOOK, **WATCHDOG, **fires}, {X: 1}) == ""


def test_a_clock_lies_between_two_values(says: Says) -> None:
    clock = {
        f"exchange_clock_skew_seconds{{{A}}}": "-2x10",
        f"exchange_clock_skew_uncertainty_seconds{{{A}}}": "0.5x10",
    }
    assert says(exchange.clock_ahead_at_most(), clock, {f"{{{A}}}": -1.5}) == ""
    assert says(exchange.clock_ahead_at_least(), clock, {f"{{{A}}}": -2.5}) == ""


def test_a_ban_that_is_over_is_none(says: Says) -> None:
    until = "exchange_rate_limit_ban_until_timestamp_seconds"
    assert says(exchange.ban(), {f"{until}{{{A}}}": "660x10", f"{until}{{{B}}}": "540x10"}, {f"{{{A}}}": 60}) == ""


def gate(way: str, network: str, open_: int) -> Samples:
    return {f'exchange_currency_{way}_enabled{{{A},currency="X",network="{network}"}}': f"{open_}x10"}


def test_a_gate_that_is_shut_altogether_differs_from_one_that_is_shut_over_a_network(says: Says) -> None:
    row = f'{{{A},currency="X",network="%s"}}'
    given = {**gate("withdraw", "any", 1), **gate("withdraw", "BTC", 0), **gate("withdraw", "ERC20", 1)}
    assert says(exchange.withdrawal(), given, {row % "any": 0, row % "BTC": 1, row % "ERC20": 0}) == ""
    given = {**gate("deposit", "any", 0), **gate("deposit", "BTC", 0)}
    assert says(exchange.deposit(), given, {row % "any": 2, row % "BTC": 1}) == ""


@pytest.mark.parametrize(
    ("withdraw", "deposit", "shut"), [(1, 1, 0), (0, 1, 1), (1, 0, 1), (0, 0, 1)], ids=["open", "in", "out", "both"]
)
def test_a_currency_is_shut_once(says: Says, withdraw: int, deposit: int, shut: int) -> None:
    given = {**gate("withdraw", "any", withdraw), **gate("deposit", "any", deposit), **gate("deposit", "BTC", 0)}
    assert says(exchange.currencies_shut(), given, {"{}": shut}) == ""
    assert says(exchange.currencies_shut(), UP, {}) == ""


# --- books ------------------------------------------------------------------------------------------------------------

X, Z = (f'{{{A},symbol="{symbol}"}}' for symbol in ("X/Y", "Z/Y"))
BOOK = {f'occ_target_configured{{exporter="exchange",check="order_book",{A},symbol="X/Y"}}': "1x10"}


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ("540x10", {X: 60}),
        ("300x5 _x5", {X: 300}),
        (None, {}),
    ],
    ids=["fresh", "its values have vanished", "never"],
)
def test_the_age_of_a_book_goes_on_when_its_values_have_vanished(
    says: Says, heard: str | None, expected: Mapping[str, float]
) -> None:
    given = {f"exchange_book_received_timestamp_seconds{X}": heard} if heard else {}
    assert says(books.book_age(), {**BOOK, **given}, expected) == ""


def test_a_book_that_is_not_configured_any_more_has_no_age(says: Says) -> None:
    heard = {f"exchange_book_received_timestamp_seconds{each}": "540x10" for each in (X, Z)}
    assert says(books.book_age(), {**BOOK, **heard}, {X: 60}) == ""


NOT_TRUE = [
    pytest.param("0x10", "0.1x10", {"{}": 0}, id="well"),
    pytest.param("1x10", "0.1x10", {"{}": 1}, id="stands still"),
    pytest.param("0x10", "-0.1x10", {"{}": 1}, id="crossed"),
    pytest.param("0x10", "0x10", {"{}": 1}, id="best prices meet"),
    pytest.param("1x10", "-0.1x10", {"{}": 1}, id="both"),
    pytest.param("0x10", "_x10", {"{}": 0}, id="a side is empty"),
    pytest.param("_x10", "_x10", {}, id="nothing is known"),
]


@pytest.mark.parametrize(("frozen", "spread", "expected"), NOT_TRUE)
def test_books_that_are_not_true(says: Says, frozen: str, spread: str, expected: Mapping[str, float]) -> None:
    given = {f"exchange_book_frozen{X}": frozen, f"exchange_spread_ratio{X}": spread}
    assert says(books.books_not_true(), given, expected) == ""


def many(metric: str, value: Callable[[int], float]) -> Samples:
    return {f'{metric}{{{A},symbol="S{number}/Y"}}': f"{value(number)}x10" for number in range(25)}


def test_of_many_books_those_are_shown_that_are_closest_to_their_own_limits(says: Says) -> None:
    """The spread of the last five is the widest, and their limit is so too."""
    limits = many("occ:threshold:spread_ratio", lambda number: 100 if number >= 20 else 1)
    spreads = many("exchange_spread_ratio", lambda number: 10 if number >= 20 else 0.5)
    expected = {f'{{{A},symbol="S{number}/Y"}}': 0.5 for number in range(20)}
    assert says(books.nearest("spread_ratio"), {**limits, **spreads}, expected) == ""
    drawn = {f'{{symbol="S{number}/Y"}}': 1.0 for number in range(20)}
    assert says(books.bound("spread_ratio"), {**limits, **spreads}, drawn) == ""


def test_a_deviation_keeps_its_sign_and_is_bounded_on_both_sides(says: Says) -> None:
    given = {f"exchange_cross_venue_deviation_ratio{X}": "-0.03x10", f"occ:threshold:deviation_ratio{X}": "0.02x10"}
    assert says(books.nearest("deviation_ratio"), given, {X: -0.03}) == ""
    assert says(books.bound("deviation_ratio"), given, {'{symbol="X/Y"}': 0.02}) == ""
    assert says(books.lower_bound("deviation_ratio"), given, {'{symbol="X/Y"}': -0.02}) == ""


def depth(side: str, usd: int, whole: int) -> Samples:
    place = f'{{{A},symbol="X/Y",side="{side}",band="0.0010"}}'
    return {f"exchange_depth_usd{place}": f"{usd}x10", f"exchange_depth_band_complete{place}": f"{whole}x10"}


@pytest.mark.parametrize(
    ("bids", "asks", "expected"), [((9, 1), (7, 1), {X: 7}), ((9, 1), (7, 0), {X: 9}), ((9, 0), (7, 0), {})]
)
def test_a_depth_counts_where_the_whole_band_is_held(
    says: Says, bids: tuple[int, int], asks: tuple[int, int], expected: Mapping[str, float]
) -> None:
    assert says(books.near_depth(), {**depth("bid", *bids), **depth("ask", *asks)}, expected) == ""


def test_a_book_that_is_too_thin_on_both_sides_is_one(says: Says) -> None:
    thin = {
        f'exchange_book_too_thin{{{A},symbol="X/Y",side="{side}",size_usd="1000"}}': "1x10" for side in ("buy", "sell")
    }
    assert says(books.too_thin(), thin, {f'{{{A},size_usd="1000"}}': 1}) == ""


def test_a_market_that_has_ended_ends_now(says: Says) -> None:
    ends = "exchange_market_delist_timestamp_seconds"
    assert says(books.ends_in(), {f"{ends}{X}": "900x10", f"{ends}{Z}": "300x10"}, {X: 300, Z: 0}) == ""
