"""What every process has: a page with its facts, a beat, and an end when it is told to."""

from __future__ import annotations

import asyncio
import os
import re
import signal

import pytest

from occ import __version__
from occ.process import beating, new_page, until_told
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
        async with beating("desk", page):
            await asyncio.sleep(5.5)
        assert sample(page.render(), "occ_event_loop_lag_seconds_count", exporter="desk") == 5.0
        assert sample(page.render(), "occ_event_loop_lag_seconds_bucket", exporter="desk", le="0.001") == 5.0

    @on_virtual_time
    async def test_the_registry_is_written_by_the_beat_and_not_by_the_scrape(self) -> None:
        page = new_page("desk", "0" * 12, FAMILIES)
        before = page.render()
        async with beating("desk", page):
            await asyncio.sleep(0.5)
            assert page.render() is before
            await asyncio.sleep(1)
            assert page.render() is not before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_is_told_to_end_by_either_signal_and_gives_the_signals_back(number: signal.Signals) -> None:
    both = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(one) for one in both]
    told = asyncio.create_task(until_told())
    await asyncio.sleep(0)
    os.kill(os.getpid(), number)
    await asyncio.wait_for(told, 5)
    assert [signal.getsignal(one) for one in both] == [signal.SIG_DFL, signal.default_int_handler]
    for one, handler in zip(both, before, strict=True):
        signal.signal(one, handler)
