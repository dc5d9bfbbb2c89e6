"""An exporter as a process of its own: signals, TLS with a real Prometheus, and what it does under fire."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from demo.parts import locate
from demo.processes import Part, Supervisor, free_ports
from demo.until import until
from tests.occ.certificates import Authority
from tests.occ.samples import sample
from tests.occ.served import PASSWORD, Answer, curl, hashed

ROOT = Path(__file__).parents[2]
CANARY = "c4n4ry-k3y"
TEXT = f"nodes: [{{name: a, peers: 5, url: 'http://node.example/{CANARY}'}}, {{name: slow, takes: 1h}}]\ntimeout: 1h\n"


@dataclass
class Process:
    """A running exporter; `log` is what it has said so far."""

    process: asyncio.subprocess.Process
    url: str = ""
    log: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def says(self, what: str) -> re.Match[str]:
        """Reads on until a line of the log has it."""
        assert self.process.stderr is not None
        while line := (await self.process.stderr.readline()).decode():
            self.log.append(line)
            if found := re.search(what, line):
                return found
        raise AssertionError("".join(self.log))

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code. It ends soon, although it has a probe under way that takes an hour."""
        self.process.send_signal(number)
        async with asyncio.timeout(30):
            _, err = await self.process.communicate()
        self.log += err.decode().splitlines(keepends=True)
        return self.process.returncode or 0


@asynccontextmanager
async def started(folder: Path, text: str = TEXT, *flags: str | Path) -> AsyncIterator[Process]:
    """The exporter of `house` with this configuration, once it says that it serves."""
    (folder / "house.yml").write_text(text)
    command = (sys.executable, "-m", "tests.occ.house", "--config", folder / "house.yml")
    process = await asyncio.create_subprocess_exec(
        *command,
        *("--web.listen-address", "127.0.0.1:0", *flags),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    made = Process(process)
    try:
        async with asyncio.timeout(60):
            made.url = (await made.says(r"serving on (https?://\S+)"))[1]
        yield made
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def value(running: Process, name: str, **labels: str) -> float | None:
    async with aiohttp.ClientSession() as session, session.get(f"{running.url}/metrics") as response:
        return sample(await response.read(), name, **labels)


class TestSignals:
    async def test_hangup_reads_the_configuration_anew(self, tmp_path: Path) -> None:
        async with started(tmp_path) as running:
            (tmp_path / "house.yml").write_text("nodes: [{name: b}]")
            running.process.send_signal(signal.SIGHUP)
            found = await running.says("reloaded: configuration ([0-9a-f]{12}) is in force")
            assert await value(running, "occ_config_info", hash=found[1]) == 1.0
            (tmp_path / "house.yml").write_text("nodes: [")
            running.process.send_signal(signal.SIGHUP)
            await running.says(r"ERROR   occ.reload: the reload was refused, .*house\.yml:1: not YAML")
            assert await value(running, "occ_config_last_reload_successful") == 0.0
            assert await running.end() == 0

    async def test_a_signal_right_after_the_first_answer_is_heard(self, tmp_path: Path) -> None:
        async with started(tmp_path) as running:
            assert (await curl(f"{running.url}/-/healthy")).status == 200
            assert await running.end() == 0

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    async def test_it_ends_soon_while_scrapes_probes_and_reloads_are_under_way(
        self, tmp_path: Path, number: signal.Signals
    ) -> None:
        async with started(tmp_path) as running, aiohttp.ClientSession() as session:

            async def busy(method: str, path: str) -> None:
                while True:
                    async with session.request(method, f"{running.url}{path}") as response:
                        await response.read()

            work = [("GET", "/metrics")] * 4 + [("POST", "/-/reload")] * 2 + [("GET", "/probe?target=eth/slow")] * 3
            tasks = [asyncio.create_task(busy(*each)) for each in work]
            await running.says("reloaded")
            code = await running.end(number)
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert code == 0, "".join(running.log)
        assert all(isinstance(outcome, aiohttp.ClientError) for outcome in outcomes)
        assert not [line for line in running.log if "ERROR" in line or "CRITICAL" in line or "Traceback" in line]

    async def test_the_second_signal_ends_it_at_once(self, tmp_path: Path) -> None:
        async with started(tmp_path, f"{TEXT}build: hangs") as running:
            running.process.send_signal(signal.SIGTERM)
            await running.says("ending")
            assert await running.end() == -signal.SIGTERM


class TestExitCodes:
    async def ended(
        self, folder: Path, *flags: str, text: str = TEXT, **others: Any
    ) -> subprocess.CompletedProcess[str]:
        (folder / "house.yml").write_text(text)
        command: list[str | Path] = [sys.executable, "-m", "tests.occ.house", "--config", folder / "house.yml", *flags]

        def run() -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                command, cwd=ROOT, text=True, check=False, timeout=60, stderr=subprocess.PIPE, **others
            )

        return await asyncio.to_thread(run)

    async def test_a_page_that_nobody_reads_is_1_and_no_noise(self, tmp_path: Path) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        try:
            done = await self.ended(tmp_path, "--once", text="nodes: [{name: a}]", stdout=writing)
        finally:
            os.close(writing)
        assert (done.returncode, done.stderr) == (1, "")

    async def test_a_full_disk_is_1_and_said(self, tmp_path: Path) -> None:
        full = os.open("/dev/full", os.O_WRONLY)
        try:
            done = await self.ended(tmp_path, "--once", text="nodes: [{name: a}]", stdout=full)
        finally:
            os.close(full)
        assert done.returncode == 1
        assert "can not write to standard output: No space left on device" in done.stderr
        assert "serve" not in done.stderr

    async def test_what_it_did_not_expect_is_1_with_a_masked_trace(self, tmp_path: Path) -> None:
        text = f"build: raises\nnodes: [{{name: a, url: 'http://node.example/{CANARY}'}}]"
        done = await self.ended(tmp_path, text=text, stdout=subprocess.PIPE)
        assert done.returncode == 1
        assert "CRITICAL occ.process: ended by what it did not expect\nTraceback" in done.stderr
        assert "OSError: disk of ***" in done.stderr
        assert CANARY not in done.stderr
        assert "can not serve" not in done.stderr

    async def test_a_web_configuration_that_can_not_be_used_is_2(self, tmp_path: Path) -> None:
        (tmp_path / "web.yml").write_text("basic_auth_users: {a: secret-in-the-clear}")
        for flags in ((), ("--check-config",), ("--once",)):
            done = await self.ended(
                tmp_path, "--web.config.file", str(tmp_path / "web.yml"), *flags, stdout=subprocess.PIPE
            )
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr == (
                f"{tmp_path}/web.yml:1: basic_auth_users.a: expected a bcrypt hash, as `htpasswd -nBC 10 NAME` makes it\n"
            )

    async def test_check_config_names_both_files(self, tmp_path: Path) -> None:
        (tmp_path / "web.yml").write_text("{}")
        done = await self.ended(
            tmp_path, "--web.config.file", str(tmp_path / "web.yml"), "--check-config", stdout=subprocess.PIPE
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"{tmp_path}/house.yml: valid\n{tmp_path}/web.yml: valid\n"


# --- TLS, a client certificate and a login ---------------------------------------------------------------------------

WEB = f"""
tls_server_config:
  cert_file: server.crt
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: authority.pem
basic_auth_users: {{prometheus: {hashed()}}}
"""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path)
    made.issue("server")
    made.issue("client", "prometheus.example")
    (tmp_path / "web.yml").write_text(WEB)
    return made


