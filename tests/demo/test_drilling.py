"""What makes a drill pass, and what makes it fail. The views are scripted, the judgement is real."""

import asyncio
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from demo import actions, answers, drilling
from demo.answers import ByPeople
from demo.centre import ACCOUNT, CANARIES, NODES, RULES, TRADED, VENUES, Centre, NoDemo
from demo.drilling import Exercise, Verdict, healthy
from demo.drills import DRILLS, Alert, Drill
from demo.engine.faults import Fault as EngineFault
from demo.faults import Fault
from demo.parts import ROOT
from demo.until import until
from demo.venue.faults import Fault as VenueFault
from demo.views import Views

DEADLINE = 30.0
LAGGING = ("NodeLagging", "local/beta")
BLIND = ("ChainBlind", "local")
DRILL = Drill(
    "lag",
    "beta lags",
    breaks={"beta": Fault.STALL},
    fires=frozenset({LAGGING}),
    pages=frozenset({"NodeLagging"}),
    mutes=frozenset({BLIND}),
    follows=frozenset({"NodeDown"}),
    threshold=0,
    rules=4,
    recovers=1,
)


class Obedient:
    """Who asks here gets what was asked for at once; one incident is open."""

    def __init__(self) -> None:
        self.posted: list[str] = []

    async def post(self, path: str, **_body: object) -> dict[str, str]:
        self.posted.append(path)
        return {"id": "r", "plan_hash": "h", "state": "approved"}

    async def get(self, _path: str) -> dict[str, Any]:
        incidents = [{"id": 7, "status": "open"}, {"id": 8, "status": "resolved"}]
        return {"request": {"state": "succeeded", "action": "halt", "why": ""}, "incidents": incidents}


class Scripted(Views):
    """A centre on which all that a drill asks for comes as soon as it is broken, and goes when it is mended."""

    def __init__(self, centre: Centre) -> None:
        super().__init__(centre)
        self.faults_set: dict[str, str] = {}
        self.told: list[tuple[str, tuple[object, ...]]] = []
        self.fires = {LAGGING, BLIND}
        self.receives, self.silences, self.calls = {LAGGING}, {BLIND}, {LAGGING}
        self.stays = self.ever_broken = False
        self.olga = Obedient()

    @property
    def broken(self) -> bool:
        return bool(self.faults_set) or (self.stays and self.ever_broken)

    async def is_broken(self) -> bool:
        return self.broken

    def desk(self, _person: object) -> Any:
        return self.olga

    async def set_fault(self, node: str, fault: str) -> None:
        self.faults_set[node], self.ever_broken = fault, True

    async def clear_fault(self, node: str) -> None:
        self.faults_set.pop(node)

    async def set_engine_fault(self, name: str) -> None:
        self.told.append(("engine", (name,)))

    async def chain(self, method: str, *params: object) -> None:
        self.told.append((method, params))

    async def nodes_up(self) -> bool:
        return not self.broken

    async def venues_up(self) -> bool:
        return not self.broken

    async def pools_up(self) -> bool:
        return not self.broken

    async def settled(self) -> bool:
        return not self.broken

    async def firing(self) -> set[Alert]:
        return {("Watchdog", "watchdog")} | (self.fires if self.broken else set())

    async def muted(self) -> set[Alert]:
        return self.silences if self.broken else set()

    async def pages(self) -> list[dict[str, Any]]:
        now = datetime.now(UTC).timestamp()
        return [
            {"at": now, "status": "firing", "alertname": name, "entity": entity}
            for name, entity in self._if(self.calls)
        ]

    async def episodes(self) -> list[dict[str, Any]]:
        return [{**_episode("Watchdog", "watchdog", 1), "updated_at": "long ago"}] + [
            _episode(name, entity, 2 + place) for place, (name, entity) in enumerate(sorted(self._if(self.receives)))
        ]

    def _if(self, alerts: set[Alert]) -> set[Alert]:
        return alerts if self.broken else set()


def _episode(name: str, entity: str, number: int) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    named = {"id": number, "alertname": name, "labels": {"entity": entity}, "fingerprint": f"f{number}"}
    return {**named, "status": "firing", "received_at": at, "updated_at": at}


