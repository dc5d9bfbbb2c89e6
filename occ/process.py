"""What every process of OCC has: a page with its facts, a beat that keeps it fresh, signals, and an end without noise."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import platform
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, disable_created_metrics

from occ import PYTHONS_THRESHOLD, __version__, metrics
from occ.metrics import KERNEL_FAMILIES, Catalogue, Family
from occ.page import Column, Page

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
BEATS_KEPT = 60
INTERRUPTED = 130


# --- its page --------------------------------------------------------------------------------------------------------


def new_page(name: str, digest: str, families: Iterable[Family], limit: int = 200_000) -> Page:
    """An empty page of a process: its facts are on it, and the metrics of Python and of the process."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    page = Page(Catalogue((*KERNEL_FAMILIES, *families)), limit)
    for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
        page.registry.register(collector)
    page.histogram(metrics.EVENT_LOOP_LAG).labels(name)
    build = {"exporter": name, "version": __version__, "python": platform.python_version()}
    page.put("process", [Column(metrics.BUILD_INFO, (build,), (1.0,))])
    show_config(page, name, digest, time.time())
    return page


def show_config(page: Page, name: str, digest: str, loaded_at: float, *, successful: bool = True) -> None:
    """Says on the page which configuration is in force, since when, and whether its files could last be used."""
    whose, used = ({"exporter": name},), ({"exporter": name, "hash": digest},)
    columns = [
        Column(metrics.CONFIG_INFO, used, (1.0,)),
        Column(metrics.CONFIG_RELOADED, whose, (float(successful),)),
        Column(metrics.CONFIG_RELOADED_AT, whose, (loaded_at,)),
    ]
    page.put("config", columns)


class Beat:
    """Once a second the registry is written anew, and how late that came is the loop's lag."""

    def __init__(self, name: str, page: Page) -> None:
        self._page = page
        self._histogram = page.histogram(metrics.EVENT_LOOP_LAG).labels(name)
        self.lags: deque[float] = deque(maxlen=BEATS_KEPT)
        """Of the last beats, in seconds."""

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """It beats while the block runs."""
        task = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + BEAT_SECONDS
            await asyncio.sleep(BEAT_SECONDS)
            lag = max(loop.time() - due, 0.0)
            self.lags.append(lag)
            self._histogram.observe(lag)
            self._page.refresh()


def settle(*, answering: bool = False) -> None:
    """Takes what is there at the start out of the garbage collector's sight, which looks seldom enough (`occ/__init__.py`).

    What was imported and configured stays until the end; to look through it again and again costs a third of a poll. Where people
    wait for answers, the collector looks as often as Python has it: seldom is a tenth of a second at once.
    """
    gc.collect()
    gc.freeze()
    if answering:
        gc.set_threshold(*PYTHONS_THRESHOLD)


# --- signals ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class Signals:
    """What the process was told: `end` is set once it shall end, and `reload` is called whenever it shall read anew."""

    end: asyncio.Event = field(default_factory=asyncio.Event)
    reload: Callable[[], object] = lambda: None


@contextmanager
def hearing() -> Iterator[Signals]:
    """From here on SIGTERM and SIGINT end the process when it is ready to, and at once at the second time; SIGHUP is heard.

    To be entered before anything is served: whoever has got an answer may send a signal.
    """
    loop, told = asyncio.get_running_loop(), Signals()
    ends = (signal.SIGTERM, signal.SIGINT)

    def end() -> None:
        for number in ends:
            loop.remove_signal_handler(number)
        told.end.set()
        log.info("ending")

    for number in ends:
        loop.add_signal_handler(number, end)
    loop.add_signal_handler(signal.SIGHUP, lambda: told.reload())  # noqa: PLW0108 - what it calls is set later
    try:
        yield told
    finally:
        for number in (*ends, signal.SIGHUP):
            loop.remove_signal_handler(number)


async def until_told(told: Signals, life: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Runs a life until it ends by itself, or is told to and so is cancelled; its exit code."""
    tasks = asyncio.create_task(life()), asyncio.create_task(told.end.wait())
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        outcome, _ = await asyncio.gather(*tasks, return_exceptions=True)
    if isinstance(outcome, asyncio.CancelledError):
        return 0
    if isinstance(outcome, BaseException):
        raise outcome
    return int(outcome)


# --- its end ---------------------------------------------------------------------------------------------------------


def guarded(main: Callable[[], int], *, traces: bool = True) -> int:
    """The exit code of `main`. What it did not expect is logged, masked, rather than printed by the interpreter.

    Without `traces` (while secrets are not known yet), where it happened is said, but none of its words.
    """
    with _masked_hooks():
        try:
            return main()
        except KeyboardInterrupt:
            return INTERRUPTED
        except BrokenPipeError:
            # Nobody reads standard output any more, and nothing shall complain of it when the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except Exception as error:
            if traces:
                log.critical("ended by what it did not expect", exc_info=True)
            else:
                log.critical("ended by what it did not expect: %s at %s", type(error).__name__, _place(error))
            return 1


def printed(text: str) -> int:
    """Writes to standard output; the exit code. Raises BrokenPipeError where nobody reads it."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        log.error("can not write to standard output: %s", error.strerror or error)  # noqa: TRY400 - a trace says no more
        return 1
    return 0


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames))


@contextmanager
def _masked_hooks() -> Iterator[None]:
    """Traces of threads, and of what can not be raised anywhere, go through the log as well."""
    before = threading.excepthook, sys.unraisablehook

    def thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit:
            log.critical("a thread ended by what it did not expect", exc_info=args.exc_value)

    def unraisable(args: Any) -> None:
        log.error("ignored: %s", args.err_msg or "an error with nowhere to go", exc_info=args.exc_value)

    threading.excepthook, sys.unraisablehook = thread, unraisable
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook = before
