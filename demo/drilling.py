"""`occ drill`: breaks the running demo as a drill says, and judges what comes of it."""

import argparse
import asyncio
import contextlib
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table

from .answers import Unanswered, acknowledged, frozen, taken_back
from .centre import Centre, NoDemo
from .drills import DRILLS, Alert, Drill
from .screen import console
from .until import until
from .views import Views, patiently

HEALTHY_WITHIN = 120.0
LOOKS_EVERY = 0.2
AFTERMATH = 4.0
"""Seconds for which it is watched on, once all that must fire has: what else might come."""

WATCHDOG = "Watchdog"

LASTING = frozenset(alert for drill in DRILLS for alert in drill.lasts)
"""What may fire long after a drill."""


@dataclass
class Seen:
    """When what was seen, in seconds since the fault."""

    fired: dict[Alert, float] = field(default_factory=dict)
    received: dict[Alert, float] = field(default_factory=dict)
    paged: dict[Alert, float] = field(default_factory=dict)
    muted: set[Alert] = field(default_factory=set)


@dataclass(frozen=True)
class Verdict:
    """How a drill went; without complaints it has passed. `recovered` is seconds from the end of the fault, `answered` what
    came of what was done about it.
    """

    drill: Drill
    seen: Seen
    recovered: float | None
    complaints: tuple[str, ...]
    answered: str = ""

    @property
    def passed(self) -> bool:
        return not self.complaints


class Exercise:
    """One drill on one running centre, where alerts of former ones may fire still."""

    def __init__(self, centre: Centre, views: Views, drill: Drill) -> None:
        self._centre, self._views, self._drill = centre, views, drill
        self._seen = Seen()
        self._known, self._fingerprints = dict[int, str](), dict[Alert, str]()
        self._answered, self._unanswered = "", list[str]()

    async def run(self) -> Verdict:
        """Breaks, watches, mends. The fault is taken back whatever happens."""
        self._known = {episode["id"]: episode["updated_at"] for episode in await self._views.episodes()}
        self._pages = len(await self._views.pages())
        self._lasting = LASTING & await self._views.firing()
        async with self._frozen():
            async with self._broken():
                self._began = time.monotonic()
                self._began_at = time.time()
                with contextlib.suppress(TimeoutError):
                    await until(self._all_seen, self._drill.within(self._centre.scale), every=LOOKS_EVERY)
                    await self._answer()
                    await self._take_back(at_once=True)
                    with contextlib.suppress(TimeoutError):
                        await until(self._look_on, AFTERMATH, every=LOOKS_EVERY)
            await self._take_back(at_once=False)
            await self._acknowledge()
            recovered = await self._recovered()
        complaints = (*self._complaints(recovered), *self._unanswered)
        return Verdict(self._drill, self._seen, recovered, complaints, self._answered)

    async def _answer(self) -> None:
        """Does what is to be done about it, or watches it being done."""
        if self._drill.answer is not None:
            try:
                self._answered = await self._drill.answer.given(self._views, self._fingerprints[self._drill.to])
            except (Unanswered, aiohttp.ClientError) as error:
                self._unanswered.append(f"not answered: {error}")

    async def _take_back(self, *, at_once: bool) -> None:
        if self._drill.answer is not None and self._drill.answer.at_once == at_once:
            try:
                await taken_back(self._views, self._drill.answer)
            except (Unanswered, aiohttp.ClientError) as error:
                self._unanswered.append(f"not taken back: {error}")

    async def _acknowledge(self) -> None:
        """Whoever is on call has heard of it, so that nothing more comes of it."""
        try:
            await acknowledged(self._views)
        except aiohttp.ClientError as error:
            self._unanswered.append(f"not acknowledged: {error}")

    @contextlib.asynccontextmanager
    async def _frozen(self) -> AsyncIterator[None]:
        if not self._drill.frozen:
            yield
            return
        lift = await frozen(self._views)
        try:
            yield
        finally:
            await lift()

    @contextlib.asynccontextmanager
    async def _broken(self) -> AsyncIterator[None]:
        try:
            await self._break()
            yield
        finally:
            await self._mend()

    async def _break(self) -> None:
        for name, fault in self._drill.breaks.items():
            await self._views.set_fault(name, fault)
        for name, (kind, particulars) in self._drill.venues.items():
            await self._views.set_venue_fault(name, kind, **particulars)
        if self._drill.halts:
            await self._views.chain("evm_setIntervalMining", 0)
        if self._drill.market:
            await self._views.set_market_fault(self._drill.market)
        if self._drill.engine:
            await self._views.set_engine_fault(self._drill.engine)

    async def _mend(self) -> None:
        for name in self._drill.venues:
            await self._views.clear_venue(name)
        for name in self._drill.breaks:
            await self._views.clear_fault(name)
        if self._drill.halts:
            await self._views.chain("evm_setIntervalMining", 1)
        if self._drill.market:
            await self._views.set_market_fault("")
        if self._drill.engine:
            await self._views.set_engine_fault("")

    async def _all_seen(self) -> bool:
        await self._look()
        drill, seen = self._drill, self._seen
        pages = {alert for alert in drill.fires if alert[0] in drill.pages}
        return drill.fires <= seen.received.keys() and pages <= seen.paged.keys() and drill.mutes <= seen.muted

    async def _look_on(self) -> bool:
        await self._look()
        return False

    async def _look(self) -> None:
        """Takes note of what fires, and where it has got to."""
        since = time.monotonic() - self._began
        try:
            for alert in await self._views.firing():
                self._seen.fired.setdefault(alert, since)
            for episode in await self._views.episodes():
                self._take(episode)
            for page in (await self._views.pages())[self._pages :]:
                if page["status"] == "firing":
                    self._seen.paged.setdefault((page["alertname"], page["entity"]), page["at"] - self._began_at)
            self._seen.muted |= await self._views.muted()
        except (aiohttp.ClientError, TimeoutError):
            return

    def _take(self, episode: Mapping[str, Any]) -> None:
        """What the receiver has heard of since the fault: of one that fires again within minutes by its last change."""
        again = episode["id"] in self._known
        if again and (episode["status"] != "firing" or episode["updated_at"] == self._known[episode["id"]]):
            return
        alert = _alert(episode)
        at = datetime.fromisoformat(episode["updated_at" if again else "received_at"]).timestamp()
        self._seen.received.setdefault(alert, max(at - self._began_at, 0.0))
        self._fingerprints[alert] = episode["fingerprint"]

    async def _recovered(self) -> float | None:
        """Seconds until all is as it was; None where that was not seen in time."""
        ended = time.monotonic()
        but = self._lasting | self._drill.lasts
        try:
            await until(lambda: patiently(lambda: healthy(self._views, but)), self._drill.recovers, every=LOOKS_EVERY)
        except TimeoutError:
            return None
        return time.monotonic() - ended

    def _complaints(self, recovered: float | None) -> Iterable[str]:
        drill, seen = self._drill, self._seen
        for alert in sorted(drill.fires - seen.received.keys()):
            where = "fired and did not reach the receiver" if alert in seen.fired else "did not fire"
            yield f"{_said(alert)} {where} within {drill.within(self._centre.scale):.0f} s"
        for alert in sorted(alert for alert in drill.fires if alert[0] in drill.pages and alert not in seen.paged):
            yield f"{_said(alert)} did not reach the pager"
        for alert in sorted(drill.mutes - seen.muted):
            yield f"{_said(alert)} was not muted"
        for alert in sorted(drill.mutes & seen.received.keys()):
            yield f"{_said(alert)} was to be muted, and reached the receiver"
        for alert in sorted(seen.received.keys() - drill.fires - drill.mutes - self._lasting):
            if alert[0] not in drill.follows | {WATCHDOG}:
                yield f"{_said(alert)} must not have come"
        for alert in sorted(
            each for each in seen.paged.keys() - self._lasting if each[0] not in drill.pages | drill.follows
        ):
            yield f"{_said(alert)} must not have paged"
        if recovered is None:
            yield f"not healthy again after {drill.recovers:.0f} s"


