import itertools

import pytest

from receiver.incidents.life import TURNS, Status, Turn, Unturnable, after

LEADS_TO = {
    ("open", "acknowledge"): "acknowledged",
    ("open", "resolve"): "resolved",
    ("acknowledged", "mitigate"): "mitigated",
    ("acknowledged", "resolve"): "resolved",
    ("acknowledged", "reopen"): "open",
    ("mitigated", "resolve"): "resolved",
    ("mitigated", "reopen"): "open",
    ("resolved", "close"): "closed",
    ("resolved", "reopen"): "open",
}


@pytest.mark.parametrize(("status", "turn"), [*itertools.product(Status, Turn)])
def test_every_turn_in_every_state(status: Status, turn: Turn) -> None:
    if (to := LEADS_TO.get((status, turn))) is not None:
        assert after(status, turn) == to
    else:
        with pytest.raises(Unturnable, match=f"{turn}: not possible for an incident that is {status}"):
            after(status, turn)


def test_nothing_leads_out_of_closed_and_everything_leads_there() -> None:
    reached = {Status.CLOSED}
    for _ in Status:
        reached |= {status for status in Status if reached & set(TURNS[status].values())}
    assert reached == set(Status)
    assert TURNS[Status.CLOSED] == {}
