"""Sessions, the phases of their requests, and what happens when this side runs out of files. Servers are the test's own."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from demo.chain import CHAIN_ID, Anvil
from occ import http
from occ.config import Secret
from occ.errors import SourceError
from occ.http import PER_HOST
from occ.jsonrpc import Call, Client
from occ.metrics import KERNEL_FAMILIES, PHASES, Catalogue
from occ.page import Page
from tests.occ.certificates import Authority, Pair
from tests.occ.samples import sample
from tests.occ.served import until
from tests.occ.servers import CANARY, listening, refusing

CHAIN = Call("eth_chainId")


@pytest.fixture
def page() -> Page:
    return Page(Catalogue(KERNEL_FAMILIES))


@pytest.fixture
async def session(page: Page) -> AsyncIterator[aiohttp.ClientSession]:
    async with http.session("nodes", page) as made:
        yield made


def counts(page: Page) -> dict[str, int]:
    """How many requests went through each phase."""
    page.refresh()
    body, name = page.render(), "occ_http_request_duration_seconds_count"
    return {phase: int(sample(body, name, exporter="nodes", phase=phase) or 0) for phase in PHASES}


def seconds(page: Page, phase: str) -> float:
    page.refresh()
    return sample(page.render(), "occ_http_request_duration_seconds_sum", exporter="nodes", phase=phase) or 0.0


def answering(_: web.Request) -> web.Response:
    return web.json_response({"id": 1, "result": 1})


@asynccontextmanager
async def served(handler: object = answering, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The address of a server that answers everything like this."""

    async def handle(request: web.Request) -> web.StreamResponse:
        assert callable(handler)
        found = handler(request)
        response = await found if asyncio.iscoroutine(found) else found
        assert isinstance(response, web.StreamResponse)
        return response

    async with listening(handle, tls) as port:
        yield f"{'localhost' if tls else '127.0.0.1'}:{port}"


