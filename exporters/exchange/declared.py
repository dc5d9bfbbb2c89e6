"""The checks that there are, and every family that they show. It loads no ccxt, so that boards and docs can read it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import ModuleType

from exporters.exchange import checks
from exporters.exchange.derived import DERIVED_FAMILIES
from occ import plugins
from occ.metrics import Family


@cache
def check_files() -> Mapping[str, ModuleType]:
    """The checks by name."""
    return plugins.load(checks, checks.CONTRACT)


def _families() -> tuple[Family, ...]:
    of_checks = [family for check in check_files().values() for family in check.FAMILIES]
    return tuple(dict.fromkeys((*of_checks, *DERIVED_FAMILIES)))


FAMILIES = _families()
