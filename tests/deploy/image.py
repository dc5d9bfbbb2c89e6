"""The Dockerfile, read; and what Docker would be sent to build it from."""

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pathspec

from occ import __version__

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "Dockerfile"


@dataclass(frozen=True)
class Instruction:
    """One instruction: its name, and what follows in one line."""

    name: str
    rest: str


Stage = tuple[Instruction, ...]


def stages(text: str) -> list[Stage]:
    """The instructions by stage. hadolint has said that the file is well-formed; heredocs are not used."""
    lines = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^\s*#.*\n?", "", text)).splitlines()
    found = [
        Instruction(name.upper(), rest.strip()) for name, _, rest in (line.partition(" ") for line in lines if line)
    ]
    starts = [index for index, each in enumerate(found) if each.name == "FROM"]
    return [tuple(found[start:end]) for start, end in zip(starts, [*starts[1:], len(found)], strict=True)]


def rest(stage: Stage, name: str) -> list[str]:
    """What follows each instruction of that name."""
    return [each.rest for each in stage if each.name == name]


def context(root: Path = ROOT) -> set[str]:
    """Files that .dockerignore lets through, of those that are not ignored by git."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
    )
    here = {name for name in listed.stdout.decode().split("\0") if name and (root / name).is_file()}
    return here - set(ignored((root / ".dockerignore").read_text(), here))


def ignored(patterns: str, names: set[str]) -> Iterator[str]:
    """Patterns are kept to those that mean the same to git: each is `**`, or begins with `/`, `!/` or `**/`."""
    lines = [line for line in patterns.splitlines() if line and not line.startswith("#")]
    if odd := [line for line in lines if not re.match(r"!?/|\*\*(/|$)", line)]:
        raise ValueError(f"patterns that Docker and git may read differently: {odd}")
    return pathspec.PathSpec.from_lines("gitignore", lines).match_files(names)


def faults(text: str, sent: set[str]) -> list[str]:
    """Everything that is wrong with a Dockerfile that is built from these files."""
    found = stages(text)
    return [*_bases(found), *_sources(found, sent), *_runtime(found[-1])]


def _bases(found: Sequence[Stage]) -> Iterator[str]:
    names = {base.partition(" AS ")[2] for stage in found for base in rest(stage, "FROM")}
    for base in (base.partition(" AS ")[0] for stage in found for base in rest(stage, "FROM")):
        if base not in names and not re.fullmatch(r"[a-z/]+:\d+\.\d+\.\d+-[a-z-]+", base):
            yield f"base {base} is not pinned to an exact version"


def _sources(found: Sequence[Stage], sent: set[str]) -> Iterator[str]:
    for words in (copied.split() for stage in found for copied in rest(stage, "COPY")):
        if any(word.startswith("--from=") for word in words):
            continue
        for name in (word for word in words[:-1] if not word.startswith("--")):
            if name != "." and not any(path == name or path.startswith(f"{name}/") for path in sent):
                yield f"copies {name}, which is not there or not sent"


def _runtime(stage: Stage) -> Iterator[str]:
    user = (rest(stage, "USER") or ["0"])[-1]
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user):
        yield f"runs as {user}"
    if not is_exec(entry := "".join(rest(stage, "ENTRYPOINT"))):
        yield f"ENTRYPOINT {entry} is started by a shell, which keeps signals to itself"
    if not rest(stage, "HEALTHCHECK"):
        yield "has no health check"
    if f'version="{__version__}"' not in " ".join(rest(stage, "LABEL")):
        yield f"its label does not say version {__version__}"
    if re.search(r"\bpip\b|apt-get", " ".join(rest(stage, "RUN"))):
        yield "installs in the stage that is shipped"


def is_exec(words: str) -> bool:
    try:
        return isinstance(json.loads(words), list)
    except ValueError:
        return False