def server_tls(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    """An authority that sessions made from now on trust."""
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
    http.tls.cache_clear()
    yield made
    http.tls.cache_clear()


@pytest.fixture
def secured(authority: Authority) -> ssl.SSLContext:
    return server_tls(authority.issue("server"))


class TestPhases:
    async def test_all_are_there_before_the_first_request(self, page: Page, session: aiohttp.ClientSession) -> None:
        assert counts(page) == dict.fromkeys(PHASES, 0)
        body = page.render()
        assert sample(body, "occ_http_request_duration_seconds_bucket", exporter="nodes", phase="tls", le="0.005") == 0

    async def test_a_first_request_to_an_address_connects(self, page: Page, session: aiohttp.ClientSession) -> None:
        async with served() as address:
            await http.ask(session, "POST", f"http://{address}/", b"{}")
        assert counts(page) == {"dns": 0, "connect": 1, "tls": 0, "first_byte": 1, "total": 1}

    async def test_the_next_on_the_same_connection_does_not(self, page: Page, session: aiohttp.ClientSession) -> None:
        async with served() as address:
            for _ in range(5):
                await http.ask(session, "POST", f"http://{address}/", b"{}")
        assert counts(page) == {"dns": 0, "connect": 1, "tls": 0, "first_byte": 5, "total": 5}

    async def test_a_name_is_looked_up_and_remembered(self, page: Page, session: aiohttp.ClientSession) -> None:
        async with served() as address:
            url = f"http://{address.replace('127.0.0.1', 'localhost')}/"
            await asyncio.gather(*(http.ask(session, "POST", url, b"{}") for _ in range(3)))
        found = counts(page)
        assert (found["dns"], found["connect"], found["total"]) == (1, 3, 3)

    async def test_tls_is_a_phase_of_its_own(self, secured: ssl.SSLContext, page: Page) -> None:
        async with served(tls=secured) as address, http.session("nodes", page) as session:
            for _ in range(2):
                await http.ask(session, "POST", f"https://{address}/", b"{}")
        assert counts(page) == {"dns": 1, "connect": 1, "tls": 1, "first_byte": 2, "total": 2}
        parts = sum(seconds(page, phase) for phase in PHASES if phase != "total")
        assert 0 < parts <= seconds(page, "total")
        assert all(seconds(page, phase) > 0 for phase in PHASES)

    async def test_many_handshakes_at_once_are_told_apart(self, secured: ssl.SSLContext, page: Page) -> None:
        async with served(tls=secured) as address, http.session("nodes", page) as session:
            await asyncio.gather(*(http.ask(session, "POST", f"https://{address}/", b"{}") for _ in range(8)))
        assert counts(page) == {"dns": 1, "connect": 8, "tls": 8, "first_byte": 8, "total": 8}

    async def test_what_fails_has_the_phases_that_it_went_through(
        self, secured: ssl.SSLContext, page: Page, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SSL_CERT_FILE")
        http.tls.cache_clear()
        async with served(tls=secured) as address, http.session("nodes", page) as stranger:
            with pytest.raises(SourceError, match="TLS failed"):
                await http.ask(stranger, "POST", f"https://{address}/", b"{}")
        assert counts(page) == {"dns": 1, "connect": 0, "tls": 0, "first_byte": 0, "total": 1}
        with refusing() as port, pytest.raises(SourceError, match="can not connect"):
            await http.ask(session, "POST", f"http://127.0.0.1:{port}/", b"{}")
        assert counts(page) == {"dns": 1, "connect": 0, "tls": 0, "first_byte": 0, "total": 2}

    async def test_one_that_is_given_up_took_as_long_as_it_took(
        self, page: Page, session: aiohttp.ClientSession
    ) -> None:
        over, patience = asyncio.Event(), asyncio.timeout(None)

        async def wait(_: web.Request) -> web.Response:
            patience.reschedule(asyncio.get_running_loop().time() + 0.1)
            await over.wait()
            return web.Response()

        async with served(wait) as address:
            with pytest.raises(TimeoutError):
                async with patience:
                    await http.ask(session, "POST", f"http://{address}/", b"{}")
            over.set()
        assert counts(page) == {"dns": 0, "connect": 1, "tls": 0, "first_byte": 0, "total": 1}
        assert seconds(page, "total") >= 0.09

    async def test_the_body_is_in_the_total_and_not_in_the_first_byte(
        self, page: Page, session: aiohttp.ClientSession
    ) -> None:
        async def slow(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"{")
            await until(lambda: counts(page)["first_byte"] == 1)
            assert counts(page)["total"] == 0
            await asyncio.sleep(0.1)
            await response.write(b"}")
            return response

        async with served(slow) as address:
            assert await http.ask(session, "GET", f"http://{address}/") == {}
        assert seconds(page, "total") - seconds(page, "first_byte") >= 0.09

    async def test_a_websocket_has_those_of_its_connection(self, page: Page, session: aiohttp.ClientSession) -> None:
        async with Anvil() as chain, Client(session, Secret(chain.ws_url.replace("127.0.0.1", "localhost"))) as client:
            for _ in range(3):
                assert await client.call(CHAIN) == hex(CHAIN_ID)
        assert counts(page) == {"dns": 1, "connect": 1, "tls": 0, "first_byte": 0, "total": 0}

    async def test_a_session_that_is_not_ours_tells_nothing_and_works(self, page: Page) -> None:
        async with served() as address, aiohttp.ClientSession() as plain:
            assert await http.ask(plain, "POST", f"http://{address}/", b"{}") == {"id": 1, "result": 1}
        assert counts(page) == dict.fromkeys(PHASES, 0)


class TestSession:
    @pytest.mark.parametrize("scheme", ["https", "wss"])
    async def test_a_certificate_must_be_of_a_known_authority_and_of_this_name(
        self, authority: Authority, tmp_path: Path, page: Page, scheme: str
    ) -> None:
        strange = Authority(tmp_path, "strange").issue("stranger")
        another = authority.issue("another", "another.example")
        async with http.session("nodes", page) as session:
            for pair in (strange, another):
                async with served(tls=server_tls(pair)) as address:
                    with pytest.raises(SourceError, match="TLS failed"):
                        await Client(session, Secret(f"{scheme}://{address}/{CANARY}")).call(CHAIN)

    @pytest.mark.parametrize("per_host", [PER_HOST, 40])
    async def test_no_more_than_so_many_connections_per_host(self, page: Page, per_host: int) -> None:
        under_way = most = 0
        go_on = asyncio.Event()

        async def count(_: web.Request) -> web.Response:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await go_on.wait()
            under_way -= 1
            return web.json_response({})

        limited = http.session("nodes", page, per_host=per_host)
        async with served(count) as address, served() as another, limited as session:
            asking = [asyncio.create_task(http.ask(session, "POST", f"http://{address}/", b"{}")) for _ in range(100)]
            await until(lambda: under_way == per_host)
            await http.ask(session, "POST", f"http://{another}/", b"{}")
            go_on.set()
            await asyncio.gather(*asking)
        assert most == per_host

    async def test_websockets_take_none_of_them(self, session: aiohttp.ClientSession) -> None:
        async with Anvil() as chain:
            watching = [Client(session, Secret(chain.ws_url)) for _ in range(PER_HOST + 1)]
            for client in watching:
                await client.call(CHAIN)
            async with asyncio.timeout(30):
                assert await Client(session, Secret(chain.url)).call(CHAIN) == hex(CHAIN_ID)
            for client in watching:
                await client.close()

    async def test_cookies_are_not_kept(self, session: aiohttp.ClientSession) -> None:
        seen: list[str | None] = []

        def bake(request: web.Request) -> web.Response:
            seen.append(request.headers.get("Cookie"))
            response = web.json_response({})
            response.set_cookie("session", CANARY)
            return response

        async with served(bake) as address:
            for _ in range(2):
                await http.ask(session, "POST", f"http://{address.replace('127.0.0.1', 'localhost')}/", b"{}")
        assert seen == [None, None]

    async def test_a_proxy_of_the_environment_counts_only_when_asked_for(
        self, page: Page, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []

        def relay(request: web.Request) -> web.Response:
            asked.append(request.path)
            return web.json_response("by proxy")

        async with served(relay) as proxy, served(lambda _: web.json_response("direct")) as address:
            monkeypatch.setenv("http_proxy", f"http://{proxy}")
            monkeypatch.delenv("no_proxy", raising=False)
            monkeypatch.delenv("NO_PROXY", raising=False)
            async with http.session("nodes", page) as session:
                assert await http.ask(session, "GET", f"http://{address}/") == "direct"
            async with http.session("nodes", page, proxies=True) as session:
                assert await http.ask(session, "GET", f"http://{address}/") == "by proxy"


class TestKeptConnections:
    """A server that keeps a connection open for a while closes it, sooner or later, when the next request is on its way."""

    @staticmethod
    @asynccontextmanager
    async def impatient(answers: int) -> AsyncIterator[tuple[str, list[int]]]:
        """Answers so many requests on a connection and closes it at the next; tells how many each one had."""
        had: list[int] = []

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            which = len(had)
            had.append(0)
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    await reader.readuntil(b"\r\n\r\n{}")
                    had[which] += 1
                    if had[which] > answers:
                        break
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", had

    async def test_what_may_be_sent_twice_is_sent_again_on_a_new_one(
        self, page: Page, session: aiohttp.ClientSession
    ) -> None:
        async with self.impatient(2) as (url, had):
            for _ in range(5):
                assert await http.ask(session, "POST", url, b"{}", again=True) == {}
        assert had == [3, 3, 1]
        assert counts(page)["total"] == 5

    async def test_what_may_not_is_not(self, session: aiohttp.ClientSession) -> None:
        async with self.impatient(1) as (url, had):
            await http.ask(session, "POST", url, b"{}")
            with pytest.raises(SourceError, match="the connection closed before an answer"):
                await http.ask(session, "POST", url, b"{}")
        assert had == [2]

    async def test_a_new_connection_that_closes_is_a_failure(self, session: aiohttp.ClientSession) -> None:
        async with self.impatient(0) as (url, had):
            with pytest.raises(SourceError, match="the connection closed before an answer"):
                await http.ask(session, "POST", url, b"{}", again=True)
        assert had == [1]


# --- no more files ---------------------------------------------------------------------------------------------------


@asynccontextmanager
async def no_files_left() -> AsyncIterator[None]:
    """As many files as this process may have are open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    taken: list[int] = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
            os.open(os.devnull, os.O_RDONLY)
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class TestNoFilesLeft:
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    @pytest.mark.parametrize("scheme", ["http", "ws"])
    async def test_is_our_own_failure_survived_and_recovered_from(
        self, session: aiohttp.ClientSession, page: Page, scheme: str, host: str
    ) -> None:
        async with (
            Anvil() as chain,
            Client(session, Secret(f"{scheme}://{host}:{chain.port}/?key={CANARY}")) as client,
        ):
            async with no_files_left():
                for _ in range(3):
                    with pytest.raises(SourceError) as failure:
                        await client.call(CHAIN)
                    assert str(failure.value.reason) == "internal"
                    assert str(failure.value) == "too many open files on this side"
            assert await client.call(CHAIN) == hex(CHAIN_ID)

    async def test_connections_that_are_open_go_on(self, session: aiohttp.ClientSession) -> None:
        async with Anvil() as chain, Client(session, Secret(chain.url)) as client:
            await client.call(CHAIN)
            async with no_files_left():
                assert await client.call(CHAIN) == hex(CHAIN_ID)
