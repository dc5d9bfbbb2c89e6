"""One configuration after another: all or nothing, no gap in gauges, no counter that goes down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from occ.page import Format
from occ.webconfig import WebConfigFile
from tests.occ.house import Open, opened
from tests.occ.samples import parsed
from tests.occ.served import PASSWORD, hashed, until

ONE = "nodes: [{name: a, peers: 5}]"
TWO = "nodes: [{name: a, peers: 5}, {name: b, peers: 7}]"
RARELY = "interval: 1h\n"


@asynccontextmanager
async def reading(folder: Path, text: str = ONE, rules: WebConfigFile | None = None) -> AsyncIterator[Open]:
    """An exporter that has read everything once."""
    async with opened(folder, text, rules or WebConfigFile()) as desk:
        await until(lambda: desk.service.runtime.ready)
        yield desk


class TestANewConfiguration:
    async def test_its_targets_take_the_place_of_the_old_ones(self, tmp_path: Path) -> None:
        async with reading(tmp_path) as desk:
            assert await desk.reload("nodes: [{name: b, peers: 7}]")
            await until(lambda: desk.value("rpc_peers", node="b") == 7.0)
            assert desk.value("rpc_peers", node="a") is None
            assert desk.value("occ_target_up", node="a") is None
            assert desk.value("occ_target_configured", target="eth/b") == 1.0
            assert desk.house.steps == ["open a", "open b", "close a"]

    async def test_the_page_says_so(self, tmp_path: Path) -> None:
        async with reading(tmp_path) as desk:
            before, at = desk.service.reloader.loaded.digest, time.time()
            assert await desk.reload(TWO)
            after = desk.service.reloader.loaded.digest
            assert before != after
            assert desk.value("occ_config_info", hash=after) == 1.0
            assert desk.value("occ_config_info", hash=before) is None
            assert desk.value("occ_config_last_reload_successful") == 1.0
            assert (desk.value("occ_config_last_reload_success_timestamp_seconds") or 0) >= at

    async def test_a_target_that_stays_as_it_is_keeps_its_reading_and_its_last_success(self, tmp_path: Path) -> None:
        async with reading(tmp_path, RARELY + ONE) as desk:
            success = desk.value("occ_target_last_success_timestamp_seconds", node="a")
            assert await desk.reload(RARELY + TWO.replace("{name: b", "{name: b, takes: 1h"))
            assert desk.value("rpc_peers", node="a") == 5.0
            assert desk.value("occ_target_up", node="a") == 1.0
            assert desk.value("occ_target_last_success_timestamp_seconds", node="a") == success
            assert desk.value("occ_target_up", node="b") == 0.0
            assert desk.value("rpc_peers", node="b") is None

    async def test_one_that_is_configured_otherwise_is_another(self, tmp_path: Path) -> None:
        async with reading(tmp_path, "nodes: [{name: a, peers: 5, url: 'http://one.example'}]") as desk:
            assert await desk.reload("nodes: [{name: a, peers: 6, takes: 1h, url: 'http://two.example'}]")
            assert desk.value("rpc_peers", node="a") is None
            assert desk.value("occ_target_stale", node="a") == 1.0

    async def test_no_scrape_sees_a_gap_or_anything_twice(self, tmp_path: Path) -> None:
        async with reading(tmp_path, TWO) as desk:
            counts, gone, body = [0.0], 0, b""
            for number in range(10):
                asking = asyncio.ensure_future(desk.reload(ONE if number % 2 else TWO))
                while not asking.done():
                    await asyncio.sleep(0)
                    before, body = body, desk.page()
                    if before is body:
                        continue
                    page = parsed(body)  # fails where a series is there twice
                    found = {name: value for (name, labels), value in page.items() if ("node", "a") in labels}
                    gone += "rpc_peers" not in found
                    counts.append(found["rpc_reads_total"])
                assert await asking
            assert gone == 0
            assert counts == sorted(counts)

    async def test_counters_and_histograms_go_on(self, tmp_path: Path) -> None:
        async with reading(tmp_path, RARELY + TWO.replace("{name: b", "{name: b, fails: connect")) as desk:
            assert desk.value("occ_target_errors_total", node="b", reason="connect") == 1.0
            page = desk.service.runtime.page
            page.refresh()
            assert desk.value("occ_poll_duration_seconds_count", check="evm") == 2.0
            assert await desk.reload(RARELY + ONE)
            assert desk.value("occ_target_errors_total", node="b", reason="connect") == 1.0
            await until(lambda: desk.value("rpc_reads_total", node="a") == 2.0)
            page.refresh()
            assert desk.value("occ_poll_duration_seconds_count", check="evm") == 3.0

    async def test_counters_of_a_target_that_is_gone_stay_and_go_on_when_it_comes_back(self, tmp_path: Path) -> None:
        failing = RARELY + TWO.replace("{name: b", "{name: b, fails: connect")
        async with reading(tmp_path, failing) as desk:
            for expected in (1.0, 2.0, 3.0):
                await until(lambda: desk.value("occ_target_errors_total", node="b", reason="connect") == expected)  # noqa: B023
                assert await desk.reload(RARELY + ONE)
                assert desk.value("occ_target_errors_total", node="b", reason="connect") == expected
                assert desk.value("occ_target_configured", node="b") is None
                assert await desk.reload(failing)

    async def test_its_limit_is_in_force(self, tmp_path: Path) -> None:
        many = ", ".join(f"{{name: n{number}}}" for number in range(101))
        async with reading(tmp_path, f"limits: {{series: 100}}\nnodes: [{many}]") as desk:
            assert desk.value("rpc_peers", node="n0") is None
            assert await desk.reload(f"limits: {{series: 101}}\nnodes: [{many}]")
            await until(lambda: desk.value("rpc_peers", node="n0") == 1.0)

    async def test_readiness_is_not_taken_back(self, tmp_path: Path) -> None:
        async with reading(tmp_path) as desk:
            assert await desk.reload(TWO.replace("{name: b", "{name: b, takes: 1h"))
            assert (await desk.get("/-/ready"))[0] == 200

    async def test_a_hundred_reloads_leave_nothing_behind(self, tmp_path: Path) -> None:
        async with reading(tmp_path) as desk:
            tasks, sources = len(asyncio.all_tasks()), len(desk.service.runtime.page._sources)
            for number in range(100):
                assert await desk.reload(TWO if number % 2 else ONE)
            await until(lambda: len(asyncio.all_tasks()) <= tasks)
            assert len(desk.service.runtime.page._sources) == sources
            assert sum(step.startswith("close") for step in desk.house.steps) == 100

    async def test_several_wishes_at_once_are_all_answered(self, tmp_path: Path) -> None:
        async with reading(tmp_path) as desk:
            assert await asyncio.gather(*(desk.reload() for _ in range(20))) == [True] * 20
            assert len(desk.house.steps) < 20


BROKEN = {
    "no yaml": "nodes: [",
    "unknown key": f"colour: red\n{ONE}",
    "no node": "nodes: []",
    "a secret that is not there": "nodes: [{name: a, key: {env: C4N4RY_NOT_SET}}]",
    "can not be built": f"build: fails\n{ONE}",
    "refuses to be built": f"build: refused\n{ONE}",
    "shows something twice": f"build: clashes\n{ONE}",
}


class TestABrokenOne:
    @pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
    async def test_changes_nothing(self, tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
        async with reading(tmp_path, TWO) as desk:
            before = desk.service.reloader.loaded.digest
            polled = desk.house.asked["a"]
            assert not await desk.reload(text)
            assert desk.value("rpc_peers", node="a") == 5.0
            assert desk.value("rpc_peers", node="b") == 7.0
            assert desk.value("occ_config_info", hash=before) == 1.0
            assert desk.value("occ_config_last_reload_successful") == 0.0
            await until(lambda: desk.house.asked["a"] > polled + 2)
            assert "the reload was refused, the former configuration stays in force" in caplog.text
            assert desk.house.steps in (["open a,b"], ["open a,b", "open a", "close a"])
            parsed(desk.page())

    async def test_and_a_good_one_after_it_is_in_force(self, tmp_path: Path) -> None:
        async with reading(tmp_path, TWO) as desk:
            assert not await desk.reload("nodes: [")
            assert await desk.reload(ONE)
            assert desk.value("occ_config_last_reload_successful") == 1.0
            assert desk.value("rpc_peers", node="b") is None

    async def test_a_file_that_is_gone_is_one(self, tmp_path: Path) -> None:
        async with reading(tmp_path) as desk:
            desk.path.unlink()
            assert not await desk.reload()
            assert desk.value("rpc_peers", node="a") == 5.0

    async def test_a_web_configuration_that_can_not_be_used_makes_all_of_it_be_refused(self, tmp_path: Path) -> None:
        web = tmp_path / "web.yml"
        web.write_text("{}")
        async with reading(tmp_path, ONE, WebConfigFile(web)) as desk:
            web.write_text("nonsense: true")
            assert not await desk.reload(TWO)
            assert desk.value("occ_target_configured", node="b") is None
            web.write_text("{}")
            assert await desk.reload(TWO)

    async def test_a_web_configuration_that_becomes_unusable_is_on_the_page_without_a_reload(
        self, tmp_path: Path
    ) -> None:
        web = tmp_path / "web.yml"
        web.write_text("{}")
        async with reading(tmp_path, ONE, WebConfigFile(web)) as desk:
            web.write_text("nonsense: true")
            status, page = await desk.get("/metrics")
            assert status == 200
            assert 'occ_config_last_reload_successful{exporter="house"} 0.0' in page
            web.write_text("{}")
            assert 'occ_config_last_reload_successful{exporter="house"} 1.0' in (await desk.get("/metrics"))[1]


class TestByHttp:
    async def test_a_good_one_is_200(self, tmp_path: Path) -> None:
        async with reading(tmp_path) as desk:
            desk.path.write_text(TWO)
            async with desk.session.post(f"{desk.url}/-/reload") as response:
                assert (response.status, await response.text()) == (200, "reloaded\n")
            assert desk.value("occ_target_configured", node="b") == 1.0

    async def test_a_broken_one_is_500_and_only_the_log_says_why(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with reading(tmp_path) as desk:
            desk.path.write_text("nodes: [{name: a, url: c4n4ry}]")
            async with desk.session.post(f"{desk.url}/-/reload") as response:
                text = await response.text()
                assert response.status == 500
        assert text == "refused, the former configuration stays in force; the log says why\n"
        assert "house.yml:1: nodes[0].url: expected a URL that begins with http:// or https://" in caplog.text
        assert "c4n4ry" not in caplog.text

    async def test_it_is_for_this_machine_alone(self, tmp_path: Path) -> None:
        async with reading(tmp_path) as desk:
            for header in ("X-Forwarded-For", "Via", "Origin", "Sec-Fetch-Site"):
                headers = {header: "10.0.0.1"}
                async with desk.session.post(f"{desk.url}/-/reload", headers=headers) as response:
                    assert response.status == 403
            assert desk.house.steps == ["open a"]

    async def test_or_for_whoever_logs_in(self, tmp_path: Path) -> None:
        web = tmp_path / "web.yml"
        web.write_text(f"basic_auth_users: {{anna: {hashed()}}}")
        async with reading(tmp_path, ONE, WebConfigFile(web)) as desk:
            for password, status in (("wrong", 401), (PASSWORD, 200)):
                login = {"Authorization": aiohttp.encode_basic_auth("anna", password), "X-Forwarded-For": "10.0.0.1"}
                async with desk.session.post(f"{desk.url}/-/reload", headers=login) as response:
                    assert response.status == status

    async def test_to_get_it_is_405(self, tmp_path: Path) -> None:
        async with reading(tmp_path) as desk:
            assert (await desk.get("/-/reload"))[0] == 405

    async def test_whoever_asked_may_leave_and_it_is_done_all_the_same(self, tmp_path: Path) -> None:
        async with reading(tmp_path) as desk:
            desk.path.write_text(TWO)
            host, _, port = desk.url.removeprefix("http://").partition(":")
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            await until(lambda: len(desk.house.steps) > 1)
            writer.transport.abort()
            await until(lambda: desk.value("occ_target_configured", node="b") == 1.0)


async def test_a_scrape_while_it_reloads_is_answered_at_once(tmp_path: Path) -> None:
    async with reading(tmp_path, TWO) as desk:
        for style in (Format.TEXT, Format.OPENMETRICS):
            asking = asyncio.ensure_future(desk.reload(TWO))
            status, page = await desk.get("/metrics", Accept=style.value)
            assert (status, "rpc_peers" in page) == (200, True)
            assert await asking
