"""One fault at a real venue, from the alert to people who act on it, to a verified recovery and a report; seen at each station."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from .answers import Unanswered, acted
from .centre import ACCOUNT, NODES, TRADED, VENUES, Centre
from .people import OLGA
from .screen import Timeline
from .until import until
from .venue.faults import Fault
from .views import Views, patiently

VICTIM = TRADED
ALERT = "FeedFrozen"
WATCHDOG = "Watchdog"
ENTITY = VICTIM
FROZEN = "exchange_book_frozen"
QUOTING = "engine_quoting"
ACTION, UNDO = "halt-and-cancel", "resume"
VENUE = {"venue": VICTIM}
MUTED = "BookFrozen"
"""What FeedFrozen says better: it fires for each book, and reaches nobody."""


class StepFailed(Exception):  # noqa: N818 - it names what happened
    """A step was not seen in time, or showed what must not be; `part` is whose log may tell why."""

    def __init__(self, message: str, part: str) -> None:
        super().__init__(message)
        self.part = part


@dataclass(frozen=True)
class Step:
    """Something that must become true, seen at a part of the centre; `takes` seconds when all is well."""

    what: str
    part: str
    where: str
    seen: Callable[[], Awaitable[bool]]
    takes: float = 0

    @property
    def place(self) -> str:
        return f"{self.part} {self.where}"


class Scenario:
    """A feed stands still: it is noticed and paged, people stop the engine there, cancel its orders, and let it go on after."""

    def __init__(self, centre: Centre, views: Views, timeline: Timeline, *, spare: float = 30) -> None:
        """`spare` is what each step may take beyond what the rules' own windows and waits take, in seconds."""
        self._centre, self._views, self._timeline, self._spare = centre, views, timeline, spare
        self._began = time.monotonic()
        self._fault: float | None = None
        self._fingerprint, self._incident = "", ""

    async def run(self) -> str:
        """The verdict; StepFailed names the step that was not seen."""
        await self.healthy()
        fault = self._fault = time.monotonic()
        await self._views.set_venue_fault(VICTIM, Fault.FROZEN)
        self._note(f"fault: the books of venue {VICTIM} stand still")
        paged = await self._follow(self._detection())
        acted_on = await self._respond()
        await self._views.clear_venue(VICTIM)
        lifted = self._note("the fault is lifted")
        resolved = await self._follow(self._recovery())
        lines = await self._close()
        await self._nothing_else_fired()
        return (
            f"{ALERT} for {ENTITY} opened an incident {paged - fault:.1f} s after the fault; two people approved, the engine "
            f"stopped and its orders were gone {acted_on - paged:.1f} s later; resolved {resolved - lifted:.1f} s after the "
            f"fault's end; a report of {lines} lines; nothing else fired"
        )

    async def healthy(self) -> None:
        """All is well, and the path of alerts is known to work, before anything is broken."""
        scale = self._centre.scale
        self._timeline.head(f"One fault on real parts; waits and windows of rules and routes are divided by {scale:g}.")
        read = 'occ_target_up{exporter="%s"}'
        await self._follow(
            (
                Step("every part is scraped", "prometheus", "up", self._views.all_scraped),
                Step(f"{len(NODES)} nodes are up", "nodes", read % "nodes", self._views.nodes_up),
                Step(f"{len(VENUES)} venues are up", "exchange", read % "exchange", self._views.venues_up),
                Step("pools, feeds and positions are up", "pools", read % "pools", self._views.pools_up),
                Step("the engine has orders there", "venues", "/venues", lambda: self._orders(there=True)),
                # Whoever has not seen a venue for a minute can not tell its recovery from its being out of sight.
                Step(f"{VICTIM} was in sight for a minute", "exchange", "occ_target_stale", self._in_sight, 60),
                Step(f"{WATCHDOG} has reached the receiver", "receiver", "/api/v1/episodes", self._watched),
            )
        )

    # --- it is noticed ------------------------------------------------------------------------------------------------

    def _detection(self) -> tuple[Step, ...]:
        return (
            Step(f"{FROZEN} is 1 on the exporter's page", "exchange", "/metrics", self._page_says, 10),
            Step(f"{ALERT} fires", "prometheus", "/api/v1/rules", self._fires, self._rule_takes()),
            Step("Alertmanager has it", "alertmanager", "/api/v2/alerts", self._routed),
            Step("the receiver has committed it", "receiver", "/api/v1/episodes", lambda: self._recorded("firing")),
            Step("the pager has called", "pager", "/pages", self._paged),
            Step("an incident is open", "receiver", "/api/v1/incidents", lambda: self._stands("open")),
        )

    def _rule_takes(self) -> float:
        """A window and a wait of a minute each at most, on the time scale."""
        return 120 / self._centre.scale

    # --- people act ---------------------------------------------------------------------------------------------------

    async def _respond(self) -> float:
        desk = self._views.desk(OLGA)
        await self._ask(desk.page, f"/a/{self._fingerprint}")
        self._note(f"{OLGA.id} opens the alert's page", "receiver /a/…")
        await self._ask(desk.post, f"{self._incident}/acknowledge")
        self._note(f"{OLGA.id} acknowledges the incident", "receiver /api/v1/incidents")
        await self._act(ACTION, self._fingerprint)
        gone = await self._follow(
            (
                Step("the engine quotes nothing there", "engine", QUOTING, lambda: self._quotes(0)),
                Step("no order of it is open but stops", "venues", "/venues", lambda: self._orders(there=False)),
            )
        )
        await self._ask(desk.post, f"{self._incident}/mitigate", reason="the engine has stopped, its orders are gone")
        self._note(f"{OLGA.id} says that it is mitigated", "receiver /api/v1/incidents")
        return gone

    async def _act(self, action: str, fingerprint: str | None = None) -> None:
        def told(what: str) -> None:
            self._note(what, "receiver /api/v1/requests")

        try:
            await acted(self._views, action, VENUE, fingerprint, told=told)
        except (Unanswered, aiohttp.ClientError) as error:
            raise StepFailed(f"{action}: {error}", "receiver") from None
        self._note(f"{action} succeeded, verified", "receiver /api/v1/requests")

    async def _ask(self, ask: Callable[..., Awaitable[Any]], path: str, **given: object) -> Any:
        try:
            return await ask(path, **given)
        except aiohttp.ClientError as error:
            raise StepFailed(f"{path}: {error}", "receiver") from None

    # --- it is over ---------------------------------------------------------------------------------------------------

    def _recovery(self) -> tuple[Step, ...]:
        return (
            Step(f"{ALERT} is inactive", "prometheus", "/api/v1/rules", self._inactive, self._rule_takes()),
            Step("the receiver says resolved", "receiver", "/api/v1/episodes", lambda: self._recorded("resolved")),
            Step("the incident is resolved", "receiver", "/api/v1/incidents", lambda: self._stands("resolved")),
        )

    async def _close(self) -> int:
        """The engine goes on, the incident is closed; how many lines its report has."""
        await self._act(UNDO)
        await self._follow((Step("its orders are back", "venues", "/venues", lambda: self._orders(there=True), 10),))
        desk = self._views.desk(OLGA)
        await self._ask(desk.post, f"{self._incident}/close", summary="The venue's feed stood still. The demo did it.")
        report: str = await self._ask(desk.get, f"{self._incident}/report")
        (self._centre.run / "report.md").write_text(report)
        self._note(f"{OLGA.id} closes the incident; its report", "receiver /api/v1/incidents/…/report")
        return len(report.splitlines())

    # --- how it is followed -------------------------------------------------------------------------------------------

    async def _follow(self, steps: tuple[Step, ...]) -> float:
        """Each begins when the one before was seen; when the last was."""
        return [await self._watch(step) for step in steps][-1]

    async def _watch(self, step: Step) -> float:
        within = step.takes + self._spare
        try:
            with self._timeline.waiting(step.what):
                await until(lambda: patiently(step.seen), within)
        except TimeoutError:
            self._timeline.row(self._since_fault(), step.what, f"NOT SEEN at {step.place}", style="bold red")
            raise StepFailed(f"not seen within {within:g} s: {step.what} ({step.place})", step.part) from None
        return self._note(step.what, step.place)

    def _note(self, what: str, where: str = "") -> float:
        self._timeline.row(self._since_fault(), what, where, style="" if where else "bold")
        return time.monotonic()

    def _since_fault(self) -> float | None:
        return None if self._fault is None else time.monotonic() - self._fault

    # --- what is looked at --------------------------------------------------------------------------------------------

    async def _watched(self) -> bool:
        return any(each["alertname"] == WATCHDOG for each in await self._views.episodes())

    async def _in_sight(self) -> bool:
        stale = f'occ_target_stale{{exporter="exchange",target="{VICTIM}"}}'
        return bool(await self._views.query(f"max(max_over_time({stale}[1m])) == 0"))

    async def _page_says(self) -> bool:
        found = [each for each in await self._views.samples("exchange") if each.name == FROZEN]
        return any(each.value == 1 and each.labels["venue"] == VICTIM for each in found)

    async def _fires(self) -> bool:
        alerts = (await self._views.rule(ALERT))["alerts"]
        return any(alert["state"] == "firing" and _entity(alert) == ENTITY for alert in alerts)

    async def _inactive(self) -> bool:
        return not any(_entity(alert) == ENTITY for alert in (await self._views.rule(ALERT))["alerts"])

    async def _routed(self) -> bool:
        return any(_entity(alert) == ENTITY for alert in await self._views.alertmanager_alerts(ALERT))

    async def _recorded(self, status: str) -> bool:
        for each in await self._views.episodes():
            if each["alertname"] == ALERT and _entity(each) == ENTITY and each["status"] == status:
                self._fingerprint = each["fingerprint"]
                return True
        return False

    async def _paged(self) -> bool:
        return any(page["alertname"] == ALERT and page["entity"] == ENTITY for page in await self._views.pages())

    async def _stands(self, status: str) -> bool:
        for each in (await self._views.desk(OLGA).get("/incidents"))["incidents"]:
            if each["entity"] == ENTITY and each["status"] == status:
                self._incident = f"/incidents/{each['id']}"
                return True
        return False

    async def _quotes(self, value: float) -> bool:
        found = [each for each in await self._views.samples("engine") if each.name == QUOTING]
        return {each.value for each in found if each.labels["venue"] == VICTIM} == {value}

    async def _orders(self, *, there: bool) -> bool:
        """Whether each symbol where it trades has more than its protective stop, or none has."""
        more = {count > 1 for count in (await self._views.orders(VICTIM, ACCOUNT)).values()}
        return more == {there}

    async def _nothing_else_fired(self) -> None:
        """Neither in Prometheus, however shortly, nor at the receiver, since the start."""
        window = int(time.monotonic() - self._began) + 60
        firing = await self._views.query(f'max_over_time(ALERTS{{alertstate="firing"}}[{window}s])')
        fired = {(each["metric"]["alertname"], each["metric"].get("entity", "")) for each in firing}
        muted = {alert for alert in fired if alert[0] == MUTED and alert[1].startswith(f"{VICTIM}/")}
        fired = (fired - muted) | {(each["alertname"], _entity(each)) for each in await self._views.episodes()}
        if others := sorted(fired - {(WATCHDOG, "watchdog"), (ALERT, ENTITY)}):
            raise StepFailed(
                f"fired as well: {', '.join(f'{name} for {entity}' for name, entity in others)}", "prometheus"
            )
        self._note("no other alert has fired", "prometheus ALERTS, receiver /api/v1/episodes")


def _entity(alert: dict[str, Any]) -> str:
    return str(alert["labels"].get("entity", ""))