@pytest.fixture
def views(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    monkeypatch.setattr(drilling, "AFTERMATH", 0.3)
    return Scripted(Centre(tmp_path, scale=4))


async def drilled(views: Scripted, drill: Drill = DRILL) -> Verdict:
    return await Exercise(Centre(Path("nowhere"), scale=4), views, drill).run()


async def test_what_comes_as_it_must_passes(views: Scripted) -> None:
    verdict = await drilled(views)
    assert verdict.passed
    assert verdict.seen.received.keys() == verdict.seen.paged.keys() == {LAGGING}
    assert views.faults_set == {}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"fires": {BLIND}, "receives": set[Alert]()}, "NodeLagging for local/beta did not fire within 1 s"),
        ({"receives": set[Alert]()}, "NodeLagging for local/beta fired and did not reach the receiver within 1 s"),
        ({"calls": set[Alert]()}, "NodeLagging for local/beta did not reach the pager"),
        ({"silences": set[Alert]()}, "ChainBlind for local was not muted"),
        ({"receives": {LAGGING, BLIND}}, "ChainBlind for local was to be muted, and reached the receiver"),
        ({"receives": {LAGGING, ("NodeForked", "x")}}, "NodeForked for x must not have come"),
        ({"calls": {LAGGING, ("SightLost", "x")}}, "SightLost for x must not have paged"),
        ({"stays": True}, "not healthy again after 1 s"),
    ],
)
async def test_what_does_not_is_said(views: Scripted, change: Mapping[str, Any], complaint: str) -> None:
    for name, value in change.items():
        setattr(views, name, value)
    verdict = await drilled(views)
    assert verdict.complaints == (complaint,)


async def test_what_may_follow_is_no_complaint(views: Scripted) -> None:
    views.receives = {LAGGING, ("NodeDown", "local/beta")}
    assert (await drilled(views)).passed


async def test_a_chain_that_is_halted_goes_on_afterwards(views: Scripted) -> None:
    views.stays = views.ever_broken = True
    await drilled(views, Drill("stall", "", fires=frozenset({LAGGING}), halts=True, rules=1, recovers=1))
    assert views.told == [("evm_setIntervalMining", (0,)), ("evm_setIntervalMining", (1,))]


async def test_a_fault_of_the_engine_is_set_and_taken_back(views: Scripted) -> None:
    views.stays = views.ever_broken = True
    await drilled(views, Drill("silent", "", fires=frozenset({LAGGING}), engine="silent", rules=1, recovers=1))
    assert views.told == [("engine", ("silent",)), ("engine", ("",))]


@pytest.mark.parametrize("cured", [True, False])
async def test_an_alert_that_an_action_is_to_resolve_must_be_over_before_the_fault_is(
    views: Scripted, monkeypatch: pytest.MonkeyPatch, *, cured: bool
) -> None:
    monkeypatch.setattr(answers, "RESOLVED_WITHIN", DEADLINE if cured else 0.5)
    episodes = views.episodes

    async def acted_on() -> list[dict[str, Any]]:
        looks.append(views.broken)
        over = {"status": "resolved"} if cured and sum(looks) > 1 else {}
        return [each if each["alertname"] == "Watchdog" else {**each, **over} for each in await episodes()]

    looks: list[bool] = []
    monkeypatch.setattr(views, "episodes", acted_on)
    verdict = await drilled(views, replace(DRILL, answer=ByPeople("halt", resolves=True), to=LAGGING))
    complaint = "not answered: halt succeeded, and the alert fires still"
    assert verdict.complaints == (() if cured else (complaint,))
    assert verdict.answered == ("halt succeeded, which resolved it" if cured else "")


async def well() -> bool:
    return True


async def test_what_came_of_a_drill_is_known_to_who_is_on_call(views: Scripted) -> None:
    """Else it would escalate, and pages that nobody took would page on their own."""
    assert (await drilled(views)).passed
    assert views.olga.posted == ["/incidents/7/acknowledge"]


async def test_an_alert_that_lasts_is_waited_for_no_longer_and_spoils_no_later_drill(views: Scripted) -> None:
    lasting, *_ = drilling.LASTING
    views.stays, views.silences, views.calls = True, set[Alert](), set[Alert]()
    views.receives = views.fires = {lasting}
    for name in ("nodes_up", "venues_up", "pools_up", "settled"):
        setattr(views, name, well)
    drill = Drill("lag", "", breaks={"beta": Fault.STALL}, fires=frozenset({lasting}), recovers=1)
    assert (await drilled(views, drill)).complaints == ("not healthy again after 1 s",)
    assert (await drilled(views, replace(drill, lasts=drill.fires))).passed
    later = Drill("silent", "", fires=frozenset(), engine="silent", rules=1, recovers=1)
    assert (await drilled(views, later)).passed
    views.receives = {LAGGING}
    assert "NodeLagging for local/beta must not have come" in (await drilled(views, later)).complaints


