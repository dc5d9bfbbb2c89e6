"""What the queries of the board of accounts say that decide something, by promtool: also when half of it is gone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from dashboards.queries import accounts, engine
from tests.dashboards.said import Samples, Says

DESK = 'venue="a",account="desk"'
CHECKS = ("margin", "positions", "key", "transfers")
KNOWN = {f'occ_target_configured{{exporter="exchange",{DESK},check="{check}"}}': "1x10" for check in CHECKS}
SEEN = {f'account:up:max{{{DESK},check="{check}"}}': "1x10" for check in CHECKS}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({**KNOWN, **SEEN}, {"{}": 0}),
        ({**KNOWN, **SEEN, f'account:up:max{{{DESK},check="orders"}}': "0x10"}, {"{}": 0}),
        ({**KNOWN, **SEEN, f'account:up:max{{{DESK},check="key"}}': "0x10"}, {"{}": 1}),
        (KNOWN, {"{}": 1}),
        (SEEN, {}),
    ],
    ids=["all is read", "orders are not", "its keys are not", "never read", "not configured"],
)
def test_an_account_is_not_seen_when_one_thing_that_matters_is_not(
    says: Says, given: Samples, expected: Mapping[str, float]
) -> None:
    assert says(accounts.blind(), given, expected) == ""


def test_no_key_that_may_withdraw_is_zero_only_while_keys_are_known(says: Says) -> None:
    ours, other = f"exchange_api_key_can_withdraw{{{DESK}}}", f'exchange_api_key_can_withdraw{{{DESK},tag="sweeper"}}'
    assert says(accounts.that_may_withdraw(), {ours: "0x10", other: "0x10"}, {"{}": 0}) == ""
    assert says(accounts.that_may_withdraw(), {ours: "0x10", other: "1x10"}, {"{}": 1}) == ""
    assert says(accounts.that_may_withdraw(), {}, {}) == ""


def test_what_is_sold_short_is_held_negative(says: Says) -> None:
    held = f'exchange_position_base{{{DESK},symbol="X/Y:Y",side='
    given = {f'{held}"long"}}': "2x10", f'{held}"short"}}': "5x10"}
    assert says(accounts.position(), given, {f'{{{DESK},symbol="X/Y:Y"}}': -3}) == ""


def test_a_count_of_withdrawals_that_begins_above_zero_is_counted_whole(says: Says) -> None:
    withdrawn = f"exchange_withdrawals_unlisted_total{{{DESK},currency="
    given = {f'{withdrawn}"BTC"}}': "_x5 2x5", f'{withdrawn}"ETH"}}': "0x10"}
    expected = {f'{{{DESK},currency="BTC"}}': 2.0, f'{{{DESK},currency="ETH"}}': 0.0}
    assert says(accounts.unlisted_withdrawals(), given, expected) == ""


def test_limits_are_shown_where_there_is_something_to_limit(says: Says) -> None:
    limits = {f'occ:threshold:margin_usage_ratio{{venue="{venue}"}}': "0.7x10" for venue in "ab"}
    given = {**limits, f"exchange_maintenance_margin_usage_ratio{{{DESK}}}": "0.1x10"}
    assert says(accounts.margin_limit(), given, {'{venue="a"}': 0.7}) == ""


def test_engines_are_added_up_and_their_instances_are_not(says: Says) -> None:
    given = {
        'engine_position_base{base="X",job="engine",instance="1"}': "2x10",
        'engine_position_base{base="X",job="engine",instance="2"}': "2x10",
        'engine_position_base{base="X",job="other",instance="1"}': "-5x10",
    }
    assert says(engine.believed(), given, {'{base="X"}': -3}) == ""


def test_a_difference_is_measured_by_what_it_may_be(says: Says) -> None:
    given = {
        'base:position_difference:abs{base="X"}': "0.1x10",
        'base:position_difference:abs{base="Y"}': "1x10",
        'occ:threshold:position_base{base="X"}': "0.05x10",
        'occ:threshold:position_base{base="Y"}': "2x10",
    }
    assert says(engine.largest_difference(), given, {"{}": 2}) == ""