def _alert(episode: Mapping[str, Any]) -> Alert:
    return episode["alertname"], episode["labels"].get("entity", "")


def _said(alert: Alert) -> str:
    return f"{alert[0]} for {alert[1]}"


async def healthy(views: Views, but: frozenset[Alert] = frozenset()) -> bool:
    """Nothing fires but the Watchdog and what lasts, nowhere, nor is about to; every node, venue and pool is up, and all of them is
    read.
    """
    firing = {name for name, _ in await views.firing() - but}
    open_ones = {
        name for name, _ in {_alert(each) for each in await views.episodes() if each["status"] == "firing"} - but
    }
    return (
        firing == open_ones == {WATCHDOG}
        and await views.nodes_up()
        and await views.venues_up()
        and await views.pools_up()
        and await views.settled()
    )


# --- as a command ----------------------------------------------------------------------------------------------------


async def drilled(centre: Centre, drills: Sequence[Drill], out: Console) -> list[Verdict]:
    """Runs drills one after the other, each from a healthy centre, and says how each went."""
    verdicts = []
    async with Views(centre) as views:
        for drill in drills:
            with _waiting(out, "waiting until all is well"):
                await until(lambda: patiently(lambda: healthy(views, LASTING)), HEALTHY_WITHIN)
            out.print(f"{drill.name}: {drill.story}", style="bold", soft_wrap=True)
            with _waiting(out, f"{drill.name}: watching for at most {drill.within(centre.scale):.0f} s"):
                verdict = await Exercise(centre, views, drill).run()
            out.print(f"  {_outcome(verdict)}", style="green" if verdict.passed else "bold red", soft_wrap=True)
            verdicts.append(verdict)
    return verdicts


