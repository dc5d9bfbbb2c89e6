"""Whether an action has brought about what it should, by Prometheus, on samples that are newer than its effect.

An empty result is never success, and neither is an answer that is none.
"""

from __future__ import annotations

from dataclasses import dataclass

from occ.errors import SourceError

from .catalogue import Fresh, Verify
from .clock import SECOND
from .prometheus import Prometheus, matcher


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look has shown: whether it is confirmed, and in words, why not yet."""

    confirmed: bool
    said: str


async def look(verify: Verify, applied_at: int, prometheus: Prometheus) -> Seen:
    """One look. `applied_at` is when the last effect was known to be applied, microseconds.

    Freshness is asked for first: what the condition is then judged by is no older.
    """
    try:
        if not await _fresh(verify, applied_at / SECOND, prometheus):
            return Seen(confirmed=False, said="there is no sample yet that is newer than the effect")
        if not await prometheus.query(verify.query):
            return Seen(confirmed=False, said="the condition does not hold")
    except SourceError as error:
        return Seen(confirmed=False, said=f"Prometheus can not be asked: {error}")
    return Seen(confirmed=True, said="the condition holds, on samples newer than the effect")


async def _fresh(verify: Verify, applied_at: float, prometheus: Prometheus) -> bool:
    """Whether all that the condition depends on was read after the effect (Unix seconds)."""
    if verify.heartbeat is not None:
        beats = await prometheus.query(verify.heartbeat)
        return bool(beats) and all(beat.value > applied_at for beat in beats)
    begun = await reads(verify.fresh, prometheus) if verify.fresh else ()
    return bool(begun) and all(at > applied_at for at in begun)


async def reads(fresh: Fresh, prometheus: Prometheus) -> tuple[float, ...]:
    """When the target's last read began, by every process that tells of it, Unix seconds; nothing where one did not succeed.

    When a read began is told together with its outcome, so that one still under way does not count. Raises SourceError.
    """
    whose = ",".join(matcher(key, getattr(fresh, key)) for key in ("exporter", "target", "check"))
    begun = await prometheus.query(f"occ_target_last_attempt_timestamp_seconds{{{whose}}}")
    up = await prometheus.query(f"occ_target_up{{{whose}}}") if begun else ()
    succeeded = len(up) == len(begun) and all(sample.value == 1 for sample in up)
    return tuple(sample.value for sample in begun) if succeeded else ()
