"""`python -m demo`: start the centre, show what runs where, end it without a trace; `--once` drives one fault through."""

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

from rich.console import Console

from . import status
from .centre import Centre
from .parts import ROOT, MissingPart
from .processes import PartFailed, State, Supervisor
from .scenario import VICTIM, Scenario, StepFailed
from .screen import Progress, Timeline, console, guide
from .until import until
from .views import Views, patiently

_WORKS_WITHIN = 60  # seconds from the start of its parts until one sees the other
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def parser() -> argparse.ArgumentParser:
    about = (
        "Starts a local chain seen through three nodes, three trading venues, a chain with pools, the exporters of all three, "
        "Prometheus, Alertmanager, the receiver and a pager."
    )
    arguments = argparse.ArgumentParser(prog="python -m demo", description=about)
    arguments.add_argument(
        "--once",
        action="store_true",
        help=f"drive one fault of node {VICTIM} to its verified recovery, print the timeline, exit with the verdict",
    )
    arguments.add_argument(
        "--time-scale",
        type=_factor,
        default=10,
        metavar="N",
        help="divide every wait and window of rules and routes by N; 1 runs them as they are shipped (default: 10)",
    )
    arguments.add_argument(
        "--keep",
        action="store_true",
        help="keep the run's folder in .demo/ also when nothing failed",
    )
    return arguments


def _factor(text: str) -> float:
    if (factor := float(text)) < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return factor


class Ending:
    """The first signal ends the work in good order, another one at once."""

    def __init__(self, work: asyncio.Future[int], supervisor: Supervisor) -> None:
        self._work, self._supervisor = work, supervisor
        self.signal: signal.Signals | None = None

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._received, number)
        yield
        for number in _SIGNALS:
            loop.remove_signal_handler(number)

    def _received(self, number: signal.Signals) -> None:
        if self.signal:
            self._supervisor.kill()
        else:
            self.signal = number
            self._work.cancel()


class Demo:
    """One run."""

    def __init__(self, options: argparse.Namespace, out: Console) -> None:
        run = ROOT / ".demo" / f"{time.strftime('%Y-%m-%dT%H-%M-%S')}-{os.getpid()}"
        self._options, self._out = options, out
        self._centre = Centre(run, options.time_scale)
        self._progress = Progress(out, self._centre.addresses())
        self._supervisor = Supervisor(self._centre.logs, self._progress.told)

    async def run(self) -> int:
        """The exit code. Whatever happens inside, no part outlives this call."""
        work = asyncio.ensure_future(self._work())
        ending = Ending(work, self._supervisor)
        with ending.handled():
            try:
                code = await work
            except asyncio.CancelledError:
                code = self._interrupted(ending.signal)
            except PartFailed as failure:
                self._fail(failure)
                code = 1
            return self._tidy(code)

    async def _work(self) -> int:
        self._centre.write()
        async with self._supervisor, Views(self._centre) as views:
            with self._progress.shown():
                for stage in self._centre.stages():
                    await self._supervisor.start(*stage)
                await self._supervisor.while_running(self._load_rules(views))
            self._centre.announce()
            self._explain()
            return await self._supervisor.while_running(self._once(views) if self._options.once else self._show(views))

    async def _load_rules(self, views: Views) -> None:
        """Once there is something to judge. Prometheus takes five seconds to its first scrape, and on the demo's time
        scale an exporter would be called absent by then.
        """
        self._progress.told("rules", State.STARTING)
        await self._seen("nodes", views.all_scraped)
        await self._seen("nodes", views.nodes_up)
        await self._seen("exchange", views.venues_up)
        await self._seen("pools", views.pools_up)
        self._centre.write_rules()
        self._supervisor.children["prometheus"].signal(signal.SIGHUP)
        await self._seen("prometheus", views.rules_loaded)
        self._progress.told("rules", State.READY)

    async def _seen(self, part: str, what: Callable[[], Awaitable[bool]]) -> None:
        try:
            await until(lambda: patiently(what), _WORKS_WITHIN)
        except TimeoutError:
            story = self._supervisor.children[part].story(f"does not work after {_WORKS_WITHIN} s")
            raise PartFailed(story) from None

    def _explain(self) -> None:
        if not self._out.is_terminal:
            self._out.print(self._progress.table())
        self._out.print(f"\n{guide(self._centre)}", soft_wrap=True, markup=False)
        if not self._options.once:
            self._out.print("\nCtrl-C ends it.", style="bold")

    async def _once(self, views: Views) -> int:
        try:
            verdict = await Scenario(self._centre, views, Timeline(self._out)).run()
        except StepFailed as failure:
            self._fail(f"{failure}\n{self._supervisor.children[failure.part].story('says')}")
            return 1
        self._out.print(f"\nPASS: {verdict}", style="bold green", soft_wrap=True)
        return 0

    async def _show(self, views: Views) -> int:
        """Until it is told to end."""
        await status.watch(views, self._out)
        return 0

    def _fail(self, why: object) -> None:
        self._out.print(f"\nFAIL: {why}", style="bold red", soft_wrap=True, markup=False)

    def _interrupted(self, number: signal.Signals | None) -> int:
        """Ctrl-C is how a demo ends that has no end of its own."""
        if number is None:
            raise asyncio.CancelledError
        return 0 if number == signal.SIGINT and not self._options.once else 128 + number

    def _tidy(self, code: int) -> int:
        """What a failure left behind stays, for whoever wants to know why."""
        if left := self._supervisor.left():
            self._fail(f"still running: {', '.join(left)}")
            code = 1
        else:
            self._out.print(f"\nall {len(self._supervisor.children)} parts have ended")
        if code == 1 or self._options.keep:
            self._out.print(f"kept: {self._centre.run}", soft_wrap=True)
        else:
            shutil.rmtree(self._centre.run, ignore_errors=True)
        return code


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    out = console()
    try:
        return asyncio.run(Demo(options, out).run())
    except MissingPart as missing:
        console(stderr=True).print(f"demo: {missing}", soft_wrap=True, markup=False)
        return 1


if __name__ == "__main__":
    sys.exit(main())
