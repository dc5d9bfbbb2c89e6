"""`/probe`: one target, now, on a page of its own."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from occ.probe import AT_ONCE, DEADLINE_HEADER
from tests.occ.house import Open, opened
from tests.occ.samples import parsed, sample
from tests.occ.served import until

TEXT = """
interval: 1h
nodes:
  - {name: a, peers: 5, url: "http://node.example/v2/c4n4ry-k3y"}
  - {name: gone, fails: auth}
  - {name: slow, takes: 1h}
"""
PATIENT = f"timeout: 1h{TEXT}"
"""A probe of `slow` ends in an hour, if nothing else ends it."""


@asynccontextmanager
async def desk(folder: Path, text: str = TEXT) -> AsyncIterator[Open]:
    async with opened(folder, text) as found:
        yield found


async def test_it_shows_what_the_target_says_now_and_nothing_of_the_others(tmp_path: Path) -> None:
    before = time.time()
    async with desk(tmp_path) as exporter:
        status, text = await exporter.get("/probe?target=eth/a")
    page = text.encode()
    assert status == 200
    assert sample(page, "rpc_peers", node="a") == 5.0
    assert sample(page, "occ_target_up", target="eth/a", exporter="house", check="evm") == 1.0
    assert before <= (sample(page, "occ_target_last_success_timestamp_seconds", node="a") or 0.0) <= time.time()
    assert sample(page, "occ_poll_duration_seconds_count", check="evm") == 1.0
    assert not {labels for _, labels in parsed(page) if {("node", "gone"), ("node", "slow")} & labels}
    assert not any(name.startswith(("process_", "python_")) for name, _ in parsed(page))


async def test_a_target_that_is_down_is_200_and_the_page_says_so(tmp_path: Path) -> None:
    async with desk(tmp_path) as exporter:
        status, text = await exporter.get("/probe?target=eth/gone")
    assert status == 200
    assert sample(text.encode(), "occ_target_up", node="gone") == 0.0
    assert sample(text.encode(), "occ_target_errors_total", node="gone", reason="auth") == 1.0


async def test_each_probe_asks_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as exporter:
        await until(lambda: exporter.house.asked.get("a"))
        for _ in range(3):
            await exporter.get("/probe?target=eth/a")
        assert exporter.house.asked["a"] == 4


async def test_it_adds_nothing_to_the_main_page(tmp_path: Path) -> None:
    async with desk(tmp_path, TEXT.replace("takes: 1h", "peers: 1")) as exporter:
        await until(lambda: exporter.service.runtime.ready)
        exporter.service.runtime.page.refresh()
        before = parsed(exporter.page())
        for name in ("a", "gone"):
            await exporter.get(f"/probe?target=eth/{name}")
        assert _steady(parsed(exporter.page())) == _steady(before)


def _steady(page: dict[tuple[str, frozenset[tuple[str, str]]], float]) -> dict[object, float]:
    return {
        key: value for key, value in page.items() if not key[0].startswith(("process_", "python_", "occ_event_loop"))
    }


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "which target? Ask for /probe?target=NAME; /metrics has the names as `target`\n"),
        ("?target=", "which target? Ask for /probe?target=NAME; /metrics has the names as `target`\n"),
        ("?target=eth/aa", "no such target is configured; did you mean eth/a?\n"),
        ("?target=http://node.example/v2/c4n4ry-k3y", "no such target is configured\n"),
        ("?target=" + "x" * 5000, "no such target is configured\n"),
        ("?target=<script>", "no such target is configured\n"),
    ],
)
async def test_without_a_target_that_there_is_it_is_400(tmp_path: Path, query: str, said: str) -> None:
    async with desk(tmp_path) as exporter:
        assert await exporter.get(f"/probe{query}") == (400, said)


class TestDeadline:
    """The log of a probe says which it had; a probe of `slow` shows that it was kept."""

    async def test_it_is_the_target_s_own(self, tmp_path: Path) -> None:
        async with desk(tmp_path, f"timeout: 100ms{TEXT}") as exporter:
            _, text = await exporter.get("/probe?target=eth/slow&debug=true")
        assert "occ.probe: probe of eth/slow begins, with a deadline of 0.1 s\n" in text
        assert "eth/slow (evm): down: timeout: no answer within 0.1 s\n" in text

    async def test_or_that_of_prometheus_where_that_is_shorter_and_a_little_less(self, tmp_path: Path) -> None:
        async with desk(tmp_path, PATIENT) as exporter:
            _, text = await exporter.get("/probe?target=eth/slow&debug=true", **{DEADLINE_HEADER: "0.8"})
        assert "occ.probe: probe of eth/slow begins, with a deadline of 0.4 s\n" in text
        assert "eth/slow (evm): down: timeout: no answer within 0.4 s\n" in text

    async def test_it_is_on_the_page_as_a_time_out(self, tmp_path: Path) -> None:
        async with desk(tmp_path, PATIENT) as exporter:
            _, text = await exporter.get("/probe?target=eth/slow", **{DEADLINE_HEADER: "0.2"})
        assert sample(text.encode(), "occ_target_up", node="slow") == 0.0
        assert sample(text.encode(), "occ_target_errors_total", node="slow", reason="timeout") == 1.0

    @pytest.mark.parametrize("header", ["soon", "-1", "0", "nan", "inf"])
    async def test_one_that_is_none_is_400(self, tmp_path: Path, header: str) -> None:
        async with desk(tmp_path) as exporter:
            status, said = await exporter.get("/probe?target=eth/a", **{DEADLINE_HEADER: header})
        assert (status, said) == (400, "X-Prometheus-Scrape-Timeout-Seconds: not a number of seconds\n")


async def _asks(exporter: Open, target: str) -> asyncio.StreamWriter:
    host, _, port = exporter.url.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /probe?target={target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return writer


async def test_a_client_that_goes_away_cancels_it(tmp_path: Path) -> None:
    async with desk(tmp_path, PATIENT) as exporter:
        running = exporter.service.runtime.probes.running  # type: ignore[union-attr]
        writer = await _asks(exporter, "eth/slow")
        await until(lambda: running)
        writer.transport.abort()
        await until(lambda: not running)


async def test_only_so_many_are_made_at_once(tmp_path: Path) -> None:
    async with desk(tmp_path, PATIENT) as exporter:
        running = exporter.service.runtime.probes.running  # type: ignore[union-attr]
        writers = [await _asks(exporter, "eth/slow") for _ in range(AT_ONCE)]
        await until(lambda: len(running) == AT_ONCE)
        async with exporter.session.get(f"{exporter.url}/probe?target=eth/a") as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "1")
        writers[0].transport.abort()
        await until(lambda: len(running) < AT_ONCE)
        assert (await exporter.get("/probe?target=eth/a"))[0] == 200
        for writer in writers:
            writer.transport.abort()


async def test_a_reload_lets_it_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("occ.probe.END_WITHIN", 60.0)
    text = PATIENT.replace("takes: 1h", "takes: 300ms")
    async with desk(tmp_path, text) as exporter:
        await until(lambda: exporter.house.asked.get("slow") == 1)
        probe = asyncio.create_task(exporter.get("/probe?target=eth/slow"))
        await until(lambda: exporter.house.asked["slow"] == 2)
        assert await exporter.reload(text.replace("name: a,", "name: b,"))
        _, page = await probe
        assert sample(page.encode(), "occ_target_up", node="slow") == 1.0
        assert (await exporter.get("/probe?target=eth/a"))[0] == 400
        assert (await exporter.get("/probe?target=eth/b"))[0] == 200


async def test_a_reload_ends_it_where_it_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("occ.probe.END_WITHIN", 0.05)
    async with desk(tmp_path, PATIENT) as exporter:
        probe = asyncio.create_task(exporter.get("/probe?target=eth/slow"))
        await until(lambda: exporter.service.runtime.probes.running)  # type: ignore[union-attr]
        assert await exporter.reload()
        assert await probe == (503, "the configuration was replaced meanwhile; try again\n")


class TestDebug:
    async def test_it_tells_what_was_logged_what_would_be_returned_and_the_configuration_without_secrets(
        self, tmp_path: Path
    ) -> None:
        async with desk(tmp_path) as exporter:
            status, text = await exporter.get("/probe?target=eth/gone&debug=true")
        assert status == 200
        logged, metrics, config = text.split("\n\n\n")
        assert logged.splitlines()[0] == "Logs for the probe:"
        assert "occ.probe: probe of eth/gone begins, with a deadline of 5 s" in logged
        assert "WARNING occ.poller: eth/gone (evm): down: auth: as configured" in logged
        assert re.search(r"occ\.probe: probe of eth/gone \(evm\): down: auth after \d+\.\d{3} s$", logged)
        assert metrics.startswith("Metrics that would have been returned:\n# HELP")
        assert config.startswith("Configuration:\n{")
        assert '"url": "***"' in config
        assert "c4n4ry" not in text
        assert "node.example" not in text

    async def test_it_is_for_this_machine_or_a_login(self, tmp_path: Path) -> None:
        async with desk(tmp_path) as exporter:
            status, _ = await exporter.get("/probe?target=eth/a&debug=true", **{"X-Forwarded-For": "10.0.0.1"})
            assert status == 403
            status, _ = await exporter.get("/probe?target=eth/a", **{"X-Forwarded-For": "10.0.0.1"})
            assert status == 200

    async def test_a_probe_is_no_complaint_of_the_process(self, tmp_path: Path) -> None:
        async with desk(tmp_path, "interval: 1h\nnodes: [{name: a}, {name: b, takes: 1h}]") as exporter:
            await exporter.get("/probe?target=eth/b", **{DEADLINE_HEADER: "0.2"})
            assert list(exporter.service._logged.recent.complaints) == []
