"""The verdict: what it needs to be good, and what makes it bad. The views are scripted, the judgement is real."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.samples import Sample
from rich.console import Console

from demo import people
from demo.centre import SCRAPED, Centre
from demo.hands import Desk
from demo.scenario import Scenario, StepFailed
from demo.screen import Timeline
from demo.views import Views

FROZEN = {"alertname": "FeedFrozen", "labels": {"entity": "binance"}}
WATCHDOG = {"alertname": "Watchdog", "labels": {"entity": "watchdog"}, "status": "firing"}


class Receiver:
    """What is asked of it and answered; a request is approved by two, and succeeds unless `ends` says otherwise."""

    def __init__(self, views: "Scripted") -> None:
        self._views = views
        self.did: list[tuple[str, str]] = []
        self.refuses = ""
        self.ends = "succeeded"
        self._action, self._approvals = "", 0

    def asked(self, person: str, method: str, path: str, given: Mapping[str, Any]) -> Any:
        if method == "POST":
            self.did.append((person, path))
        if self.refuses and path.endswith(self.refuses):
            raise aiohttp.ClientError("403, Forbidden")
        if path == "/incidents":
            status = "open" if self._views.broken else "resolved"
            return {
                "incidents": [{"entity": "binance", "id": "i", "status": status}] if self._views.ever_broken else []
            }
        if path.endswith("/report"):
            return "# Report\n\nEnd\n"
        if path.startswith("/requests"):
            return self._request(path, given)
        return {}

    def _request(self, path: str, given: Mapping[str, Any]) -> dict[str, Any]:
        if path == "/requests":
            self._action, self._approvals = given["action"], 0
        self._approvals += path.endswith("/approve")
        if self._approvals == 2:
            self._views.halted = self._action == "halt-and-cancel"
        state = self.ends if self._approvals == 2 else "pending_approval"
        made = {"id": "r", "plan_hash": "h", "state": state, "action": self._action, "why": "refused"}
        return {**made, "request": made}


class Hands(Desk):
    """As somebody at that receiver."""

    def __init__(self, receiver: Receiver, person: people.Person) -> None:
        self.receiver, self.person = receiver, person

    async def get(self, path: str, **parameters: str) -> Any:
        return self.receiver.asked(self.person.id, "GET", path, parameters)

    async def post(self, path: str, **body: object) -> Any:
        return self.receiver.asked(self.person.id, "POST", path, body)

    async def page(self, path: str) -> str:
        return str(self.receiver.asked(self.person.id, "GET", path, {}))


class Scripted(Views):
    """A centre on which everything is seen as soon as the fault is set, and gone when it is cleared."""

    def __init__(self, centre: Centre) -> None:
        super().__init__(centre)
        self.faults: list[tuple[str, str | None]] = []
        self.also_fired: list[dict[str, str]] = []
        self.also_recorded: list[dict[str, Any]] = []
        self.halted = False
        self.left = {"BTC/USDT": 1, "ETH/USDT": 1}
        self.receiver = Receiver(self)

    @property
    def broken(self) -> bool:
        return bool(self.faults) and self.faults[-1][1] is not None

    @property
    def ever_broken(self) -> bool:
        return bool(self.faults)

    def desk(self, person: people.Person) -> Desk:
        return Hands(self.receiver, person)

    async def set_venue_fault(self, venue: str, fault: str, **particulars: str) -> None:
        self.faults.append((venue, fault))

    async def clear_venue(self, venue: str) -> None:
        self.faults.append((venue, None))

    async def samples(self, exporter: str) -> list[Sample]:
        labels = {"venue": "binance"}
        if exporter == "engine":
            return [Sample("engine_quoting", labels, 0.0 if self.halted else 1.0)]
        return [Sample("exchange_book_frozen", labels, float(self.broken))]

    async def orders(self, venue: str, account: str) -> dict[str, int]:
        return self.left if self.halted else {"BTC/USDT": 7, "ETH/USDT": 7}

    async def pools_up(self) -> bool:
        return True

    async def query(self, expression: str) -> list[dict[str, Any]]:
        if "ALERTS" in expression:
            watchdog = {"alertname": "Watchdog", "entity": "watchdog"}
            muted = {"alertname": "BookFrozen", "entity": "binance/BTC/USDT"}
            return [{"metric": metric} for metric in (watchdog, muted, *self.also_fired)]
        return [{}] * (3 if "occ_target_up" in expression else len(SCRAPED))

    async def rule(self, alertname: str) -> dict[str, Any]:
        return {"alerts": [{**FROZEN, "state": "firing"}] if self.broken else []}

    async def alertmanager_alerts(self, alertname: str) -> list[dict[str, Any]]:
        return [FROZEN]

    async def pages(self) -> list[dict[str, Any]]:
        return [{"alertname": "FeedFrozen", "entity": "binance"}]

    async def episodes(self) -> list[dict[str, Any]]:
        now = {**FROZEN, "fingerprint": "f", "status": "firing" if self.broken else "resolved"}
        return [WATCHDOG, *([now] if self.faults else []), *self.also_recorded]


@pytest.fixture
def views(tmp_path: Path) -> Scripted:
    (tmp_path / "run").mkdir()
    return Scripted(Centre(tmp_path / "run", scale=1000))


async def play(views: Scripted, tmp_path: Path) -> tuple[str, str]:
    """The verdict and the timeline."""
    out = io.StringIO()
    timeline = Timeline(Console(file=out, width=160))
    return await Scenario(Centre(tmp_path / "run", scale=1000), views, timeline, spare=0.1).run(), out.getvalue()


async def test_a_good_run(views: Scripted, tmp_path: Path) -> None:
    verdict, timeline = await play(views, tmp_path)
    assert verdict.startswith("FeedFrozen for binance opened an incident ")
    assert "a report of 3 lines" in verdict
    assert views.faults == [("binance", "frozen"), ("binance", None)]
    assert "fault: the books of venue binance stand still" in timeline
    assert (tmp_path / "run/report.md").read_text().startswith("# Report")


async def test_who_does_what(views: Scripted, tmp_path: Path) -> None:
    await play(views, tmp_path)
    asked = [("olga", "/requests"), ("olga", "/requests/r/submit")]
    approved = [("tom", "/requests/r/approve"), ("rita", "/requests/r/approve")]
    assert views.receiver.did == [
        ("olga", "/incidents/i/acknowledge"),
        *asked,
        *approved,
        ("olga", "/incidents/i/mitigate"),
        *asked,
        *approved,
        ("olga", "/incidents/i/close"),
    ]


@pytest.mark.parametrize("refused", ["/acknowledge", "/mitigate", "/close", "/report"])
async def test_what_the_receiver_refuses_is_named(views: Scripted, tmp_path: Path, refused: str) -> None:
    views.receiver.refuses = refused
    with pytest.raises(StepFailed, match=rf"^/incidents/i{refused}: 403") as failed:
        await play(views, tmp_path)
    assert failed.value.part == "receiver"


async def test_an_action_that_ends_otherwise_is_named(views: Scripted, tmp_path: Path) -> None:
    views.receiver.ends = "failed"
    with pytest.raises(StepFailed, match=r"^halt-and-cancel: halt-and-cancel failed: refused$"):
        await play(views, tmp_path)


async def test_orders_that_stay_open_are_seen_at_the_venue(views: Scripted, tmp_path: Path) -> None:
    views.left = {"BTC/USDT": 1, "ETH/USDT": 2}
    with pytest.raises(StepFailed, match=r"^not seen within 0\.1 s: no order of it is open but stops") as failed:
        await play(views, tmp_path)
    assert failed.value.part == "venues"


async def test_what_fired_as_well_in_prometheus_is_named(views: Scripted, tmp_path: Path) -> None:
    views.also_fired = [{"alertname": "NodeDown", "entity": "local/gamma"}]
    with pytest.raises(StepFailed, match=r"^fired as well: NodeDown for local/gamma$"):
        await play(views, tmp_path)


async def test_a_muted_alert_that_reached_the_receiver_is_named_too(views: Scripted, tmp_path: Path) -> None:
    views.also_recorded = [
        {"alertname": "BookFrozen", "labels": {"entity": "binance/BTC/USDT"}, "status": "resolved", "fingerprint": "g"}
    ]
    with pytest.raises(StepFailed, match=r"^fired as well: BookFrozen for binance/BTC/USDT$"):
        await play(views, tmp_path)


async def test_an_alert_for_another_venue_is_not_the_one(
    views: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def for_kraken(alertname: str) -> list[dict[str, Any]]:
        return [{"labels": {"entity": "kraken"}}]

    monkeypatch.setattr(views, "alertmanager_alerts", for_kraken)
    with pytest.raises(StepFailed, match=r"^not seen within 0\.1 s: Alertmanager has it") as failed:
        await play(views, tmp_path)
    assert failed.value.part == "alertmanager"
