"""What every process has: a page with its facts, a beat, and an end when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.parts import ROOT
from occ import __version__, logs
from occ.process import INTERRUPTED, Beat, Signals, guarded, hearing, new_page, printed, show_config, until_told
from tests.occ.far import FAMILIES
from tests.occ.samples import parsed, sample
from tests.virtual import on_virtual_time


class TestNewPage:
    BODY = new_page("desk", "0123456789ab", FAMILIES).render()

    def test_it_says_what_runs_and_with_which_configuration(self) -> None:
        assert sample(self.BODY, "occ_build_info", exporter="desk", version=__version__) == 1.0
        assert sample(self.BODY, "occ_config_info", exporter="desk", hash="0123456789ab") == 1.0

    def test_it_has_the_metrics_of_python_and_of_the_process(self) -> None:
        names = {name for name, _ in parsed(self.BODY)}
        assert {"process_resident_memory_bytes", "python_info", "python_gc_collections_total"} <= names

    def test_no_series_says_when_it_was_created(self) -> None:
        assert not re.search(rb"_created\b", self.BODY)

    def test_two_of_one_process_know_nothing_of_each_other(self) -> None:
        assert b"desk" not in new_page("other", "0" * 12, FAMILIES).render()


class TestBeat:
    @on_virtual_time
    async def test_the_lag_of_the_loop_is_measured_once_a_second(self) -> None:
        page = new_page("desk", "0" * 12, FAMILIES)
        async with Beat("desk", page).beating():
            await asyncio.sleep(5.5)
        assert sample(page.render(), "occ_event_loop_lag_seconds_count", exporter="desk") == 5.0
        assert sample(page.render(), "occ_event_loop_lag_seconds_bucket", exporter="desk", le="0.001") == 5.0

    @on_virtual_time
    async def test_the_registry_is_written_by_the_beat_and_not_by_the_scrape(self) -> None:
        page = new_page("desk", "0" * 12, FAMILIES)
        before = page.render()
        async with Beat("desk", page).beating():
            await asyncio.sleep(0.5)
            assert page.render() is before
            await asyncio.sleep(1)
            assert page.render() is not before


class TestConfigOnThePage:
    def test_at_the_start_it_is_in_force_since_now(self) -> None:
        before = time.time()
        body = new_page("desk", "0" * 12, FAMILIES).render()
        assert sample(body, "occ_config_last_reload_successful", exporter="desk") == 1.0
        since = sample(body, "occ_config_last_reload_success_timestamp_seconds", exporter="desk")
        assert since is not None
        assert before <= since <= time.time()

    def test_a_refused_one_leaves_hash_and_time_of_the_former(self) -> None:
        page = new_page("desk", "0" * 12, FAMILIES)
        show_config(page, "desk", "1" * 12, 1000.0)
        show_config(page, "desk", "1" * 12, 1000.0, successful=False)
        body = page.render()
        assert sample(body, "occ_config_info", hash="1" * 12) == 1.0
        assert sample(body, "occ_config_info", hash="0" * 12) is None
        assert sample(body, "occ_config_last_reload_success_timestamp_seconds") == 1000.0
        assert sample(body, "occ_config_last_reload_successful") == 0.0


ALL = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _same_handlers() -> Iterator[None]:
    before = [signal.getsignal(number) for number in ALL]
    yield
    for number, handler in zip(ALL, before, strict=True):
        signal.signal(number, handler)


class TestSignals:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    async def test_either_ends_a_life_and_the_second_would_end_the_process(self, number: signal.Signals) -> None:
        steps = []

        async def life() -> int:
            try:
                await asyncio.Event().wait()
            finally:
                steps.append("cleaned up")
            return 1

        with hearing() as told:
            os.kill(os.getpid(), number)
            assert await until_told(told, life) == 0
            assert [signal.getsignal(one) for one in ALL[:2]] == [signal.SIG_DFL, signal.default_int_handler]
        assert steps in ([], ["cleaned up"])

    async def test_they_are_heard_from_the_first_line_on(self) -> None:
        """Nothing has to run between: a signal that comes before the first await is not lost."""
        with hearing() as told:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(told.end.wait(), 30)

    async def test_hangup_reloads_every_time_and_ends_nothing(self) -> None:
        with hearing() as told:
            heard = asyncio.Queue[str]()
            told.reload = lambda: heard.put_nowait("again")
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGHUP)
                assert await asyncio.wait_for(heard.get(), 30) == "again"
            assert not told.end.is_set()

    async def test_hangup_before_anything_can_be_reloaded_is_nothing(self) -> None:
        with hearing() as told:
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0)
            assert not told.end.is_set()

    async def test_afterwards_they_are_as_they_are_by_default(self) -> None:
        with hearing():
            pass
        assert [signal.getsignal(one) for one in ALL] == [signal.SIG_DFL, signal.default_int_handler, signal.SIG_DFL]


class TestUntilTold:
    async def test_a_life_that_ends_by_itself_has_its_own_code(self) -> None:
        async def life() -> int:
            return 7

        assert await until_told(Signals(), life) == 7

    async def test_what_it_raises_is_raised(self) -> None:
        async def life() -> int:
            raise LookupError("gone")

        with pytest.raises(LookupError, match="gone"):
            await until_told(Signals(), life)

    async def test_what_it_raises_while_it_ends_is_raised_too(self) -> None:
        async def life() -> int:
            try:
                await asyncio.Event().wait()
            finally:
                raise LookupError("gone")

        told = Signals()
        asyncio.get_running_loop().call_later(0.01, told.end.set)
        with pytest.raises(LookupError, match="gone"):
            await until_told(told, life)


class TestGuarded:
    """What nobody expected ends the process with 1, and nothing unmasked is printed."""

    @pytest.fixture(autouse=True)
    def _log(self) -> Iterator[None]:
        root = logging.getLogger()
        handlers, level = list(root.handlers), root.level
        yield
        root.handlers[:] = handlers
        root.setLevel(level)

    def test_an_exit_code_is_passed_on(self) -> None:
        assert guarded(lambda: 3) == 3

    def test_a_mistake_is_logged_with_its_trace_masked(self, capsys: pytest.CaptureFixture[str]) -> None:
        logs.setup("info", secrets=["c4n4ry-key"])
        assert guarded(lambda: _failing("https://node.example/c4n4ry-key")) == 1
        err = capsys.readouterr().err
        assert "CRITICAL occ.process: ended by what it did not expect\nTraceback" in err
        assert "ZeroDivisionError: https://node.example/***" in err

    def test_while_secrets_are_not_known_its_words_are_not_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        logs.setup("info")
        assert guarded(lambda: _failing("c4n4ry-key"), traces=False) == 1
        err = capsys.readouterr().err
        assert re.search(r"ended by what it did not expect: ZeroDivisionError at \S+test_process.py:\d+ < ", err)
        assert "c4n4ry" not in err

    def test_an_interrupt_from_the_keyboard_is_no_mistake(self, capsys: pytest.CaptureFixture[str]) -> None:
        def interrupted() -> int:
            raise KeyboardInterrupt

        assert guarded(interrupted) == INTERRUPTED
        assert capsys.readouterr() == ("", "")

    def test_so_are_those_of_threads_and_of_what_has_nowhere_to_raise(self, capsys: pytest.CaptureFixture[str]) -> None:
        logs.setup("info", secrets=["c4n4ry-key"])

        class Awkward:
            def __del__(self) -> None:
                raise LookupError("c4n4ry-key")

        def main() -> int:
            thread = threading.Thread(target=_failing, args=["c4n4ry-key"])
            thread.start()
            thread.join()
            Awkward()
            return 0

        before = sys.unraisablehook, threading.excepthook
        assert guarded(main) == 0
        assert (sys.unraisablehook, threading.excepthook) == before
        err = capsys.readouterr().err
        assert "ZeroDivisionError: ***" in err
        assert "LookupError: ***" in err
        assert "c4n4ry" not in err

    def test_a_disk_that_is_full_is_said(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        logs.setup("info")
        with Path("/dev/full").open("w") as full:
            monkeypatch.setattr(sys, "stdout", full)
            assert printed("page" * 10_000) == 1
            monkeypatch.undo()
            with contextlib.suppress(OSError):
                full.close()
        assert "can not write to standard output: No space left on device" in capsys.readouterr().err


def test_the_collector_looks_seldom_unless_people_wait_for_answers() -> None:
    said = """
import gc
own = gc.get_threshold()
from occ import process
process.settle()
assert gc.get_freeze_count() > 1000
assert gc.get_threshold() > own
process.settle(answering=True)
assert gc.get_threshold() == own
"""
    subprocess.run([sys.executable, "-c", said], check=True, cwd=ROOT, timeout=60)


def _failing(text: str) -> int:
    raise ZeroDivisionError(text)
