"""The folder is the registry: a file in it is a plugin, and its name is the plugin's name and label value."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from types import ModuleType

from occ.errors import OccError


class PluginError(OccError):
    """A file in a plugin folder that does not keep the folder's contract."""


def load(package: ModuleType, contract: Iterable[str]) -> Mapping[str, ModuleType]:
    """The plugins of a package by name, sorted. Each must define every name of the contract."""
    found = {}
    for entry in sorted(pkgutil.iter_modules(package.__path__), key=lambda entry: entry.name):
        if entry.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package.__name__}.{entry.name}")
        if missing := [name for name in contract if not hasattr(module, name)]:
            raise PluginError(f"{module.__name__} is no plugin of {package.__name__}: it lacks {', '.join(missing)}")
        found[entry.name] = module
    return found
