"""What each part of the centre says right now: the eyes of the scenario."""

from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from . import actions, people, pools
from .centre import NODES, VENUES, Centre
from .hands import Desk


class Views:
    """Reads over HTTP, as a person would with curl; an answer that is not 200 is an aiohttp.ClientError."""

    def __init__(self, centre: Centre) -> None:
        self._centre = centre
        self._desks = dict[people.Person, Desk]()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5), raise_for_status=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def page(self, name: str, labels: Mapping[str, str]) -> list[float]:
        """The values on the nodes exporter's page of one name, where the labels are these."""
        found = [sample for sample in await self.samples("nodes") if sample.name == name]
        return [sample.value for sample in found if labels.items() <= sample.labels.items()]

    async def samples(self, exporter: str) -> list[Sample]:
        """All that is on an exporter's page."""
        async with self._session.get(self._centre.url(exporter) + "/metrics") as response:
            families = text_string_to_metric_families(await response.text())
            return [sample for family in families for sample in family.samples]

    async def faults_by_node(self) -> dict[str, str]:
        """The fault of each node that has one."""
        nodes = (await self._get("proxy", "/nodes"))["nodes"]
        return {node["name"]: node["fault"] for node in nodes if node["fault"]}

    async def faults_by_venue(self) -> dict[str, str]:
        """The faults of each venue that has some."""
        venues = (await self._get("venues", "/venues"))["venues"]
        return {venue["name"]: ", ".join(venue["faults"]) for venue in venues if venue["faults"]}

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """An instant vector of Prometheus."""
        answer = await self._get("prometheus", "/api/v1/query", query=expression)
        return list(answer["data"]["result"])

    async def all_scraped(self) -> bool:
        return len(await self.query("up == 1")) == len(self._centre.jobs)

    async def value(self, part: str, name: str, **labels: str) -> float | None:
        """Of one series on the page of a part; None where it is not there."""
        found = (
            each for each in await self.samples(part) if each.name == name and labels.items() <= each.labels.items()
        )
        return next((each.value for each in found), None)

    async def nodes_up(self) -> bool:
        return len(await self.query('occ_target_up{exporter="nodes",check="evm"} == 1')) == len(NODES)

    async def venues_up(self) -> bool:
        return len(await self.query('occ_target_up{exporter="exchange",check="connection"} == 1')) == len(VENUES)

    async def pools_up(self) -> bool:
        """Everything that the demo's pools.yml names, each by its name."""
        found = await self.query(f'occ_target_up{{exporter="pools",chain="{pools.CHAIN}"}} == 1')
        return {each["metric"]["target"] for each in found} >= pools.TARGETS

    async def orders(self, venue: str, account: str) -> dict[str, int]:
        """How many orders an account has open at a venue, by symbol, as the venue itself knows it."""
        venues = (await self._get("venues", "/venues"))["venues"]
        (found,) = (each["orders"].get(account, {}) for each in venues if each["name"] == venue)
        return {symbol: count for symbol, count in found.items() if count}

    def evidence(self) -> str:
        """What the script of the demo's actions has noted so far."""
        file = self._centre.run / actions.EVIDENCE
        return file.read_text() if file.exists() else ""

    async def settled(self) -> bool:
        """Nothing that is to be read is not, or not any more, and no alert is pending."""
        return not await self.query('occ_target_up == 0 or occ_target_stale == 1 or ALERTS{alertstate="pending"}')

    async def rules_loaded(self) -> bool:
        answer = await self._get("prometheus", "/api/v1/rules")
        return bool(answer["data"]["groups"])

    async def rule(self, alertname: str) -> dict[str, Any]:
        """An alerting rule as Prometheus has loaded it, with its active alerts."""
        answer = await self._get("prometheus", "/api/v1/rules", type="alert")
        rules = (rule for group in answer["data"]["groups"] for rule in group["rules"])
        return next((rule for rule in rules if rule["name"] == alertname), {"query": "", "alerts": []})

    async def alertmanager_alerts(self, alertname: str) -> list[dict[str, Any]]:
        return list(await self._get("alertmanager", "/api/v2/alerts", filter=f'alertname="{alertname}"'))

    async def firing(self) -> set[tuple[str, str]]:
        """Name and entity of what fires in Prometheus."""
        answer = await self._get("prometheus", "/api/v1/alerts")
        return {_named(alert) for alert in answer["data"]["alerts"] if alert["state"] == "firing"}

    async def muted(self) -> set[tuple[str, str]]:
        """Name and entity of what Alertmanager has and keeps to itself, because something else says it better."""
        alerts = await self._get("alertmanager", "/api/v2/alerts", active="false", silenced="false", inhibited="true")
        return {_named(alert) for alert in alerts}

    async def pages(self) -> list[dict[str, Any]]:
        """What the pager was sent, in order."""
        return list((await self._get("pager", "/pages"))["pages"])

    async def episodes(self) -> list[dict[str, Any]]:
        """What the receiver has committed."""
        answer = await self.desk(people.DRILL).get("/episodes")
        return list(answer["episodes"])

    def desk(self, person: people.Person) -> Desk:
        """The receiver's API as this person has it."""
        if person not in self._desks:
            password = people.password_file(self._centre.secrets, person)
            self._desks[person] = Desk(self._session, self._centre.url("receiver"), person, password)
        return self._desks[person]

    async def set_fault(self, node: str, fault: str) -> None:
        async with self._session.put(f"{self._centre.url('proxy')}/nodes/{node}/fault/{fault}"):
            pass

    async def clear_fault(self, node: str) -> None:
        async with self._session.delete(f"{self._centre.url('proxy')}/nodes/{node}/fault"):
            pass

    async def set_market_fault(self, name: str) -> None:
        """A fault of the chain with the pools; none by an empty name."""
        url = f"{self._centre.url('market')}/fault"
        async with self._session.put(f"{url}/{name}") if name else self._session.delete(url):
            pass

    async def set_engine_fault(self, name: str) -> None:
        """A fault of the desk's engine; none by an empty name."""
        url = f"{self._centre.url('engine')}/faults"
        headers = {"Authorization": f"Bearer {self._centre.engine_token}"}
        asked = (
            self._session.put(f"{url}/{name}", headers=headers) if name else self._session.delete(url, headers=headers)
        )
        async with asked:
            pass

    async def set_venue_fault(self, venue: str, fault: str, **particulars: str) -> None:
        """`particulars` are whose: a symbol, a currency."""
        url = f"{self._centre.url('venues')}/venues/{venue}/fault/{fault}"
        async with self._session.put(url, params=particulars):
            pass

    async def clear_venue(self, venue: str) -> None:
        """Ends all faults of a venue."""
        async with self._session.delete(f"{self._centre.url('venues')}/venues/{venue}/fault"):
            pass

    async def chain(self, method: str, *params: object) -> Any:
        """Asks, or tells, the local chain itself."""
        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self._session.post(self._centre.url("anvil"), json=question) as response:
            return (await response.json())["result"]

    async def _get(self, part: str, path: str, **parameters: str) -> Any:
        async with self._session.get(self._centre.url(part) + path, params=parameters) as response:
            return await response.json()


def _named(alert: Mapping[str, Any]) -> tuple[str, str]:
    return str(alert["labels"]["alertname"]), str(alert["labels"].get("entity", ""))


async def patiently(seen: Callable[[], Awaitable[bool]]) -> bool:
    """A part that does not answer, or not yet as it should, is not seen; the caller's deadline decides."""
    try:
        return await seen()
    except (aiohttp.ClientError, TimeoutError, KeyError):
        return False
