"""Link scanners, previews, prefetchers: whoever follows every link changes nothing, whatever session they have."""

from __future__ import annotations

import asyncio

import pytest

from demo.until import until
from receiver.api.openapi import PROOF
from receiver.api.operations import BASE
from receiver.sessions import proof
from tests.receiver import acting
from tests.receiver.api.conftest import Whole
from tests.receiver.support import AUTHORIZED, alert, message

PLACES = {"fingerprint": "0123456789abcdef", "episode": "1", "action": "halt", "rest": "/v1/nowhere"}
QUERIES = ("", "?limit=1", "?state=planned", "?to=/a/0123456789abcdef", "?plan_hash=0&reason=x&applied=true",
           "?refresh=30&before=1&hours=3")  # fmt: skip


async def furnished(whole: Whole) -> list[str]:
    """A receiver with something of every kind in it, and every path that can be asked by GET."""
    token = await whole.log_in("opal")
    bearer = {"Authorization": f"Bearer {token}"}
    one = alert(labels={"venue": "binance"}) | {"fingerprint": PLACES["fingerprint"]}
    async with whole.client.post("/alertmanager", data=message(one), headers=AUTHORIZED) as response:
        assert response.status == 200
    wanted = {"action": "resume", "parameters": {"venue": "binance"}, "reason": "a test"}
    async with whole.client.post(f"{BASE}/requests", json=wanted, headers=bearer) as response:
        request = (await response.json())["id"]
    async with whole.client.post(
        f"{BASE}/freezes", json={"scope": "everything", "reason": "x"}, headers=bearer
    ) as response:
        freeze = (await response.json())["id"]
    [incident] = await until(lambda: _opened(whole, bearer), 60)
    paths = {resource.canonical for resource in whole.app.router.resources()}
    assert len(paths) > 20
    found = [path.format(**PLACES, id=id_) for path in sorted(paths) for id_ in (request, freeze, incident)]
    return [f"{path}{query}" for path in dict.fromkeys(found) for query in QUERIES]


async def _opened(whole: Whole, bearer: dict[str, str]) -> list[str]:
    """The incidents: what follows by itself from the alert."""
    async with whole.client.get(f"{BASE}/incidents", headers=bearer) as response:
        return [each["id"] for each in (await response.json())["incidents"]]


@pytest.mark.parametrize("person", [None, *acting.PEOPLE])
async def test_every_link_followed_by_anybody_changes_nothing(whole: Whole, person: str | None) -> None:
    links = await furnished(whole)
    token = await whole.log_in(person) if person else "none"
    sent = [
        {"Authorization": f"Bearer {token}"},
        {"Cookie": f"occ={token}", PROOF: proof(token), "Origin": str(whole.client.make_url("/")).rstrip("/")},
    ]
    await asyncio.sleep(0)
    before = whole.digest()
    for headers in sent:
        for link in links:
            for method in ("GET", "HEAD", "OPTIONS"):
                async with whole.client.request(method, link, headers=headers, allow_redirects=False) as response:
                    assert response.status < 500, link
                    await response.read()
    assert whole.digest() == before
