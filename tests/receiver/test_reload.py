"""The receiver under another configuration without an end in between, and behind TLS and a login."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from receiver.clock import now
from receiver.main import main
from tests.occ.certificates import Authority
from tests.occ.served import PASSWORD, curl, hashed
from tests.receiver.support import TOKEN, Process, alert, config_file, launch, message, started


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as made:
        yield made


def with_token_file(folder: Path, token: str, more: str = "") -> Path:
    """A configuration that takes this token, from a file."""
    (folder / "token").write_text(token)
    path = folder / "receiver.yml"
    path.write_text(f'database: "sqlite:///{folder}/receiver.db"\ningest: {{bearer: {{file: token}}}}\n{more}')
    return path


async def post(session: aiohttp.ClientSession, receiver: Process, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    body = message(alert(starts=now()))
    async with session.post(f"{receiver.url}/alertmanager", data=body, headers=headers) as response:
        return response.status


async def reload(session: aiohttp.ClientSession, receiver: Process) -> int:
    async with session.post(f"{receiver.url}/-/reload") as response:
        return response.status


async def metric(session: aiohttp.ClientSession, receiver: Process, series: str) -> float | None:
    async with session.get(f"{receiver.url}/metrics") as response:
        lines = (await response.text()).splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{series} ")), None)


async def test_a_token_is_changed_without_losing_a_count(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    async with started(with_token_file(tmp_path, "the-first-token")) as receiver:
        assert await post(session, receiver, "the-first-token") == 200
        with_token_file(tmp_path, "the-second-token")
        assert await post(session, receiver, "the-first-token") == 200
        assert await reload(session, receiver) == 200
        assert await post(session, receiver, "the-first-token") == 401
        assert await post(session, receiver, "the-second-token") == 200
        assert await metric(session, receiver, 'receiver_notifications_total{outcome="accepted"}') == 3.0
        assert await metric(session, receiver, 'occ_config_last_reload_successful{exporter="receiver"}') == 1.0
        assert await receiver.end() == 0


async def test_hangup_does_it_too(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    async with started(with_token_file(tmp_path, "the-first-token")) as receiver:
        with_token_file(tmp_path, "the-second-token")
        receiver.process.send_signal(signal.SIGHUP)
        assert receiver.process.stderr is not None
        assert b"reloaded: configuration" in await receiver.process.stderr.readline()
        assert await post(session, receiver, "the-second-token") == 200


async def test_links_and_host_names_follow(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    async with started(with_token_file(tmp_path, TOKEN)) as receiver:
        host = {"Host": "occ.example"}
        assert (await session.get(receiver.url, headers=host)).status == 403
        more = 'external_url: "https://occ.example/"\nprometheus: {url: "http://prometheus.example:9090"}\n'
        with_token_file(tmp_path, TOKEN, more)
        assert await reload(session, receiver) == 200
        async with session.get(receiver.url, headers=host) as response:
            assert response.status == 200
            assert "http://prometheus.example:9090" in await response.text()


@pytest.mark.parametrize("change", ["broken", "another database"])
async def test_what_can_not_be_is_refused_and_nothing_changes(
    tmp_path: Path, session: aiohttp.ClientSession, change: str
) -> None:
    async with started(with_token_file(tmp_path, "the-first-token")) as receiver:
        path = with_token_file(tmp_path, "the-second-token")
        text = path.read_text()
        path.write_text("colour: red" if change == "broken" else text.replace("receiver.db", "other.db"))
        assert await reload(session, receiver) == 500
        assert await post(session, receiver, "the-first-token") == 200
        assert await post(session, receiver, "the-second-token") == 401
        assert await metric(session, receiver, 'occ_config_last_reload_successful{exporter="receiver"}') == 0.0
        assert not (tmp_path / "other.db").exists()


async def test_behind_tls_and_a_login_the_senders_of_alerts_have_their_own(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("server")
    (tmp_path / "web.yml").write_text(
        f"tls_server_config: {{cert_file: server.crt, key_file: server.key}}\nbasic_auth_users: {{anna: {hashed()}}}\n"
    )
    process = await launch(
        config_file(tmp_path),
        arguments=("--web.listen-address", "127.0.0.1:0", "--web.config.file", str(tmp_path / "web.yml")),
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(60):
            while b"serving on https://" not in (line := await process.stderr.readline()):
                assert line
        url = f"https://localhost:{line.decode().strip().rpartition(':')[2]}"
        trust: tuple[str | Path, ...] = ("--cacert", authority.certificate)
        login = ("--user", f"anna:{PASSWORD}")
        assert (await curl(f"{url}/", *trust)).status == 401
        assert (await curl(f"{url}/", *trust, *login)).status == 200
        body = ("--data-binary", message(alert(starts=now())).decode())
        bearer = ("-H", f"Authorization: Bearer {TOKEN}")
        assert (await curl(f"{url}/alertmanager", *trust, *body, *bearer)).status == 200
        assert (await curl(f"{url}/alertmanager", *trust, *body, *login)).status == 401
        assert (await curl(f"{url}/metrics", *trust, *bearer)).status == 401
    finally:
        process.terminate()
        await process.communicate()


LOGIN = f"basic_auth_users: {{anna: {hashed()}}}"
TLS = "tls_server_config: {cert_file: server.crt, key_file: server.key}"
VERIFIED = TLS.replace("}", ", client_ca_file: authority.pem, client_auth_type: RequireAndVerifyClientCert}")


@pytest.mark.parametrize(
    ("text", "code"),
    [("{}", 2), (TLS, 2), (LOGIN, 2), (f"{TLS}\n{LOGIN}", 0), (VERIFIED, 0)],
    ids=["nothing", "tls alone", "a login in the clear", "tls and a login", "client certificates"],
)
def test_beyond_loopback_it_takes_tls_and_a_login(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, code: int
) -> None:
    Authority(tmp_path).issue("server")
    (tmp_path / "web.yml").write_text(text)
    flags = ["--config", str(with_token_file(tmp_path, TOKEN)), "--web.config.file", str(tmp_path / "web.yml")]
    assert main([*flags, "--web.listen-address", "192.0.2.1:9720", "--check-config"]) == code
    assert ("without a policy the pages have no login; beyond loopback" in capsys.readouterr().err) is (code == 2)
