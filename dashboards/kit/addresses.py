"""Where the links of boards lead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Addresses:
    """The receiver as a browser reaches it, and this repository as a web page; no slash at the end."""

    occ_url: str
    repo_url: str


def of_prometheus(config: Path) -> Addresses:
    """Those that the links of alerts have: external labels of Prometheus' configuration. Raises LookupError."""
    read: Mapping[str, Any] = yaml.safe_load(config.read_text(encoding="utf-8")) or {}
    labels = (read.get("global") or {}).get("external_labels") or {}
    if missing := [name for name in ("occ_url", "repo_url") if not labels.get(name)]:
        raise LookupError(f"{config}: global.external_labels lacks {', '.join(missing)}")
    return Addresses(labels["occ_url"], labels["repo_url"])
