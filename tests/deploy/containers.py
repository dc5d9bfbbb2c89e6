"""Services of docker-compose.yml as plain processes: what the file says, on folders and loopback ports of a test.

Commands, environments, health checks and mounts are those of the file. A path in a container becomes one below a folder of
the service; `NAME:PORT` and `:PORT` become a free port of this machine, also in the YAML files that are mounted.
"""

import os
import re
import shutil
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import DEVNULL
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from demo.parts import locate, web_assets
from demo.processes import Child, Part, free_ports
from demo.until import until
from tests.deploy.compose import ROOT, Project, Service

WITHIN = 60.0

# Where the Dockerfile puts what a health check runs.
_IN_THE_IMAGE = {"python": sys.executable, "/opt/occ/healthy.py": str(ROOT / "scripts/healthy.py")}


@dataclass(frozen=True)
class Machine:
    """Where the services are on this machine: a folder with one for each, and a port for each."""

    folder: Path
    services: Mapping[str, Service]
    ports: Mapping[str, int]

    @classmethod
    def of(cls, project: Project, folder: Path) -> "Machine":
        services = project.services
        return cls(folder, services, dict(zip(services, free_ports(len(services)), strict=True)))

    def root(self, name: str) -> Path:
        """What `/` is to a service."""
        return self.folder / name

    def lay(self, name: str) -> None:
        """Makes the folders and files of a service, as it would find them."""
        service, root = self.services[name], self.root(name)
        for volume in kept(service):
            Path(f"{root}{volume}").mkdir(parents=True)
        for mount in service.mounts:
            target = Path(f"{root}{mount.target}")
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if mount.source.is_dir() else shutil.copy)(mount.source, target)
        for path in root.rglob("*.yml"):
            path.write_text(self.here(name, path.read_text()))

    def fixed(self) -> dict[Path, int]:
        """Files outside volumes, with the time of their last change."""
        volumes = [Path(f"{self.root(name)}{volume}") for name in self.services for volume in kept(self.services[name])]
        found = (path for name in self.services for path in self.root(name).rglob("*") if path.is_file())
        return {path: path.stat().st_mtime_ns for path in found if not any(map(path.is_relative_to, volumes))}

    def here(self, name: str, text: str) -> str:
        """What a text means here that a service would read in its container."""
        places = [*kept(self.services[name]), *(mount.target for mount in self.services[name].mounts)]
        found = "|".join(map(re.escape, sorted(places, key=len, reverse=True)))
        text = re.sub(rf"(?<![\w./-])({found})(?![\w-])", rf"{self.root(name)}\1", text)
        ports = "|".join(str(service.port) for service in self.services.values())
        return re.sub(rf"(?<![\w.-])([\w.-]*):({ports})\b", self._address, text)

    def _address(self, found: re.Match[str]) -> str:
        host, port = found.groups()
        (owner,) = (name for name, service in self.services.items() if str(service.port) == port)
        return f"{'localhost' if host in self.services else host or '127.0.0.1'}:{self.ports[owner]}"

    async def start(self, name: str) -> Child:
        """The process of a service; its files are there."""
        service = self.services[name]
        words = [self.here(name, word) for word in service.command]
        environment = {key: self.here(name, value) for key, value in service.environment.items()}
        working = next(iter(kept(service)), "/")
        command = ["env", f"--chdir={self.root(name)}{working}", *program(service), *words]
        return await Child.start(Part(name, command, "", environment=environment), self.folder)

    async def healthy(self, name: str, child: Child) -> None:
        """Returns once the health check of a service says so."""
        command = [_IN_THE_IMAGE.get(word, self.here(name, word)) for word in self.services[name].health]

        async def asked() -> bool:
            assert child.running, child.story("ended")
            return await answers(command[-1]) if command[0] == "wget" else await succeeds(command)

        try:
            await until(asked, WITHIN, every=0.1)
        except TimeoutError:
            raise AssertionError(child.story("did not become healthy")) from None


def kept(service: Service) -> Iterator[str]:
    """Where its volumes are."""
    return (item.split(":")[1] for item in service.document.get("volumes") or [] if isinstance(item, str))


def program(service: Service) -> list[str | Path]:
    """What its image starts."""
    if service.built:
        return [Path(sys.executable).with_name("occ")]
    found = locate(service.name)
    assets = web_assets(found) if service.name == "prometheus" else None
    return [found, f"--web.local-assets={assets}/"] if assets else [found]


async def succeeds(command: list[str]) -> bool:
    ran = await create_subprocess_exec(*command, env=os.environ, stdout=DEVNULL, stderr=DEVNULL)
    return await ran.wait() == 0


async def answers(url: str) -> bool:
    """As `wget -q -O /dev/null URL` has it."""
    try:
        async with aiohttp.request("GET", url, timeout=aiohttp.ClientTimeout(2)) as answer:
            return answer.ok
    except (aiohttp.ClientError, TimeoutError):
        return False
