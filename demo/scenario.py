"""One fault from a real node to a verified recovery, observed at each station of its way."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from .centre import NODES, VENUES, Centre
from .faults import Fault
from .screen import Timeline
from .settings import CHAIN
from .until import until
from .views import Views, patiently

VICTIM = "beta"
ALERT = "NodeLagging"
WATCHDOG = "Watchdog"
ENTITY = f"{CHAIN}/{VICTIM}"
LAG = "rpc_block_lag_blocks"
LIMIT = "occ:threshold:lag_blocks"
_EXPECTED = {(WATCHDOG, "watchdog"), (ALERT, ENTITY)}


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
    """A node stalls, is noticed, paged and recorded; it recovers, and that is noticed too."""

    def __init__(self, centre: Centre, views: Views, timeline: Timeline, *, spare: float = 30) -> None:
        """`spare` is what each step may take beyond what the rules' own windows and waits take, in seconds."""
        self._centre, self._views, self._timeline, self._spare = centre, views, timeline, spare
        self._began = time.monotonic()
        self._fault: float | None = None

    async def run(self) -> str:
        """The verdict; StepFailed names the step that was not seen."""
        await self.healthy()
        threshold = await self._threshold()
        fault = self._fault = time.monotonic()
        await self._views.set_fault(VICTIM, Fault.STALL)
        self._note(f"fault: node {VICTIM} stalls")
        fired = await self._follow(self._detection(threshold))
        await self._views.clear_fault(VICTIM)
        lifted = self._note("the fault is lifted")
        resolved = await self._follow(self._recovery())
        await self._nothing_else_fired()
        return (
            f"{ALERT} for {ENTITY} reached the receiver {fired - fault:.1f} s after the fault and "
            f"was resolved there {resolved - lifted:.1f} s after its end; nothing else fired"
        )

    async def healthy(self) -> None:
        """All is well, and the path of alerts is known to work, before anything is broken."""
        scale = self._centre.scale
        self._timeline.head(f"One fault on real parts; waits and windows of rules and routes are divided by {scale:g}.")
        await self._follow(
            (
                Step("every part is scraped", "prometheus", "up", self._views.all_scraped),
                Step(f"{len(NODES)} nodes are up", "nodes", 'occ_target_up{exporter="nodes"}', self._views.nodes_up),
                Step(
                    f"{len(VENUES)} venues are up",
                    "exchange",
                    'occ_target_up{exporter="exchange"}',
                    self._views.venues_up,
                ),
                Step(
                    "pools, feeds and positions are up",
                    "pools",
                    'occ_target_up{exporter="pools"}',
                    self._views.pools_up,
                ),
                Step(f"{WATCHDOG} has reached the receiver", "receiver", "/api/v1/episodes", self._watched),
            )
        )

    def _detection(self, limit: float) -> tuple[Step, ...]:
        lag = f"{LAG} > {limit:g}"
        return (
            Step(f"{lag} on the exporter's page", "nodes", "/metrics", lambda: self._page_lags(limit), limit),
            Step("Prometheus has scraped it", "prometheus", "/api/v1/query", lambda: self._scraped_lag(limit)),
            Step(f"{ALERT} is pending", "prometheus", "/api/v1/rules", self._alerting, self._rule_takes()),
            Step(f"{ALERT} fires", "prometheus", "/api/v1/rules", lambda: self._alerting("firing"), self._rule_takes()),
            Step("Alertmanager has it", "alertmanager", "/api/v2/alerts", self._routed),
            Step("the receiver has committed it", "receiver", "/api/v1/episodes", lambda: self._recorded("firing")),
        )

    def _recovery(self) -> tuple[Step, ...]:
        return (
            Step("no lag on the exporter's page", "nodes", "/metrics", self._page_is_level),
            Step(f"{ALERT} is inactive", "prometheus", "/api/v1/rules", self._inactive, self._rule_takes()),
            Step("the receiver says resolved", "receiver", "/api/v1/episodes", lambda: self._recorded("resolved")),
        )

    def _rule_takes(self) -> float:
        """A window and a wait of a minute each at most, on the time scale."""
        return 120 / self._centre.scale

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

    async def _threshold(self) -> float:
        """The limit that the rules record for the chain, so that the page is compared with what pages."""
        found = await self._views.query(f'{LIMIT}{{chain="{CHAIN}"}}')
        if not found:
            raise StepFailed(f"no rule records {LIMIT} for {CHAIN}", "prometheus")
        return float(found[0]["value"][1])

    async def _watched(self) -> bool:
        return any(each["alertname"] == WATCHDOG for each in await self._views.episodes())

    async def _page_lags(self, threshold: float) -> bool:
        return any(lag > threshold for lag in await self._views.page(LAG, {"node": VICTIM}))

    async def _page_is_level(self) -> bool:
        return await self._views.page(LAG, {"node": VICTIM}) == [0]

    async def _scraped_lag(self, threshold: float) -> bool:
        return bool(await self._views.query(f'{LAG}{{node="{VICTIM}"}} > {threshold}'))

    async def _states(self) -> set[str]:
        alerts = (await self._views.rule(ALERT))["alerts"]
        return {alert["state"] for alert in alerts if _entity(alert) == ENTITY}

    async def _alerting(self, state: str | None = None) -> bool:
        """In that state; without one, pending or already firing."""
        states = await self._states()
        return state in states if state else bool(states)

    async def _inactive(self) -> bool:
        return not await self._alerting()

    async def _routed(self) -> bool:
        return any(_entity(alert) == ENTITY for alert in await self._views.alertmanager_alerts(ALERT))

    async def _recorded(self, status: str) -> bool:
        return any(
            each["alertname"] == ALERT and _entity(each) == ENTITY and each["status"] == status
            for each in await self._views.episodes()
        )

    async def _nothing_else_fired(self) -> None:
        """Neither in Prometheus, however shortly, nor at the receiver, since the start."""
        window = int(time.monotonic() - self._began) + 60
        firing = await self._views.query(f'max_over_time(ALERTS{{alertstate="firing"}}[{window}s])')
        fired = {(each["metric"]["alertname"], each["metric"].get("entity", "")) for each in firing}
        fired |= {(each["alertname"], _entity(each)) for each in await self._views.episodes()}
        if others := sorted(fired - _EXPECTED):
            raise StepFailed(
                f"fired as well: {', '.join(f'{name} for {entity}' for name, entity in others)}", "prometheus"
            )
        self._note("no other alert has fired", "prometheus ALERTS, receiver /api/v1/episodes")


def _entity(alert: dict[str, Any]) -> str:
    return str(alert["labels"].get("entity", ""))
