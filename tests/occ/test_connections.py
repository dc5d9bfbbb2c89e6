"""Clients that dawdle, crowd or babble do not keep a scrape out."""

from __future__ import annotations

import asyncio
import resource
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import bcrypt
import pytest
from aiohttp import web

from occ.auth import AT_ONCE, WAITING_PER_ADDRESS
from occ.connections import MOST, most_connections
from occ.flags import Address
from occ.web import CONNECTIONS, serving
from tests.occ.certificates import Authority
from tests.occ.served import LINES, PASSWORD, Site, app, hashed, site, until

TLS = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
HEAD = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nx"

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def crowd(port: int, number: int, says: bytes = b"") -> AsyncIterator[list[Client]]:
    """That many connections, of which each has said this and then nothing more."""
    clients: list[Client] = []
    try:
        for _ in range(number):
            clients.append(await asyncio.open_connection("127.0.0.1", port))
            clients[-1][1].write(says)
        yield clients
    finally:
        for _, writer in clients:
            writer.transport.abort()


async def scraped(server: Site, *flags: str | Path) -> bool:
    answer = await server.curl("/metrics", *flags)
    return (answer.status, answer.body.startswith(LINES)) == (200, True)


async def ended(client: Client) -> bool:
    """Whether the server has ended this connection, rather than answer."""
    try:
        async with asyncio.timeout(30):
            return await client[0].read() == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("says", [b"", b"G", HEAD, POST], ids=["nothing", "a letter", "half a head", "half a body"])
async def test_a_thousand_connections_that_dawdle_do_not_stop_a_scrape(says: bytes) -> None:
    async with site() as server, crowd(server.address.port, 1000, says):
        for _ in range(3):
            assert await scraped(server)


@pytest.mark.parametrize("says", [b"", b"\x16\x03\x01"], ids=["nothing", "half a hello"])
async def test_nor_do_a_thousand_that_never_finish_their_handshake(tmp_path: Path, says: bytes) -> None:
    authority = Authority(tmp_path)
    authority.issue("server")
    async with site(TLS, tmp_path) as server, crowd(server.address.port, 1000, says):
        for _ in range(3):
            assert await scraped(server, "--cacert", authority.certificate)