async def asked(running: Process, folder: Path, *flags: str, login: str = f"prometheus:{PASSWORD}") -> Answer:
    """curl with the client's certificate and this login."""
    certificate = (
        "--cacert",
        folder / "authority.pem",
        "--cert",
        folder / "client.crt",
        "--key",
        folder / "client.key",
    )
    return await curl(f"https://localhost:{running.port}/metrics", *certificate, "--user", login, *flags)


async def test_curl_needs_a_certificate_and_a_login(tmp_path: Path, authority: Authority) -> None:
    async with started(tmp_path, TEXT, "--web.config.file", tmp_path / "web.yml") as running:
        assert running.url.startswith("https://")
        assert (await asked(running, tmp_path)).status == 200
        assert (await asked(running, tmp_path, login="prometheus:wrong")).status == 401
        bare = await curl(f"https://localhost:{running.port}/metrics", "--cacert", authority.certificate)
        assert (bare.status, bare.code) in {(0, 35), (0, 52), (0, 55), (0, 56)}
        assert (await curl(f"http://localhost:{running.port}/metrics")).status == 0
        await running.end()
    assert PASSWORD not in "".join(running.log)


async def test_a_real_prometheus_scrapes_it_also_over_a_change_of_the_certificate(
    tmp_path: Path, authority: Authority
) -> None:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    async with (
        started(tmp_path, TEXT, "--web.config.file", tmp_path / "web.yml") as running,
        Supervisor(tmp_path) as parts,
        aiohttp.ClientSession() as session,
    ):
        (tmp_path / "prometheus.yml").write_text(_scraping(tmp_path, running.port))
        command: list[str | Path] = [
            locate("prometheus"),
            f"--config.file={tmp_path}/prometheus.yml",
            f"--storage.tsdb.path={tmp_path}/tsdb",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        await parts.start(Part("prometheus", command, f"{url}/-/ready"))

        async def result(query: str) -> list[Any]:
            async with session.get(f"{url}/api/v1/query", params={"query": query}) as response:
                return list((await response.json())["data"]["result"])

        assert await until(lambda: result('rpc_peers{node="a"} == 5'), 60)
        assert await until(lambda: result('up{job="wrong-password"} == 0'), 60)
        assert await until(lambda: result('up{job="no-certificate"} == 0'), 60)
        before = (await result('timestamp(up{job="house"})'))[0]["value"][1]
        authority.issue("server")
        assert await until(lambda: result(f'timestamp(up{{job="house"}} == 1) > {before} + 2'), 60)


def _scraping(folder: Path, port: int) -> str:
    def job(name: str, password: str, certificate: str) -> str:
        return (
            f"  - job_name: {name}\n    scheme: https\n    static_configs: [{{targets: ['localhost:{port}']}}]\n"
            f"    basic_auth: {{username: prometheus, password: '{password}'}}\n"
            f"    tls_config: {{ca_file: '{folder}/authority.pem'{certificate}}}\n"
        )

    shown = f", cert_file: '{folder}/client.crt', key_file: '{folder}/client.key'"
    return (
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n"
        + job("house", PASSWORD, shown)
        + job("wrong-password", "wrong", shown)
        + job("no-certificate", PASSWORD, "")
    )


# --- under fire ------------------------------------------------------------------------------------------------------


async def test_a_crowd_that_is_larger_than_the_files_it_may_open_does_not_stop_a_scrape(tmp_path: Path) -> None:
    async with started(tmp_path) as running:
        resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (2000, 2000))
        crowd = [await asyncio.open_connection("127.0.0.1", running.port) for _ in range(3000)]
        for _, writer in crowd[::2]:
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: l")
        for _ in range(3):
            assert (await curl(f"{running.url}/metrics")).status == 200
        for _, writer in crowd:
            writer.transport.abort()
        assert await running.end() == 0
    assert not [line for line in running.log if "ERROR" in line]
