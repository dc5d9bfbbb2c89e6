"""The verdict: what it needs to be good, and what makes it bad. The views are scripted, the judgement is real."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from demo.centre import SCRAPED, Centre
from demo.scenario import Scenario, StepFailed
from demo.screen import Timeline
from demo.views import Views

LAGGING = {"alertname": "NodeLagging", "labels": {"entity": "local/beta"}}
WATCHDOG = {"alertname": "Watchdog", "labels": {"entity": "watchdog"}, "status": "firing"}


class Scripted(Views):
    """A centre on which everything is seen as soon as the fault is set, and gone when it is cleared."""

    def __init__(self, centre: Centre) -> None:
        super().__init__(centre)
        self.faults: list[tuple[str, str | None]] = []
        self.limits: list[dict[str, Any]] = [{"value": [0, "3"]}]
        self.also_fired: list[dict[str, str]] = []
        self.also_recorded: list[dict[str, Any]] = []

    @property
    def stalled(self) -> bool:
        return bool(self.faults) and self.faults[-1][1] is not None

    async def set_fault(self, node: str, fault: str) -> None:
        self.faults.append((node, fault))

    async def clear_fault(self, node: str) -> None:
        self.faults.append((node, None))

    async def page(self, name: str, labels: Mapping[str, str]) -> list[float]:
        return [4.0 if self.stalled else 0.0]

    async def query(self, expression: str) -> list[dict[str, Any]]:
        if "ALERTS" in expression:
            return [
                {"metric": metric} for metric in ({"alertname": "Watchdog", "entity": "watchdog"}, *self.also_fired)
            ]
        if "occ:threshold" in expression:
            return self.limits
        return [{}] * (3 if "occ_target_up" in expression else len(SCRAPED))

    async def rule(self, alertname: str) -> dict[str, Any]:
        alerts = [{**LAGGING, "state": "firing"}] if self.stalled else []
        return {"alerts": alerts}

    async def alertmanager_alerts(self, alertname: str) -> list[dict[str, Any]]:
        return [LAGGING]

    async def episodes(self) -> list[dict[str, Any]]:
        recorded = [{**LAGGING, "status": "firing" if self.stalled else "resolved"}] if self.faults else []
        return [WATCHDOG, *recorded, *self.also_recorded]


@pytest.fixture
def views(tmp_path: Path) -> Scripted:
    return Scripted(Centre(tmp_path, scale=1000))


async def play(views: Scripted) -> tuple[str, str]:
    """The verdict and the timeline."""
    out = io.StringIO()
    timeline = Timeline(Console(file=out, width=160))
    return await Scenario(Centre(Path("/nowhere"), scale=1000), views, timeline, spare=0.1).run(), out.getvalue()


async def test_a_good_run(views: Scripted) -> None:
    verdict, timeline = await play(views)
    assert verdict.startswith("NodeLagging for local/beta reached the receiver ")
    assert views.faults == [("beta", "stall"), ("beta", None)]
    assert "fault: node beta stalls" in timeline


async def test_what_fired_as_well_in_prometheus_is_named(views: Scripted) -> None:
    views.also_fired = [{"alertname": "NodeDown", "entity": "local/gamma"}]
    with pytest.raises(StepFailed, match=r"^fired as well: NodeDown for local/gamma$"):
        await play(views)


async def test_what_only_the_receiver_saw_is_named_too(views: Scripted) -> None:
    views.also_recorded = [{"alertname": "NodeLagging", "labels": {"entity": "local/alpha"}, "status": "resolved"}]
    with pytest.raises(StepFailed, match=r"^fired as well: NodeLagging for local/alpha$"):
        await play(views)


async def test_without_a_limit_there_is_nothing_to_compare_with(views: Scripted) -> None:
    views.limits = []
    with pytest.raises(StepFailed, match=r"^no rule records occ:threshold:lag_blocks for local$"):
        await play(views)
    assert views.faults == []


async def test_an_alert_for_another_node_is_not_the_one(views: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    async def for_alpha(alertname: str) -> list[dict[str, Any]]:
        return [{"labels": {"entity": "local/alpha"}}]

    monkeypatch.setattr(views, "alertmanager_alerts", for_alpha)
    with pytest.raises(StepFailed, match=r"^not seen within 0\.1 s: Alertmanager has it") as failed:
        await play(views)
    assert failed.value.part == "alertmanager"