@pytest.fixture
def few_files() -> Iterator[int]:
    """This process may open only so many files."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = len(list(Path("/proc/self/fd").iterdir())) + 200
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, before[1]))
    yield allowed
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_there_may_be_as_many_as_leave_files_for_everything_else(few_files: int) -> None:
    assert most_connections() == few_files // 2
    assert most_connections() <= MOST


async def test_the_one_that_has_waited_longest_makes_room() -> None:
    async with site(most=10) as server, crowd(server.address.port, 10, HEAD) as clients:
        assert await scraped(server)
        assert await ended(clients[0])
        for client in clients[1:]:
            client[1].write(b"Connection: close\r\n\r\n")
            assert (await client[0].read()).startswith(b"HTTP/1.1 200")


async def test_rather_one_that_never_asked_than_one_that_is_kept_open_between_two_scrapes() -> None:
    async with site(most=10) as server, crowd(server.address.port, 1, HEAD + b"\r\n") as [scraper]:
        assert (await scraper[0].readline()) == b"HTTP/1.1 200 OK\r\n"
        async with crowd(server.address.port, 30, HEAD):
            scraper[1].write(HEAD + b"Connection: close\r\n\r\n")
            assert (await scraper[0].read()).count(b"HTTP/1.1 200 OK\r\n") == 1


async def test_what_is_being_answered_is_never_cut_off_and_then_a_newcomer_is_refused() -> None:
    begun, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        begun.release()
        await go_on.wait()
        return web.Response(text="done\n")

    made = app()
    made.router.add_get("/slow", slow)
    ask = b"GET /slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    async with serving(made, Address("127.0.0.1", 0), most=8) as address:
        async with crowd(address.port, 8, ask) as busy:
            for _ in busy:
                await begun.acquire()
            async with crowd(address.port, 1, HEAD + b"\r\n") as [newcomer]:
                assert await ended(newcomer)
            go_on.set()
            for client in busy:
                assert (await client[0].read()).endswith(b"done\n")
        [connections] = made[CONNECTIONS]
        await until(lambda: len(connections) == 0)
        assert connections.turned_away == 1


async def test_a_client_that_takes_none_of_its_answer_does_not_hold_up_others() -> None:
    made = app()
    made.router.add_get("/large", _large)
    ask = b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with serving(made, Address("127.0.0.1", 0)) as address, crowd(address.port, 20, ask):
        assert await scraped(Site(address))


async def test_and_is_cut_off_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("occ.connections.TAKEN_WITHIN", 0.1)
    made, asked = app(), list[web.Request]()

    async def large(request: web.Request) -> web.Response:
        asked.append(request)
        return await _large(request)

    made.router.add_get("/large", large)
    ask = b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with serving(made, Address("127.0.0.1", 0)) as address, crowd(address.port, 3, ask):
        [connections] = made[CONNECTIONS]
        await until(lambda: len(asked) == 3)
        await until(lambda: len(connections) == 0)


async def _large(_: web.Request) -> web.Response:
    return web.Response(body=b"x" * 10_000_000)


async def test_guessing_passwords_does_not_keep_a_scrape_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right, wrong = (aiohttp.encode_basic_auth("prometheus", password) for password in (PASSWORD, "guess"))
    at_work, go_on = list[bytes](), threading.Event()

    def held(password: bytes, _hashed: bytes) -> bool:
        at_work.append(password)
        return not go_on.wait(30)

    async with (
        site(f"basic_auth_users: {{prometheus: {hashed()}}}", tmp_path) as server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):

        async def status(login: str) -> int:
            async with session.get(f"{server.url}/metrics", headers={"Authorization": login}) as response:
                return response.status

        assert await status(right) == 200
        monkeypatch.setattr(bcrypt, "checkpw", held)
        guesses = [asyncio.create_task(status(wrong)) for _ in range(200)]
        await until(lambda: len(at_work) == AT_ONCE)
        await until(lambda: sum(not guess.done() for guess in guesses) == WAITING_PER_ADDRESS)
        assert await status(right) == 200
        assert sum(not guess.done() for guess in guesses) == WAITING_PER_ADDRESS
        go_on.set()
        answers = Counter(await asyncio.gather(*guesses))
        assert answers == {401: WAITING_PER_ADDRESS, 503: 200 - WAITING_PER_ADDRESS}


class TestWhatIsNoHttp:
    @pytest.mark.parametrize(
        "said",
        [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"GARBAGE\r\n\r\n",
            b"GET /metrics HTTP/9.9\r\n\r\n",
            b"GET  HTTP/1.1\r\n\r\n",
            b"G" * 100_000 + b"\r\n\r\n",
            HEAD + b"X-Large: " + b"x" * 100_000 + b"\r\n\r\n",
            HEAD + b"X: y\r\n" * 10_000 + b"\r\n",
            HEAD + b"Content-Length: -1\r\n\r\n",
            HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
            HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n",
            HEAD + b"Bad Header: x\r\n\r\n",
            b"\0" * 1000 + b"\r\n\r\n",
        ],
    )
    async def test_it_is_answered_with_400_without_a_word_in_the_log(
        self, said: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with site() as server, crowd(server.address.port, 1, said) as [(reader, _)]:
            async with asyncio.timeout(30):
                answer = await reader.read()
            assert answer.split(b"\r\n")[0].split(b" ")[1] == b"400"
            assert await scraped(server)
        assert caplog.records == []

    @pytest.mark.parametrize(
        ("said", "status"),
        [
            (b"GET /metrics HTTP/1.0\r\n\r\n", b"200"),
            (b"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"200"),
            (b"PROPFIND /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"405"),
            (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"404"),
            (b"GET /%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"404"),
            (b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"404"),
            (b"GET /" + b"a/" * 4000 + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"404"),
            (b"GET http://elsewhere.example/metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"200"),
        ],
    )
    async def test_what_is_odd_is_answered_as_it_should_be(self, said: bytes, status: bytes) -> None:
        async with site() as server, crowd(server.address.port, 1, said) as [(reader, _)]:
            async with asyncio.timeout(30):
                answer = await reader.read()
            assert answer.split(b"\r\n")[0].split(b" ")[1] == status

    async def test_requests_one_behind_the_other_are_answered_in_order(self) -> None:
        said = HEAD + b"\r\n" + b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        async with site() as server, crowd(server.address.port, 1, said) as [(reader, _)]:
            answer = await reader.read()
        assert answer.count(b"HTTP/1.1 200 OK") == 2
        assert answer.endswith(b"healthy\n")
