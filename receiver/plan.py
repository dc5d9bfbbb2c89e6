"""What exactly would be done: the plan that people approve, and the hash that binds their approval to it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any

from . import canonical
from .catalogue import Expires, Limits, Verify


@dataclass(frozen=True, slots=True)
class EpisodeKey:
    """The alert that a request answers; `starts_at` in microseconds since 1970, UTC."""

    source: str
    fingerprint: str
    starts_at: int


@dataclass(frozen=True, slots=True)
class Plan:
    """All that an approval covers. What was seen while planning is evidence beside it, and no part of it.

    `definition` and `rule` are hashes, of the action as it is defined with its targets and of the rule of the policy; `steps`
    are what each step does, in order, and `verify` has the parameters in place.
    """

    action: str
    definition: str
    rule: str | None
    parameters: Mapping[str, str]
    steps: tuple[Mapping[str, Any], ...]
    verify: Verify
    limits: Limits
    expires: Expires
    episode: EpisodeKey | None = None

    @property
    def bytes(self) -> bytes:
        """RFC 8785: the same for equal plans, whatever the order of what they hold."""
        return canonical.dumps(
            {
                "v": "occ-plan-v1",
                "action": self.action,
                "definition": self.definition,
                "rule": self.rule,
                "parameters": self.parameters,
                "steps": self.steps,
                "verify": self.verify.model_dump(),
                "limits": self.limits.model_dump(),
                "expires": self.expires.model_dump(),
                "episode": self._episode(),
            }
        )

    @property
    def hash(self) -> str:
        """SHA-256 of the bytes, in hexadecimal digits."""
        return canonical.sha256(self.bytes)

    def _episode(self) -> Mapping[str, str] | None:
        if self.episode is None:
            return None
        source, fingerprint, starts_at = astuple(self.episode)
        return {"source": source, "fingerprint": fingerprint, "starts_at": str(starts_at)}
