"""The Dockerfile: well-formed, pinned, without root; and its build steps make an environment in which the process runs.

There is no Docker here: the steps of the build stage are run as they stand, with its folders replaced by folders of the
test. Packages come from this environment instead of an index, and only those that the extra declares, so that one that is
imported and not declared is missed.
"""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from shutil import copy

import pytest
from packaging.requirements import Requirement

from tests.deploy import compose, image
from tests.deploy.compose import Project
from tests.deploy.image import FILE, ROOT

TEXT = FILE.read_text()
BUILD, SHIPPED = image.stages(TEXT)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
SERVICES = compose.read(compose.FILE.read_text(), {"OCC_CONFIG": "/"}).services.values()
EXTRAS = [service.name for service in SERVICES if service.built]


def test_hadolint_finds_nothing_to_say() -> None:
    checked = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), FILE], capture_output=True, text=True, timeout=60, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_nothing_is_wrong_with_it() -> None:
    assert image.faults(TEXT, image.context()) == []


def test_the_user_is_the_one_that_the_services_run_as(project: Project) -> None:
    users = {str(service.document["user"]) for service in project.services.values() if service.built}
    assert users == set(image.rest(SHIPPED, "USER"))


def test_the_working_directory_is_where_the_receivers_volume_is(project: Project) -> None:
    (volume,) = project.services["receiver"].document["volumes"]
    assert volume.partition(":")[2] == image.rest(SHIPPED, "WORKDIR")[0]


def test_what_is_sent_to_the_build_is_the_packages_and_what_they_are_built_with() -> None:
    sent = image.context()
    assert {name.split("/")[0] for name in sent if "/" in name} == {*PACKAGES, "scripts"}
    assert {name for name in sent if "/" not in name or name.startswith("scripts/")} == {
        "pyproject.toml", "README.md", "LICENSE", "constraints.txt", "scripts/healthy.py",
    }  # fmt: skip


# Built --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Built:
    """What the build stage has made for an extra."""

    extra: str
    folder: Path

    @property
    def site(self) -> Path:
        (found,) = self.folder.glob("opt/occ/lib/python*/site-packages")
        return found

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command of the image, outside the repository."""
        program = self.folder / "opt/occ/bin" / command[0]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(self.folder / "declared"), "ALCHEMY_KEY": "k3y"}
        return subprocess.run(
            [program, *command[1:]],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture(params=EXTRAS, scope="module")
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp(request.param)
    send(folder / "src")
    declared = folder / "declared"
    declared.mkdir()
    for step in image.rest(BUILD, "RUN"):
        run_step(folder, step, request.param)
        if not any(declared.iterdir()):
            link(closure(requirements(folder / "wheels"), request.param), declared)
    return Built(request.param, folder)


def send(target: Path) -> None:
    """What the build stage copies: the whole context."""
    assert image.rest(BUILD, "COPY") == [". ."]
    for name in image.context():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, target / name)


def run_step(folder: Path, step: str, extra: str) -> None:
    """A RUN of the build stage, without an index: packages are here, or missed."""
    environment = dict(word.split("=", 1) for word in " ".join(image.rest(BUILD, "ENV")).split())
    ours = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "PYTHONPATH": str(folder / "declared"),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        # pip reads these the other way round: no isolation, nothing compiled.
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_NO_COMPILE": "0",
    }
    ran = subprocess.run(
        ["sh", "-ec", inside(folder, step)],
        cwd=folder / "src",
        env={name: inside(folder, value) for name, value in environment.items()} | ours | {"EXTRA": extra},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 0, f"{step}\n{ran.stdout}{ran.stderr}"


def inside(folder: Path, text: str) -> str:
    """Folders of the image are those of the test."""
    return re.sub(r"(?<![\w./])/(?=src\b|wheels\b|opt/occ\b)", f"{folder}/", text)


def requirements(wheels: Path) -> list[str]:
    """What the wheel says that it needs."""
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        (named,) = (name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = opened.read(named).decode()
    return re.findall(r"(?m)^Requires-Dist: (.*)$", metadata)


def closure(wanted: list[str], extra: str = "") -> Iterator[str]:
    """Names of the distributions that are needed, those that they need in turn included."""
    for requirement in map(Requirement, wanted):
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement.name
            for further in requirement.extras or {""}:
                yield from closure(distribution(requirement.name).requires or [], further)


def link(names: Iterator[str], folder: Path) -> None:
    """The files of installed distributions, and of no others, in a folder."""
    for name in set(names):
        for file in distribution(name).files or []:
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (folder / top).exists():
                (folder / top).symlink_to(Path(str(distribution(name).locate_file(top))))


def test_what_is_built_is_whole_and_runs(built: Built, house: Path) -> None:
    assert files(built.site) == files(built.folder / "src")
    helped = built.run("occ", "--help")
    assert (helped.returncode, built.extra in helped.stdout) == (0, True), helped.stderr
    checked = built.run("occ", built.extra, "--config", str(example(built.extra, house)), "--check-config")
    assert checked.returncode == 0, checked.stderr
    found = built.run("python", "-c", "import occ; print(occ.__file__)").stdout
    assert Path(found.strip()).is_relative_to(built.site)


def files(folder: Path) -> set[str]:
    """Of our packages."""
    found = (path for top in PACKAGES for path in (folder / top).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)) for path in found if path.suffix != ".pyc"}


def example(name: str, house: Path) -> Path:
    """The shipped example, in a house where all secrets are at hand."""
    folder = house.parent / f"{name}-at-hand"
    folder.mkdir(exist_ok=True)
    for path in (ROOT / "config").glob("*.yml"):
        (folder / path.name).write_text(path.read_text().replace("/run/secrets/", f"{house}/secrets/"))
    return folder / f"{name}.yml"


# The checks above, seen to find something ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("was", "becomes", "fault"),
    [
        ("python:3.11.14-slim", "python:3.11-slim", "base python:3.11-slim-bookworm is not pinned to an exact version"),
        ("scripts/healthy.py", "scripts/health.py", "copies scripts/health.py, which is not there or not sent"),
        ("COPY . .", "COPY tests tests", "copies tests, which is not there or not sent"),
        ("USER 10001:10001", "USER root", "runs as root"),
        ("USER 10001:10001", "", "runs as 0"),
        ('ENTRYPOINT ["occ"]', "ENTRYPOINT occ", "ENTRYPOINT occ is started by a shell, which keeps signals to itself"),
        ("HEALTHCHECK", "LABEL", "has no health check"),
        ('version="0.1.0"', 'version="0.0.1"', "its label does not say version 0.1.0"),
        ("RUN groupadd", "RUN pip install tini && groupadd", "installs in the stage that is shipped"),
    ],
)
def test_a_fault_is_named(was: str, becomes: str, fault: str) -> None:
    assert was in TEXT
    assert fault in image.faults(TEXT.replace(was, becomes), image.context())


def test_a_package_that_is_not_sent_is_missed() -> None:
    patterns = (ROOT / ".dockerignore").read_text().replace("!/receiver\n", "")
    assert "receiver/main.py" in image.ignored(patterns, {"receiver/main.py", "occ/web.py"})


def test_patterns_that_docker_reads_otherwise_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\['tests'\]"):
        image.ignored("**\ntests\n", set())


def test_a_dependency_that_is_not_declared_is_missed(built: Built) -> None:
    missing = built.run("python", "-c", "import hypothesis")
    assert "No module named 'hypothesis'" in missing.stderr
