"""What must hold of docker-compose.yml, as pure functions: each gives one line per fault."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from occ import __version__

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")

_ALWAYS = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "restart": "unless-stopped",
}
_NEVER = ("privileged", "cap_add", "devices", "network_mode", "pid", "ipc", "env_file", "container_name")
_SECRET = re.compile(r"PASSWORD|TOKEN|SECRET|CREDENTIAL|KEY", re.IGNORECASE)
_IN_FILES = re.compile(r"/(?:etc|run)/[\w./-]+")

Document = Mapping[str, Any]


class Unset(Exception):  # noqa: N818 - it says what is the matter
    """A variable has neither a value nor a default."""


@dataclass(frozen=True)
class Mount:
    """A file or folder of the host in a container."""

    target: str
    source: Path
    kind: str  # secret, config or bind


@dataclass(frozen=True)
class Service:
    """A service as the file has it."""

    name: str
    document: Document
    mounts: tuple[Mount, ...]

    @property
    def built(self) -> bool:
        return "build" in self.document

    @property
    def command(self) -> list[str]:
        return list(self.document.get("command") or [])

    @property
    def environment(self) -> Mapping[str, str]:
        return self.document.get("environment") or {}

    @property
    def health(self) -> list[str]:
        """The command of its health check."""
        return list((self.document.get("healthcheck") or {}).get("test") or [])[1:]

    @property
    def port(self) -> int | None:
        """Where it answers, by its health check."""
        found = re.search(r"https?://127\.0\.0\.1:(\d+)/", " ".join(self.health))
        return int(found[1]) if found else None

    def uses(self, kind: str) -> list[str]:
        """Names of what it has of a kind: secrets, configs, networks, volumes."""
        items = self.document.get(kind) or []
        if kind == "volumes":
            return [item.split(":")[0] for item in items if isinstance(item, str)]
        return [item if isinstance(item, str) else item["source"] for item in items]

    def local(self, path: str) -> Path | None:
        """The host's file behind a path in the container."""
        for mount in self.mounts:
            if path == mount.target or path.startswith(f"{mount.target}/"):
                return Path(f"{mount.source}{path.removeprefix(mount.target)}")
        return None

    def said(self) -> str:
        """Its command, environment and health check."""
        return " ".join([*self.command, *self.environment.values(), *self.health])

    def files(self) -> list[str]:
        """Paths in the container that it is told to read, and the files beside them; without a command, the YAML of its
        folders.
        """
        if self.command:
            beside = (mount.target for mount in self.mounts if mount.kind == "config")
            return sorted({*_IN_FILES.findall(self.said()), *beside})
        binds = [mount for mount in self.mounts if mount.kind == "bind"]
        return [f"{m.target}/{p.relative_to(m.source)}" for m in binds for p in sorted(m.source.rglob("*.yml"))]

    def texts(self) -> str:
        """All that it is told, by what it is started with and by the files named there."""
        read = [path for path in map(self.local, self.files()) if path and path.suffix == ".yml" and path.is_file()]
        return "\n".join([self.said(), *(path.read_text() for path in read)])


@dataclass(frozen=True)
class Project:
    """The file with its variables filled in."""

    folder: Path
    document: Document

    @property
    def services(self) -> dict[str, Service]:
        return {name: self._service(name, service) for name, service in self.document["services"].items()}

    def declared(self, kind: str) -> Mapping[str, Any]:
        return self.document.get(kind) or {}

    def _service(self, name: str, service: Document) -> Service:
        return Service(name, service, tuple(self._mounts(service)))

    def _mounts(self, service: Document) -> Iterator[Mount]:
        for kind, folder in (("secrets", "/run/secrets/"), ("configs", "/")):
            for item in service.get(kind) or []:
                source, target = (item, folder + item) if isinstance(item, str) else (item["source"], item["target"])
                if named := self.declared(kind).get(source):
                    yield Mount(target, self.folder / named["file"], kind.rstrip("s"))
        for volume in service.get("volumes") or []:
            if isinstance(volume, dict):
                yield Mount(volume["target"], self.folder / volume["source"], "bind")


def read(text: str, variables: Mapping[str, str], folder: Path = ROOT) -> Project:
    """Fills in `${NAME}`, `${NAME:-default}` and `${NAME:?message}`. Raises Unset."""

    def value(found: re.Match[str]) -> str:
        name, kind, rest = found.groups()
        if name not in variables and kind != "-":
            raise Unset(f"{name} {rest or 'is not set'}")
        return variables.get(name) or rest

    return Project(folder, yaml.safe_load(VARIABLE.sub(value, text)))


def faults(project: Project) -> list[str]:
    """Everything that is wrong with it."""
    services = project.services
    own = (f"{s.name}: {fault}" for s in services.values() for check in _OF_ONE for fault in check(s))
    return [*own, *_references(project), *_conversations(services)]


# --- of one service --------------------------------------------------------------------------------------------------


def _pinned(service: Service) -> Iterator[str]:
    image = service.document.get("image", "")
    if not re.fullmatch(r"[a-z0-9][a-z0-9./-]*:v?\d+\.\d+\.\d+", image):
        yield f"image {image} is not pinned to an exact version"
    if not service.built:
        return
    if image != f"occ-{service.name}:{__version__}" or service.document.get("pull_policy") != "build":
        yield f"image {image} is not the one that is built here"
    if (service.command[:1], service.port) != ([extra := _argument(service, "EXTRA")], int(_argument(service, "PORT"))):
        yield f"is built for {extra} and port {_argument(service, 'PORT')}"