async def test_the_fault_is_taken_back_when_the_drill_is_given_up(views: Scripted) -> None:
    views.receives = set()
    exercise = asyncio.create_task(drilled(views))
    await until(views.is_broken, 30)
    exercise.cancel()
    await asyncio.gather(exercise, return_exceptions=True)
    assert views.faults_set == {}


async def test_a_centre_is_healthy_when_nothing_fires_but_the_watchdog(views: Scripted) -> None:
    assert await healthy(views)
    await views.set_fault("beta", "stall")
    assert not await healthy(views)


# --- the table -------------------------------------------------------------------------------------------------------


async def test_the_table_has_a_row_per_drill_and_the_medians(views: Scripted) -> None:
    good = await drilled(views)
    views.receives = set()
    bad = await drilled(views)
    out = Console(file=io.StringIO(), width=160)
    out.print(drilling.table([good, bad], 4))
    said = out.file.getvalue()  # type: ignore[attr-defined]
    assert re.search(r"lag .* NodeLagging for local/beta .* 1 .* pass", said)
    assert "FAIL" in said
    assert re.fullmatch(r"median fault to receiver \d+\.\d s, fault to pager \d+\.\d s", drilling.medians([good]))
    assert drilling.medians([]) == "nothing was received"


# --- the command -----------------------------------------------------------------------------------------------------


def test_without_a_demo_it_says_how_to_start_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(_run: Path | None) -> Centre:
        raise NoDemo("no demo is running")

    monkeypatch.setattr(Centre, "running", none)
    assert drilling.main(["lag"]) == 1
    assert capsys.readouterr().err == "occ drill: no demo is running\n"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "name one or more drills, or --all"),
        (["lag", "--all"], "name one or more drills, or --all"),
        (["lagg"], "no such drill: lagg; there are: stall, lag, fork"),
    ],
)
def test_a_wrong_line_is_refused(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        drilling.main(argv)
    assert left.value.code == 2
    assert said in capsys.readouterr().err


# --- the drills ------------------------------------------------------------------------------------------------------


def alerts() -> dict[str, str]:
    """The severity of every shipped alert, as it is written."""
    groups = [group for file in RULES.glob("alerts/*.yml") for group in yaml.safe_load(file.read_text())["groups"]]
    return {rule["alert"]: rule["labels"]["severity"] for group in groups for rule in group["rules"]}


@pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.name)
def test_a_drill_names_what_there_is(drill: Drill) -> None:
    shipped = alerts()
    assert {name for name, _ in drill.fires | drill.mutes} | drill.follows <= shipped.keys()
    assert drill.pages == {name for name, _ in drill.fires if "page" in shipped[name]}
    assert drill.breaks.keys() <= {*NODES, *CANARIES}
    assert drill.venues.keys() <= VENUES.keys()
    assert {fault for fault, _ in drill.venues.values()} <= set(VenueFault)
    assert not drill.engine or EngineFault(drill.engine).own
    assert drill.lasts <= drill.fires
    assert drill.breaks or drill.venues or drill.halts or drill.market or drill.engine


@pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.name)
def test_the_runbooks_of_what_fires_tell_of_the_drill(drill: Drill) -> None:
    for name, _ in drill.fires:
        _, _, section = (ROOT / "runbooks" / f"{name}.md").read_text().partition("## Drill")
        assert f"`{drill.name}`" in section


OFFERED = {
    action["name"]: {each["alertname"] for each in action.get("offered_by", ())}
    for action in actions.document({}, "", venues=[*VENUES], traded=(TRADED, ACCOUNT), script=Path(__file__))["actions"]
}


@pytest.mark.parametrize("drill", [drill for drill in DRILLS if drill.answer], ids=lambda drill: drill.name)
def test_what_is_done_about_an_alert_is_what_it_offers(drill: Drill) -> None:
    assert drill.answer
    assert drill.to in drill.fires
    assert drill.to[0] in OFFERED[drill.answer.action]
    assert not drill.answer.undo or drill.answer.undo in OFFERED


def _told(found: Iterable[Alert]) -> str:
    return ", ".join(f"{name} `{entity}`" for name, entity in sorted(found))


def test_the_docs_have_a_row_for_each_drill() -> None:
    rows = [line for line in (ROOT / "docs/demo.md").read_text().splitlines() if line.startswith("| `")]
    severity = {True: "page", False: "ticket"}
    assert [row for row in rows if row.count("|") > 3] == [
        f"| `{drill.name}` | {drill.story} | {_told(drill.fires)} | {severity[bool(drill.pages)]} | {_told(drill.mutes)} |"
        for drill in DRILLS
    ]


def test_names_are_different() -> None:
    assert len({drill.name for drill in DRILLS}) == len(DRILLS)
