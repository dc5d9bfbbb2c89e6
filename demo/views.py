"""What each part of the centre says right now: the eyes of the scenario."""

from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from .centre import NODES, Centre


class Views:
    """Reads over HTTP, as a person would with curl; an answer that is not 200 is an aiohttp.ClientError."""

    def __init__(self, centre: Centre) -> None:
        self._centre = centre

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5), raise_for_status=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def page(self, name: str, labels: Mapping[str, str]) -> list[float]:
        """The values on the exporter's page of one name, where the labels are these."""
        async with self._session.get(self._centre.url("nodes") + "/metrics") as response:
            families = text_string_to_metric_families(await response.text())
            samples = [sample for family in families for sample in family.samples if sample.name == name]
        return [sample.value for sample in samples if labels.items() <= sample.labels.items()]

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """An instant vector of Prometheus."""
        answer = await self._get("prometheus", "/api/v1/query", query=expression)
        return list(answer["data"]["result"])

    async def all_scraped(self) -> bool:
        return len(await self.query("up == 1")) == len(self._centre.jobs)

    async def nodes_up(self) -> bool:
        return len(await self.query('occ_target_up{exporter="nodes"} == 1')) == len(NODES)

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

    async def episodes(self) -> list[dict[str, Any]]:
        """What the receiver has committed."""
        answer = await self._get("receiver", "/api/v1/episodes")
        return list(answer["episodes"])

    async def set_fault(self, node: str, fault: str) -> None:
        async with self._session.put(f"{self._centre.url('proxy')}/nodes/{node}/fault/{fault}"):
            pass

    async def clear_fault(self, node: str) -> None:
        async with self._session.delete(f"{self._centre.url('proxy')}/nodes/{node}/fault"):
            pass

    async def _get(self, part: str, path: str, **parameters: str) -> Any:
        async with self._session.get(self._centre.url(part) + path, params=parameters) as response:
            return await response.json()


async def patiently(seen: Callable[[], Awaitable[bool]]) -> bool:
    """A part that does not answer, or not yet as it should, is not seen; the caller's deadline decides."""
    try:
        return await seen()
    except (aiohttp.ClientError, TimeoutError, KeyError):
        return False