@contextlib.contextmanager
def _waiting(out: Console, what: str) -> Iterator[None]:
    if out.is_terminal:
        with out.status(what):
            yield
    else:
        yield


def _outcome(verdict: Verdict) -> str:
    if not verdict.passed:
        return "FAIL: " + "; ".join(verdict.complaints)
    reached = ", ".join(
        f"{_said(alert)} after {verdict.seen.received[alert]:.1f} s" for alert in sorted(verdict.drill.fires)
    )
    answered = f"; {verdict.answered}" if verdict.answered else ""
    return f"pass: {reached} at the receiver{answered}; recovered {verdict.recovered:.1f} s after the end of the fault"


def table(verdicts: Sequence[Verdict], scale: float) -> Table:
    """One row per drill, times in seconds since the fault."""
    made = Table(title=f"Drills; waits and windows of the rules divided by {scale:g}", title_justify="left")
    for heading in ("drill", "must fire", "at most", "fired", "receiver", "pager", "recovered", "verdict"):
        made.add_column(heading, justify="right" if heading in _NUMBERS else "left")
    for verdict in verdicts:
        drill, seen = verdict.drill, verdict.seen
        made.add_row(
            drill.name,
            "\n".join(_said(alert) for alert in sorted(drill.fires)),
            f"{drill.within(scale):.0f}",
            _latest(drill.fires, seen.fired),
            _latest(drill.fires, seen.received),
            _latest({alert for alert in drill.fires if alert[0] in drill.pages}, seen.paged),
            "" if verdict.recovered is None else f"{verdict.recovered:.1f}",
            "pass" if verdict.passed else "FAIL",
        )
    return made


_NUMBERS = {"at most", "fired", "receiver", "pager", "recovered"}


def _latest(alerts: Iterable[Alert], at: dict[Alert, float]) -> str:
    found = [at[alert] for alert in alerts if alert in at]
    return f"{max(found):.1f}" if found else ""


def medians(verdicts: Sequence[Verdict]) -> str:
    """How long it took from the fault, and from the firing of the rule, over all drills."""
    received = [
        (v.seen.received[a], v.seen.fired.get(a)) for v in verdicts for a in v.drill.fires if a in v.seen.received
    ]
    paged = [v.seen.paged[a] for v in verdicts for a in v.drill.fires if a in v.seen.paged]
    parts = []
    if received:
        parts.append(f"fault to receiver {statistics.median(at for at, _ in received):.1f} s")
    if paged:
        parts.append(f"fault to pager {statistics.median(paged):.1f} s")
    return "median " + ", ".join(parts) if parts else "nothing was received"


def parser() -> argparse.ArgumentParser:
    told = "\n".join(f"  {drill.name:<18}{drill.story}" for drill in DRILLS)
    arguments = argparse.ArgumentParser(
        prog="occ drill",
        description="Break the running demo on purpose, and see that the right alerts come, in time, and no others.",
        epilog=f"drills:\n{told}\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arguments.add_argument("names", nargs="*", metavar="NAME", help="one or more of the drills below")
    arguments.add_argument("--all", action="store_true", help="all of them, and a table at the end")
    arguments.add_argument(
        "--run", type=Path, metavar="FOLDER", help="the folder of a demo's run, where several run (default: the latest)"
    )
    return arguments


def _wanted(arguments: argparse.ArgumentParser, given: argparse.Namespace) -> list[Drill]:
    known = {drill.name: drill for drill in DRILLS}
    if given.all == bool(given.names):
        arguments.error("name one or more drills, or --all")
    if unknown := [name for name in given.names if name not in known]:
        arguments.error(f"no such drill: {', '.join(unknown)}; there are: {', '.join(known)}")
    return list(DRILLS) if given.all else [known[name] for name in given.names]


def main(argv: list[str] | None = None) -> int:
    """The exit code: 0 when every drill has passed, 1 when one has not or there is no demo."""
    arguments = parser()
    given = arguments.parse_args(argv)
    wanted = _wanted(arguments, given)
    out = console()
    try:
        centre = Centre.running(given.run)
        verdicts = asyncio.run(drilled(centre, wanted, out))
    except NoDemo as none:
        sys.stderr.write(f"occ drill: {none}\n")
        return 1
    except TimeoutError:
        sys.stderr.write(f"occ drill: the demo was not well within {HEALTHY_WITHIN:.0f} s: is a fault still set?\n")
        return 1
    except KeyboardInterrupt:
        return 130
    out.print()
    out.print(table(verdicts, centre.scale))
    out.print(medians(verdicts))
    return 0 if all(verdict.passed for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
