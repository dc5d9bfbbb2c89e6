"""Something of every kind in a receiver, all of it said by hostile people and alerts."""

from __future__ import annotations

from functools import partial
from typing import Any

from demo.until import until
from receiver.clock import SECOND
from tests.browser.site import NOW, Site
from tests.receiver.support import alert

WITHIN = 60.0

FROZEN, ENDED, ODD, LURE = "00ff00ff00ff00ff", "11ee11ee11ee11ee", "22dd22dd22dd22dd", "33cc33cc33cc33cc"
"""Fingerprints: of an alert that fires and can be acted on, one that has resolved, one of which every word is hostile, and one
for which actions are offered, with hostile labels to fill them in."""

CALLED = "occ_was_here"
"""The function that an attack calls, and a tab listens for."""

ATTACKS = (
    f"<script>{CALLED}(1)</script>",
    f'"><img src=x onerror="{CALLED}(2)">',
    f"'><svg onload={CALLED}(3)>",
    f"</textarea></title></style><script>{CALLED}(4)</script>",
    f"javascript:{CALLED}(5)",
    f'x" onfocus="{CALLED}(6)" autofocus="',
    f"{{{{ {CALLED} }}}}${{{CALLED}(7)}}",
    "\u202egnp.exe\u2066 \u200b",
)
ATTACK = " ".join(ATTACKS)
LONG = "a-word-that-does-not-end-" * 400
"""10 kB in one piece."""


async def furnish(site: Site) -> None:
    """Fills the site, and knows every id that a page can be asked for."""
    await _alerts(site)
    requests = [await _planned(site), await _pending(site), await _rejected(site), await _succeeded(site)]
    await site.post("/freezes", "opal", scope="action", name="widen", reason=ATTACK)
    site.places |= {
        "/a/": [FROZEN, ENDED, ODD, LURE],
        "/r/": requests,
        "/r/{id}/chart": requests[1:2],
        "/actions/": ["halt", "halt-with-approval", "widen"],
        "/i/": await _incidents(site),
    }
    await until(partial(_judged, site), WITHIN)


async def _judged(site: Site) -> bool:
    """Whether the receiver has said of both alerts that offer it something why it does nothing, and has no more to say."""
    return {each["why"] for each in (await site.get("/automation"))["decisions"]} == {"person_acts", "out_of_bounds"}


async def _alerts(site: Site) -> None:
    at = NOW * SECOND
    said = {
        "summary": "The order books of binance have not changed for 40 minutes.",
        "first_action": "Stop the engine there; then look whether the venue itself stands still.",
        "description": "All 2 symbols are frozen: their sequence numbers do not move.",
        "runbook_url": "https://runbooks.example/FeedFrozen",
        "dashboard_url": "https://grafana.example/d/exchange?var-venue=binance",
    }
    labels = {"domain": "exchange", "parent": "binance", "entity": "binance", "venue": "binance"}
    frozen = alert("FeedFrozen", starts=at - 2_400 * SECOND, labels=labels) | {"annotations": said}
    ended = alert("NodeLagging", starts=at - 9_000 * SECOND, ends=at - 7_000 * SECOND, labels={"domain": "nodes"})
    hostile = {"entity": ATTACK, "domain": ATTACK, "venue": ATTACK, "long": LONG, f"odd{ATTACKS[0]}": ATTACK}
    words = dict.fromkeys((*said, f"more{ATTACKS[1]}"), ATTACK) | {"long": LONG, "description": LONG}
    odd = alert(f"FeedFrozen {ATTACK}", starts=at - 600 * SECOND, labels=hostile) | {"annotations": words}
    lure = alert("FeedFrozen", starts=at - 600 * SECOND, labels=hostile) | {"annotations": words}
    for one, fingerprint in ((frozen, FROZEN), (ended, ENDED), (odd, ODD), (lure, LURE)):
        await site.send(one | {"fingerprint": fingerprint})


async def _plan(site: Site, action: str, person: str = "opal", **more: Any) -> Any:
    return await site.post("/requests", person, action=action, reason=f"because {ATTACK}", **more)


async def _submitted(site: Site, action: str, **more: Any) -> Any:
    made = await _plan(site, action, **more)
    return await site.post(f"/requests/{made['id']}/submit", "opal", plan_hash=made["plan_hash"])


async def _planned(site: Site) -> str:
    return str((await _plan(site, "widen", parameters={"width": "12"}))["id"])


async def _pending(site: Site) -> str:
    made = await _submitted(site, "halt-with-approval", fingerprint=FROZEN)
    await site.post(f"/requests/{made['id']}/approve", "tara", plan_hash=made["plan_hash"], reason=ATTACK)
    return str(made["id"])


async def _rejected(site: Site) -> str:
    made = await _submitted(site, "resume", parameters={"venue": "binance"})
    await site.post(f"/requests/{made['id']}/reject", "rita", plan_hash=made["plan_hash"], reason=ATTACK)
    return str(made["id"])


async def _succeeded(site: Site) -> str:
    made = await _submitted(site, "halt", parameters={"venue": "deribit"})
    await until(partial(_is, site, f"/requests/{made['id']}", "succeeded"), WITHIN)
    return str(made["id"])


async def _is(site: Site, path: str, state: str) -> bool:
    return bool((await site.get(path))["request"]["state"] == state)


async def _incidents(site: Site) -> list[str]:
    """One that is led by somebody who has said a lot, one of hostile alerts, one that is closed; and one of nothing hostile."""

    async def found() -> list[Any]:
        return list((await site.get("/incidents"))["incidents"])

    async def there() -> bool:
        return len(await found()) >= 3

    await until(there, WITHIN)
    by_entity = {one["entity"]: one["id"] for one in await found()}
    led = by_entity["binance"]
    await site.post(f"/incidents/{led}/acknowledge", "cora", reason=ATTACKS[0])
    await site.post(f"/incidents/{led}/note", "opal", text=f"{ATTACK}\n{LONG[:3_000]}")
    made = await site.post("/incidents", "opal", title=f"By hand {ATTACKS[0]}", severity="ticket", reason=ATTACKS[3])
    for turn, more in (
        ("acknowledge", {}),
        ("resolve", {"reason": ATTACK[:250]}),
        ("close", {"summary": f"Over. {ATTACK}"}),
    ):
        await site.post(f"/incidents/{made['id']}/{turn}", "cora", **more)
    harmless = by_entity["ethereum/alchemy"]
    others = [id_ for id_ in by_entity.values() if id_ not in (led, harmless)]
    return [led, *others, made["id"], harmless]
