"""Freezes, as the API takes and shows them."""

from __future__ import annotations

import pytest

from tests.receiver.api.conftest import Answer, Office


async def test_one_freezes_and_two_others_lift_it(office: Office) -> None:
    frozen = await office.post("/freezes", "opal", scope="everything", reason="a strange book")
    assert (frozen["person"], frozen["lifted_at"]) == ("opal", None)
    path = f"/freezes/{frozen['id']}/unfreeze"
    assert frozen["missing"] == [{"role": "commander", "count": 2}]
    first = await office.post(path, "cora", reason="understood")
    assert (first["lifted_at"], first["missing"]) == (None, [{"role": "commander", "count": 1}])
    assert [(it["person"], it["reason"]) for it in first["unfreezes"]] == [("cora", "understood")]
    assert await office.refused(path, "cora", reason="again") == (409, "already_decided")
    assert (await office.post(path, "carl", reason="understood"))["lifted_at"] is not None
    [listed] = (await office.get("/freezes"))["freezes"]
    assert listed["lifted_at"] is not None
    assert await office.refused(path, "carl", reason="again") == (409, "wrong_state")


async def test_it_pages(office: Office) -> None:
    await office.post("/freezes", "opal", scope="target", name="engine", reason="a strange book")
    [told] = (await office.get("/outbox"))["outbox"]
    assert (told["kind"], told["severity"], told["settled_at"]) == ("freeze", "page", None)


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"scope": "action", "name": "nothing"}, 404),
        ({"scope": "target", "name": "nothing"}, 404),
        ({"scope": "sometimes"}, 400),
        ({"scope": "everything", "name": "../x"}, 400),
        ({"scope": "everything", "reason": ""}, 400),
    ],
)
async def test_what_can_not_be_frozen(office: Office, wanted: Answer, status: int) -> None:
    found, _ = await office.refused("/freezes", "opal", **{"reason": "a test", **wanted})
    assert found == status
    assert (await office.get("/freezes"))["freezes"] == []


async def test_no_such_freeze(office: Office) -> None:
    assert await office.refused(f"/freezes/{'0' * 16}/unfreeze", "cora", reason="x") == (404, "not_found")
