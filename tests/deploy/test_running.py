"""The services of docker-compose.yml, started as it says: healthy, of one mind, and ended by SIGTERM.

Without containers: see `containers`. Grafana is not to be had here, and is not started. Prometheus scrapes every second,
nodes are asked at a port where nobody is, and Alertmanager has nobody to tell but the receiver: nothing leaves the machine.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from demo.processes import Child, free_ports
from demo.until import until
from tests.deploy.compose import Project
from tests.deploy.containers import WITHIN, Machine, program, succeeds

STARTED = ("nodes", "exchange", "pools", "receiver", "prometheus", "alertmanager")


def keep_to_this_machine(machine: Machine) -> None:
    nowhere = f"127.0.0.1:{free_ports(1)[0]}"
    for name in ("nodes", "pools"):
        path = machine.root(name) / f"etc/occ/{name}.yml"
        path.write_text(re.sub(r'(http|ws)s?://[^"]+', rf"\1://{nowhere}", path.read_text()))
    exchange = machine.root("exchange") / "etc/occ/exchange.yml"
    exchange.write_text(
        re.sub(r"(?m)^( +)(exchange: .*)$", rf"\1\2\n\1base_url: http://{nowhere}", exchange.read_text())
    )
    prometheus = machine.root("prometheus") / "etc/prometheus/prometheus.yml"
    prometheus.write_text(re.sub(r"scrape_interval: \S+", "scrape_interval: 1s", prometheus.read_text()))
    alertmanager = machine.root("alertmanager") / "etc/alertmanager/alertmanager.yml"
    config = yaml.safe_load(alertmanager.read_text())
    config["receivers"] = [each if each["name"] == "occ" else {"name": each["name"]} for each in config["receivers"]]
    alertmanager.write_text(yaml.safe_dump(config))


@asynccontextmanager
async def running(machine: Machine) -> AsyncIterator[None]:
    """All services, healthy; afterwards each has ended by SIGTERM as it should."""
    for name in STARTED:
        machine.lay(name)
    keep_to_this_machine(machine)
    laid = machine.fixed()
    children = dict[str, Child]()
    try:
        for name in STARTED:
            children[name] = await machine.start(name)
        await asyncio.gather(*(machine.healthy(name, child) for name, child in children.items()))
        yield
    finally:
        await asyncio.gather(*(child.end(WITHIN) for child in children.values()))
    assert {name: child.process.returncode for name, child in children.items()} == dict.fromkeys(STARTED, 0)
    assert machine.fixed() == laid, "something was written that is read-only in a container"


@pytest.fixture
def machine(project: Project, tmp_path: Path) -> Machine:
    return Machine.of(project, tmp_path)


class Desk:
    """Somebody of the policy's people, who has also the login that the web configuration asks for."""

    def __init__(self, session: aiohttp.ClientSession, machine: Machine, house: Path) -> None:
        self.session, self.machine = session, machine
        self.password = (house / "secrets/desk_password").read_text().strip()
        self.login = aiohttp.encode_basic_auth("desk", self.password)
        self.trust = ssl.create_default_context(cafile=house / "secrets/receiver.crt")

    def url(self, name: str, path: str) -> str:
        return f"http{'s' if name == 'receiver' else ''}://localhost:{self.machine.ports[name]}{path}"

    async def get(self, name: str, path: str) -> Any:
        async with self.session.get(self.url(name, path)) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def log_in(self) -> str:
        """The Authorization of a session."""
        given = {"person": "desk", "password": self.password}
        async with self.session.post(self.url("receiver", "/api/v1/sessions"), json=given, ssl=self.trust) as answer:
            assert answer.status == 201, await answer.text()
            return f"Bearer {(await answer.json())['token']}"

    async def receiver(self, path: str, login: str | None = None, host: str = "localhost") -> tuple[int, str]:
        """Status and text, from the receiver called by another name."""
        headers = {"Host": host} | ({"Authorization": login} if login else {})
        async with self.session.get(self.url("receiver", path), headers=headers, ssl=self.trust) as answer:
            return answer.status, await answer.text()

    async def fire(self, name: str) -> None:
        labels = {"alertname": name, "severity": "info", "domain": "meta", "entity": "x", "parent": "x"}
        async with self.session.post(self.url("alertmanager", "/api/v2/alerts"), json=[{"labels": labels}]) as answer:
            assert answer.status == 200, await answer.text()


async def test_the_centre_starts_as_composed_and_its_parts_find_each_other(machine: Machine, house: Path) -> None:
    async with running(machine), aiohttp.ClientSession() as session:
        desk = Desk(session, machine, house)

        async def scraped() -> bool:
            found = (await desk.get("prometheus", "/api/v1/targets"))["data"]["activeTargets"]
            return {each["labels"]["job"] for each in found if each["health"] == "up"} == set(STARTED)

        session_of_desk = await desk.log_in()

        async def delivered() -> bool:
            return "FiredByTheTest" in (await desk.receiver("/api/v1/episodes", session_of_desk))[1]

        await desk.fire("FiredByTheTest")
        await until(scraped, WITHIN)
        await until(delivered, WITHIN)
        await every_rule_is_loaded(desk)
        told = (await desk.get("prometheus", "/api/v1/alertmanagers"))["data"]["activeAlertmanagers"]
        assert [each["url"] for each in told] == [desk.url("alertmanager", "/api/v2/alerts")]
        status, actions = await desk.receiver("/api/v1/actions", session_of_desk)
        assert (status, '"halt"' in actions) == (200, True), actions
        assert (await desk.receiver("/api/v1/actions"))[0] == 401
        assert (await desk.receiver("/api/v1/actions", desk.login))[0] == 401
        assert (await desk.receiver("/metrics"))[0] == 401
        assert (await desk.receiver("/metrics", desk.login, host="receiver:9720"))[0] == 200


async def every_rule_is_loaded(desk: Desk) -> None:
    groups = (await desk.get("prometheus", "/api/v1/rules"))["data"]["groups"]
    mounted = desk.machine.root("prometheus") / "etc/prometheus"
    files = {path for folder in ("alerts", "recording", "slo") for path in mounted.glob(f"{folder}/*.yml")}
    files.discard(mounted / "slo/slos.yml")
    assert {Path(group["file"]) for group in groups} == files


async def test_the_receiver_may_serve_beyond_loopback_as_it_is_told_to(machine: Machine) -> None:
    machine.lay("receiver")
    service = machine.services["receiver"]
    assert "--web.listen-address=:9720" in service.command
    words = [word if "listen-address" in word else machine.here("receiver", word) for word in service.command]
    assert await succeeds([*map(str, program(service)), *words, "--check-config"])
    assert not await succeeds([*map(str, program(service)), *words[:-1], "--check-config"])