def _argument(service: Service, name: str) -> str:
    return str(service.document["build"]["args"][name])


def _hardened(service: Service) -> Iterator[str]:
    for key, value in _ALWAYS.items():
        if service.document.get(key) != value:
            yield f"{key} is not {value}"
    yield from (f"{key} is set" for key in _NEVER if key in service.document)
    if not re.fullmatch(r"[1-9]\d*:\d+", str(service.document.get("user"))):
        yield f"user is {service.document.get('user')}, not a number other than root's"


def _bounded(service: Service) -> Iterator[str]:
    limits = ((service.document.get("deploy") or {}).get("resources") or {}).get("limits") or {}
    yield from (f"no limit of {name}" for name in ("cpus", "memory", "pids") if name not in limits)
    options = (service.document.get("logging") or {}).get("options") or {}
    yield from (f"its log has no {name}" for name in ("max-size", "max-file") if name not in options)


def _watched(service: Service) -> Iterator[str]:
    check = service.document.get("healthcheck") or {}
    if check.get("disable") or (check.get("test") or ["NONE"])[0] != "CMD" or service.port is None:
        yield "no health check that asks 127.0.0.1"
    yield from (f"its health check has no {name}" for name in ("interval", "timeout") if check and name not in check)


def _published(service: Service) -> Iterator[str]:
    for port in service.document.get("ports") or []:
        found = re.fullmatch(r"127\.0\.0\.1:\d+:(\d+)", str(port))
        if not found:
            yield f"port {port} is not published on 127.0.0.1 alone"
        elif int(found[1]) != service.port:
            yield f"publishes port {found[1]}, and answers on {service.port}"


def _silent(service: Service) -> Iterator[str]:
    """Environments and command lines are seen by others: secrets stand in files."""
    for name, value in service.environment.items():
        if (_SECRET.search(name) and not value.startswith("/run/secrets/")) or re.search(r"://[^/]*@", value):
            yield f"a secret stands in the environment, as {name}"
    arguments = [*service.command, *service.health, *_arguments(service)]
    for flag, _, value in (word.partition("=") for word in arguments):
        if _SECRET.search(flag) and value and not value.startswith("/run/secrets/"):
            yield f"a secret stands on the command line, as {flag}"


def _arguments(service: Service) -> list[str]:
    build = service.document.get("build") or {}
    return [f"{name}={value}" for name, value in (build.get("args") or {}).items()]


_OF_ONE = (_pinned, _hardened, _bounded, _watched, _published, _silent)


# --- of the whole ----------------------------------------------------------------------------------------------------


def _references(project: Project) -> Iterator[str]:
    services = project.services
    for kind in ("secrets", "configs", "networks", "volumes"):
        declared = set(project.declared(kind))
        used = {name: service.name for service in services.values() for name in service.uses(kind)}
        yield from (f"{used[name]}: {kind[:-1]} {name} is not declared" for name in sorted(used.keys() - declared))
        yield from (f"{kind[:-1]} {name} is used by nobody" for name in sorted(declared - used.keys()))
    for service in services.values():
        yield from (f"{service.name}: {fault}" for fault in chain(_absent(service), _grants(service)))
        for other in service.document.get("depends_on") or {}:
            if other not in services:
                yield f"{service.name}: waits for {other}, which does not exist"


def _absent(service: Service) -> Iterator[str]:
    for mount in service.mounts:
        if not mount.source.exists():
            yield f"there is no {mount.source}, its {mount.kind} {mount.target}"
    for path in service.files():
        local = service.local(path)
        if local is None or not local.exists():
            yield f"reads {path}, which is not there"
    for path in re.findall(r"(?m)^\s*path: ['\"]?(/[\w./-]+)", service.texts()):
        if service.local(path) is None:
            yield f"looks for {path}, which is not mounted"
    for bind in (volume for volume in service.document.get("volumes") or [] if isinstance(volume, dict)):
        if not bind.get("read_only") or (bind.get("bind") or {}).get("create_host_path") is not False:
            yield f"could write to, or make, {bind['source']}"


def _grants(service: Service) -> Iterator[str]:
    """It is given the secrets that it is told to read, and no other."""
    named = set(re.findall(r"/run/secrets/([\w.-]+)", service.texts()))
    given = set(service.uses("secrets"))
    yield from (f"reads the secret {name}, which it is not given" for name in sorted(named - given))
    yield from (f"is given the secret {name}, which it is not told to read" for name in sorted(given - named))


def _conversations(services: Mapping[str, Service]) -> Iterator[str]:
    """Whom a service is told to ask: there must be a way, and somebody who answers at its end."""
    names = "|".join(map(re.escape, services))
    for service in services.values():
        asked = set(re.findall(rf"(?<![\w.-])({names}):(\d+)\b", service.texts()))
        for other, port in sorted(asked):
            if int(port) != services[other].port:
                yield f"{service.name}: asks {other}:{port}, which answers on {services[other].port}"
            if not set(service.uses("networks")) & set(services[other].uses("networks")):
                yield f"{service.name}: asks {other}, with which it shares no network"
