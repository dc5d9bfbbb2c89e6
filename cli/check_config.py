"""`occ check-config`: every file of a folder, each by itself and all together."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from exporters.exchange import noted
from exporters.exchange.config import ExchangeConfig
from exporters.nodes.config import NodesConfig
from exporters.pools import fitting
from exporters.pools.config import PoolsConfig
from occ.config import ExporterConfig, Loaded, Model, load
from occ.document import Loc
from occ.errors import ConfigError, Problem
from receiver.actions import script
from receiver.catalogue import Catalogue
from receiver.config import ReceiverConfig
from receiver.policy import Policy
from receiver.rulebook import dead_ends

# What the receiver's file names is checked together with it; here it is also checked where no file names it yet.
MODELS: Mapping[str, type[Model]] = {
    "nodes": NodesConfig,
    "exchange": ExchangeConfig,
    "pools": PoolsConfig,
    "receiver": ReceiverConfig,
    "actions": Catalogue,
    "policy": Policy,
}

# What a chain is, wherever it is named.
_IDENTITY = ("family", "chain_id", "genesis_hash", "block_time")


def check(folder: Path, *, secrets: bool = True) -> tuple[dict[Path, Loaded[Model]], list[Problem]]:
    """The files that are valid by themselves, and every problem: of single files, then of files that disagree."""
    valid: dict[Path, Loaded[Model]] = {}
    problems: list[Problem] = []
    for path in sorted(folder.glob("*.yml")):
        model = MODELS.get(path.stem.partition("-")[0])
        if model is None:
            known = ", ".join(f"{name}.yml or {name}-….yml" for name in MODELS)
            problems.append(Problem(str(path), None, "", f"no process reads a file of this name; there are: {known}"))
            continue
        try:
            valid[path] = load(path, model, secrets=secrets)
        except ConfigError as error:
            problems += error.problems
    misnamed = _misnamed(valid) if secrets else ()  # URLs whose keys are assumed are all alike
    return valid, list(dict.fromkeys([*problems, *disagreements(valid), *misnamed]))


def disagreements(files: Mapping[Path, Loaded[Model]]) -> Iterator[Problem]:
    """Where two files mean different things by one name: a chain, or an asset's alias."""
    chains: dict[tuple[str, str], tuple[Path, object]] = {}
    bases: dict[str, tuple[Path, str]] = {}
    for path, loaded in files.items():
        for loc, key, value in _identities(loaded.config):
            first, said = chains.setdefault(key, (path, value))
            if said != value:
                yield loaded.problem(loc, f"{key[0]} is said to have another {key[1]} in {first.name}")
        for loc, alias, base in _aliases(loaded.config):
            first, meant = bases.setdefault(alias, (path, base))
            if meant != base:
                yield loaded.problem(loc, f"{alias} is an alias of {meant} in {first.name}")


def _misnamed(files: Mapping[Path, Loaded[Model]]) -> Iterator[Problem]:
    """Where two files call one node, which its URL is, by different names: their metrics could not be joined."""
    named: dict[str, tuple[Path, tuple[str, str]]] = {}
    for path, loaded in files.items():
        for loc, url, names in _nodes(loaded.config):
            first, known = named.setdefault(url, (path, names))
            if first != path and known != names:
                yield loaded.problem(loc, f"this node is {'/'.join(known)} in {first.name}")


def _nodes(config: Model) -> Iterator[tuple[Loc, str, tuple[str, str]]]:
    """The nodes of a file: where it says the name, the URL, and the names of chain and node."""
    for index, chain in enumerate(getattr(config, "chains", ())):
        for key in ("nodes", "rpc"):
            for place, node in enumerate(getattr(chain, key, ())):
                yield ("chains", index, key, place, "name"), node.url.reveal(), (chain.name, node.name)


def _identities(config: Model) -> Iterator[tuple[Loc, tuple[str, str], object]]:
    for index, chain in enumerate(getattr(config, "chains", ())):
        for key in _IDENTITY:
            value = getattr(chain, key, None)
            if value is not None:
                yield ("chains", index, key), (chain.name, key), value


def _aliases(config: Model) -> Iterator[tuple[Loc, str, str]]:
    if isinstance(config, ExporterConfig):
        for base, aliases in config.assets.items():
            for alias in (base, *aliases):
                yield ("assets", base), alias, base


def notes(files: Mapping[Path, Loaded[Model]]) -> Iterator[Problem]:
    """What is valid, and still not what anybody would want."""
    for loaded in files.values():
        if isinstance(loaded.config, ExchangeConfig):
            yield from noted.notes(cast("Loaded[ExchangeConfig]", loaded))
        if isinstance(loaded.config, PoolsConfig):
            yield from fitting.notes(cast("Loaded[PoolsConfig]", loaded))
        if isinstance(loaded.config, Policy):
            yield from dead_ends(cast("Loaded[Policy]", loaded))
        if isinstance(loaded.config, Catalogue):
            yield from _scripts(cast("Loaded[Catalogue]", loaded))


def _scripts(loaded: Loaded[Catalogue]) -> Iterator[Problem]:
    """Programs that could not run on this machine: better known now than when they are needed."""
    for index, action in enumerate(loaded.config.actions):
        for step in loaded.config.steps(action, next(action.examples())):
            if isinstance(step.options, script.Options) and (wrong := script.complaint(step.options)):
                yield loaded.problem(("actions", index, "steps", step.index, "path"), f"could not run here: {wrong}")


def main(argv: list[str] | None = None) -> int:
    """Says of each file that it is valid, or what is wrong; 0 when all are."""
    parser = argparse.ArgumentParser(
        prog="occ check-config",
        description="Check the configuration files of a folder, each by itself and all together: the same name means the "
        "same chain and the same asset everywhere, one node has one name, and the policy fits the actions. A file is named after its process, as "
        "nodes.yml or nodes-asia.yml; actions.yml and policy.yml are the receiver's.",
        epilog="Exit codes: 0 all are valid, 2 something is wrong.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the files are, as config/")
    parser.add_argument(
        "--without-secrets",
        action="store_true",
        help="take environment variables and secret files to be there, and do not look at them",
    )
    given = parser.parse_args(argv)
    valid, problems = check(given.folder, secrets=not given.without_secrets)
    if not valid and not problems:
        problems = [Problem(str(given.folder), None, "", "there is no configuration file here")]
    wrong = {problem.file for problem in problems}
    sys.stdout.write("".join(f"{path}: valid\n" for path in valid if str(path) not in wrong))
    sys.stdout.write("".join(f"note: {note}\n" for note in notes(valid)))
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    return 2 if problems else 0
