"""The queries of the command center, judged by promtool: what is not well is never shown as well."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from dashboards.queries import command_center as q
from dashboards.queries import response
from tests.dashboards.said import Samples, Says

WATCHDOG = {'ALERTS{alertname="Watchdog",alertstate="firing",severity="none",domain="meta",entity="watchdog"}': "1x10"}
KNOWN = {'venue:tier:info{venue="a",tier="1"}': "1x10"}
SHOWN = {'occ_target_stale{exporter="exchange",venue="a",target="a",check="status"}': "0x10"}
HIDDEN = {'occ_target_stale{exporter="exchange",venue="a",target="a",check="status"}': "1x10"}


def alert(severity: str, state: str = "firing", **labels: str) -> Samples:
    more = "".join(f',{name}="{value}"' for name, value in labels.items())
    return {f'ALERTS{{alertname="X",alertstate="{state}",severity="{severity}",exporter="exchange"{more}}}': "1x10"}


STATES = [
    pytest.param({**WATCHDOG, **KNOWN, **SHOWN}, q.WELL, id="well"),
    pytest.param({**WATCHDOG, **KNOWN, **SHOWN, **alert("ticket", venue="a")}, q.TICKET, id="a ticket"),
    pytest.param({**WATCHDOG, **KNOWN, **SHOWN, **alert("page", venue="a")}, q.PAGE, id="a page"),
    pytest.param(
        {**WATCHDOG, **KNOWN, **HIDDEN, **alert("page", venue="a"), **alert("ticket", venue="a")},
        q.PAGE,
        id="a page before all",
    ),
    pytest.param({**WATCHDOG, **KNOWN, **HIDDEN, **alert("ticket", venue="a")}, q.UNSEEN, id="nothing is seen of it"),
    pytest.param({**WATCHDOG, **KNOWN}, q.UNSEEN, id="its exporter is gone"),
    pytest.param({**WATCHDOG, **KNOWN, **SHOWN, **alert("page", "pending", venue="a")}, q.WELL, id="not yet"),
    pytest.param({**WATCHDOG, **KNOWN, **SHOWN, **alert("page", venue="b")}, q.WELL, id="a page of another"),
    pytest.param({**KNOWN, **SHOWN}, None, id="nobody evaluates rules"),
    pytest.param({**WATCHDOG, **SHOWN}, None, id="not configured"),
]


@pytest.mark.parametrize(("given", "state"), STATES)
def test_a_line_says_the_worst_of_its_venue(says: Says, given: Samples, state: float | None) -> None:
    assert says(q.venue_states(), given, {} if state is None else {'{venue="a"}': state}) == ""


ACCOUNT = {'occ_target_info{exporter="exchange",target="a/desk",venue="a",account="desk",tier="1"}': "1x10"}
ITS_READS = {'occ_target_stale{exporter="exchange",target="a/desk",check="margin",venue="a",account="desk"}': "0x10"}


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({**WATCHDOG, **ACCOUNT, **ITS_READS, **alert("page", venue="a", account="desk")}, q.PAGE),
        ({**WATCHDOG, **ACCOUNT, **ITS_READS, **alert("page", venue="a")}, q.WELL),
        ({**WATCHDOG, **ACCOUNT, **SHOWN}, q.UNSEEN),
    ],
    ids=["a page", "a page of its venue", "its venue alone is seen"],
)
def test_a_line_says_the_worst_of_its_account(says: Says, given: Samples, state: float) -> None:
    assert says(q.account_states(), given, {'{venue="a",account="desk"}': state}) == ""


UP = 'venue:up:max{venue="a"}'


@pytest.mark.parametrize(
    ("given", "down"),
    [
        ({**KNOWN, UP: "1x10"}, {"{}": 0}),
        ({**KNOWN, UP: "0x10"}, {"{}": 1}),
        (KNOWN, {"{}": 1}),
        ({UP: "1x10"}, {}),
    ],
    ids=["up", "down", "not heard of", "not known"],
)
def test_what_is_not_seen_is_down(says: Says, given: Samples, down: Mapping[str, float]) -> None:
    assert says(q.venues_down(), given, down) == ""


TARGET = '{exporter="nodes",target="a",check="evm"}'


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({f"occ_target_stale{TARGET}": "0x10", f"occ_target_last_success_timestamp_seconds{TARGET}": "0x10"}, 0),
        ({f"occ_target_stale{TARGET}": "1x10", f"occ_target_last_success_timestamp_seconds{TARGET}": "60x10"}, 540),
        ({f"occ_target_stale{TARGET}": "1x10"}, 600),
    ],
    ids=["shown", "not shown for nine minutes", "never"],
)
def test_the_oldest_sight_is_of_what_has_no_current_values(says: Says, given: Samples, seconds: float) -> None:
    assert says(q.oldest_sight(), given, {"{}": seconds}) == ""


def test_what_fires_is_told_with_its_gravity_and_watchdog_is_always_there(says: Says) -> None:
    of = {'domain="exchange",entity="a"': "page", 'domain="exchange",entity="b"': "ticket"}
    given = {
        f'ALERTS{{alertname="X",alertstate="firing",severity="{severity}",{labels}}}': "1x10"
        for labels, severity in of.items()
    }
    pending = {'ALERTS{alertname="X",alertstate="pending",severity="page",domain="exchange",entity="c"}': "1x10"}
    expected = {
        '{alertname="X",domain="exchange",entity="a"}': 2,
        '{alertname="X",domain="exchange",entity="b"}': 1,
        '{alertname="Watchdog",domain="meta",entity="watchdog"}': 0,
    }
    assert says(q.gravity(), {**WATCHDOG, **given, **pending}, expected) == ""


def test_an_alert_has_fired_since_its_condition_held(says: Says) -> None:
    labels = 'alertname="X",severity="page",domain="exchange",entity="a"'
    given = {f'ALERTS{{alertstate="firing",{labels}}}': "1x10", f"ALERTS_FOR_STATE{{{labels}}}": "120x10"}
    pending = {f"ALERTS_FOR_STATE{{{labels.replace('X', 'Y')}}}": "120x10"}
    expected = {'{alertname="X",domain="exchange",entity="a"}': 480}
    assert says(q.fires_for(), {**given, **pending}, expected) == ""


def test_depth_is_of_the_thinnest_side_over_what_its_own_symbol_needs(says: Says) -> None:
    sides = {("x", "bid"): 400, ("x", "ask"): 300, ("y", "bid"): 90, ("y", "ask"): 100}
    given = {
        f'exchange_depth_usd{{venue="a",symbol="{symbol}",side="{side}",band="0.0010"}}': f"{usd}x10"
        for (symbol, side), usd in sides.items()
    }
    needed = {
        f'occ:threshold:depth_usd{{venue="a",symbol="{name}"}}': f"{usd}x10" for name, usd in (("x", 100), ("y", 60))
    }
    assert says(q.depth(), {**given, **needed}, {'{venue="a"}': 1.5}) == ""


def test_nobody_waits_is_absent_and_the_longest_wait_is_the_oldest(says: Says) -> None:
    assert says(response.longest_wait(), {"up": "1x10"}, {}) == ""
    since = {
        f'incident_oldest_unacknowledged_timestamp_seconds{{instance="{name}"}}': f"{at}x10"
        for name, at in (("a", 60), ("b", 300))
    }
    assert says(response.longest_wait(), since, {"{}": 540}) == ""
