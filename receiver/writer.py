"""The one writer: a thread that puts all work that waits into one transaction, so that it shares one flush to the disk.

Each piece of work runs under a savepoint: one that fails takes nothing else with it. Whoever waits for a piece hears of it
only after the commit.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from occ.errors import OccError

from .health import Condition, Finding

log = logging.getLogger(__name__)

MAX_BATCH = 500

T = TypeVar("T")
S = TypeVar("S")


class NotDurable(OccError):  # noqa: N818 - it names what is the matter
    """The work is not in the database: it could not be written, or was not committed."""


@dataclass(frozen=True, slots=True)
class _Job(Generic[T]):
    work: Callable[[Connection], T]
    done: Future[T] = field(default_factory=Future)


class Writer(Generic[S]):
    """Runs work in order. After the work of each transaction, `closing` is asked within it how things stand, and what it
    answers is handed to `committed`, on the writer's own thread, before those who wait are told.
    """

    def __init__(self, engine: Engine, closing: Callable[[Connection], S], committed: Callable[[S], object]) -> None:
        self._engine = engine
        self._closing = closing
        self._committed = committed
        self._complaint = ""
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer")

    def __enter__(self) -> Writer[S]:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Commits what was handed in, and ends the thread."""
        self._jobs.put(None)
        self._thread.join()

    async def run(self, work: Callable[[Connection], T]) -> T:
        """The work's result once it is durable. Raises NotDurable, or what the work raised."""
        job = _Job(work)
        self._jobs.put(job)
        # Whoever waits may go away; the work is done all the same.
        return await asyncio.shield(asyncio.wrap_future(job.done))

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            batch = [job]
            while len(batch) < MAX_BATCH and (more := self._next()) is not None:
                batch.append(more)
            self._write(batch)

    def _next(self) -> _Job[Any] | None:
        try:
            job = self._jobs.get_nowait()
        except queue.Empty:
            return None
        if job is None:
            self._jobs.put(None)
        return job

    def _write(self, batch: list[_Job[Any]]) -> None:
        try:
            with self._engine.begin() as connection:
                results = [_attempt(connection, job) for job in batch]
                standing = self._closing(connection)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, and the thread must go on
            self._fail(batch, error)
            return
        self._complaint = ""
        self._committed(standing)
        for job, result in zip(batch, results, strict=True):
            if isinstance(result, Exception):
                job.done.set_exception(result)
            else:
                job.done.set_result(result)

    def finding(self) -> Finding:
        """Whether the last transaction was committed."""
        if self._complaint:
            return Finding(Condition.ILL, f"the last transaction could not be made durable: {self._complaint}")
        return Finding(Condition.WELL, "what is written is durable")

    def _fail(self, batch: list[_Job[Any]], error: Exception) -> None:
        reason = getattr(error, "orig", None) or error
        self._complaint = str(reason)
        log.error("not durable: %s", reason, exc_info=None if isinstance(error, SQLAlchemyError) else error)
        for job in batch:
            job.done.set_exception(NotDurable(str(reason)))


def _attempt(connection: Connection, job: _Job[T]) -> T | Exception:
    try:
        with connection.begin_nested():
            return job.work(connection)
    except OperationalError:
        raise  # the disk or the file, not this work
    except Exception as error:  # noqa: BLE001 - handed to whoever waits for it, in the web handler
        return error
