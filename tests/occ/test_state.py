"""How jobs stand, and what one poller takes over from another; on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from occ.errors import Reason, SourceError
from occ.job import Pace, Target
from occ.metrics import KERNEL_FAMILIES, Catalogue
from occ.page import Page
from occ.poller import Poller
from tests import virtual
from tests.occ.far import DOWN, FAMILIES, PACE, After, Far, Steady, job, poller, running, targets
from tests.occ.samples import sample
from tests.virtual import on_virtual_time


class TestJobs:
    @on_virtual_time
    async def test_before_the_first_read_nothing_is_known(self) -> None:
        [state] = poller(job(Far({"a": 5}))).jobs()
        assert (state.check, state.pace, state.stream, state.took, state.due_in, state.series) == (
            *("evm", PACE, None, None, None),
            0,
        )
        [target] = state.targets
        assert (target.up, target.stale, target.reason, target.failures) == (False, True, None, 0)
        assert (target.success_at, target.attempt_at) == (None, None)

    @on_virtual_time
    async def test_then_how_long_it_took_and_when_it_is_due_again(self) -> None:
        made = poller(job(Far({"a": After(2.0, 5), "b": DOWN})))
        async with running(made):
            await asyncio.sleep(3.5)
            [state] = made.jobs()
            assert (state.took, state.due_in, state.series) == (2.0, 7.0, 1)
            a, b = state.targets
            assert (a.id, a.up, a.stale, a.reason, a.failures) == ("eth/a", True, False, None, 0)
            assert a.success_at == virtual.EPOCH + 2.5
            assert (b.up, b.stale, b.reason, b.failures, b.success_at) == (False, True, Reason.CONNECT, 1, None)

    @on_virtual_time
    async def test_a_target_that_comes_back_has_no_reason_any_more(self) -> None:
        answers = iter([DOWN, 5, 5])
        made = poller(job(Far({"a": lambda: next(answers)})))
        async with running(made):
            await asyncio.sleep(12)
            [state] = made.jobs()
            assert (state.targets[0].up, state.targets[0].reason, state.targets[0].failures) == (True, None, 0)

    @on_virtual_time
    async def test_whether_a_stream_is_followed_or_lost(self) -> None:
        async def stream(due: tuple[Target, ...]) -> AsyncIterator[Mapping[Target, Any]]:
            yield dict.fromkeys(due, 5)
            await asyncio.sleep(5)
            raise SourceError(Reason.CONNECT, "gone")

        made = poller(job(Far({"a": 5}), stream=stream))
        assert made.jobs()[0].stream is False
        async with running(made):
            await asyncio.sleep(1)
            assert (made.jobs()[0].stream, made.jobs()[0].due_in) == (True, None)
            await asyncio.sleep(5)
            assert made.jobs()[0].stream is False


def follower(page: Page, old: Poller, far: Far, pace: Pace = PACE, **parts: Any) -> Poller:
    """Another poller that takes the first one's place on its page."""
    old.leave()
    made = Poller("nodes", [job(far, pace, **parts)], page, chance=Steady(), clock=virtual.clock)
    made.inherit(old)
    return made


class TestInherit:
    def pair(self) -> tuple[Page, Poller]:
        page = Page(Catalogue((*KERNEL_FAMILIES, *FAMILIES)))
        return page, Poller("nodes", [job(Far({"a": 5, "b": 7}))], page, chance=Steady(), clock=virtual.clock)

    @on_virtual_time
    async def test_what_is_known_of_a_target_that_both_have_is_shown_at_once(self) -> None:
        page, old = self.pair()
        async with running(old):
            await asyncio.sleep(1)
        new = follower(page, old, Far({"a": 5, "c": 9}))
        assert {name: sample(new.render(), "rpc_peers", node=name) for name in "abc"} == {
            "a": 5.0,
            "b": None,
            "c": None,
        }
        assert sample(new.render(), "occ_target_up", node="a") == 1.0
        assert not new.ready

    @on_virtual_time
    async def test_it_is_stale_when_the_new_pace_says_so(self) -> None:
        page, old = self.pair()
        async with running(old):
            await asyncio.sleep(1)
        new = follower(page, old, Far({"a": 5, "b": 7}), replace(PACE, stale_after=10.0))
        assert new.ready
        await asyncio.sleep(9)
        assert sample(new.render(), "rpc_peers", node="a") == 5.0
        await asyncio.sleep(2)
        assert sample(new.render(), "rpc_peers", node="a") is None

    @on_virtual_time
    async def test_a_target_with_other_facts_is_another(self) -> None:
        page, old = self.pair()
        async with running(old):
            await asyncio.sleep(1)
        changed = tuple(replace(target, facts={**target.facts, "team": "other"}) for target in targets("a"))
        new = follower(page, old, Far({"a": 5}), targets=changed)
        assert sample(new.render(), "rpc_peers", node="a") is None
        assert sample(new.render(), "occ_target_info", team="other") == 1.0

    @on_virtual_time
    async def test_one_that_waits_because_it_failed_is_asked_at_once(self) -> None:
        page = Page(Catalogue((*KERNEL_FAMILIES, *FAMILIES)))
        old = Poller("nodes", [job(Far({"a": DOWN}))], page, chance=Steady(), clock=virtual.clock)
        async with running(old):
            await asyncio.sleep(60)
        far = Far({"a": 5})
        new = follower(page, old, far)
        began = asyncio.get_running_loop().time()
        async with running(new):
            await asyncio.sleep(1)
        assert far.times("a") == [began + 0.5]
