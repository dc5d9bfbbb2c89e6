"""What every process serves, over real connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from demo.processes import free_ports
from occ.flags import Address
from occ.page import Format
from occ.web import END_WITHIN, ServeError, accepted_format, accepts_gzip, application, serving
from occ.websocket import CLOSE_SECONDS
from tests.occ.served import LINES, page, until

PAGE = LINES.encode()

Client = TestClient[web.Request, web.Application]


def made(
    render: Callable[[Format, bool], bytes] | None = None, ready: Callable[[], bool] = lambda: True
) -> web.Application:
    return application(name="nodes", page=page(), render=render, ready=ready)


@asynccontextmanager
async def visiting(app: web.Application) -> AsyncIterator[Client]:
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_metrics_are_the_page_in_the_text_format() -> None:
    async with visiting(made()) as client, client.get("/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert (await response.read()).startswith(PAGE)


async def test_each_scrape_is_the_page_of_its_own_instant() -> None:
    pages = iter([b"1\n", b"2\n"])
    async with visiting(made(lambda _style, _packed: next(pages))) as client:
        plain = {"Accept-Encoding": "identity"}
        assert [await (await client.get("/metrics", headers=plain)).read() for _ in range(2)] == [b"1\n", b"2\n"]


async def test_a_head_request_gets_no_body() -> None:
    async with visiting(made()) as client, client.head("/metrics") as response:
        assert (response.status, await response.read()) == (200, b"")


async def test_openmetrics_is_served_to_those_who_ask_for_it() -> None:
    headers = {"Accept": "application/openmetrics-text;version=1.0.0"}
    async with visiting(made()) as client, client.get("/metrics", headers=headers) as response:
        assert response.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        assert (await response.read()).endswith(b"# EOF\n")


@pytest.mark.parametrize(("asked", "told"), [("gzip", "gzip"), ("identity", None), ("gzip;q=0", None)])
async def test_gzip_is_sent_to_those_who_take_it(asked: str, told: str | None) -> None:
    async with visiting(made()) as client, client.get("/metrics", headers={"Accept-Encoding": asked}) as response:
        assert response.headers.get("Content-Encoding") == told
        assert (await response.read()).startswith(PAGE)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", Format.TEXT),
        ("*/*", Format.TEXT),
        ("text/html,application/xhtml+xml,*/*;q=0.8", Format.TEXT),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", Format.TEXT),
        ("application/openmetrics-text", Format.OPENMETRICS),
        ("application/openmetrics-text; version=1.0.0; q=0.8, text/plain;version=0.0.4;q=0.5", Format.OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0;q=0.2,text/plain;version=0.0.4;q=0.5", Format.TEXT),
        ("application/openmetrics-text;q=0", Format.TEXT),
        ("APPLICATION/OPENMETRICS-TEXT", Format.OPENMETRICS),
        ("application/openmetrics-text;q=lots", Format.TEXT),
        (",;=,;;q=,\x00", Format.TEXT),
    ],
)
def test_the_format_is_the_one_that_is_asked_for_most(accept: str, expected: Format) -> None:
    assert accepted_format(accept) is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("*, gzip;q=0", False),
        ("", False),
        ("deflate", False),
        ("xgzip", False),
    ],
)
def test_gzip_is_taken_by_name_or_as_anything(header: str, expected: bool) -> None:  # noqa: FBT001 - a value
    assert accepts_gzip(header) is expected


async def test_healthy_means_that_the_process_runs() -> None:
    async with visiting(made(ready=lambda: False)) as client, client.get("/-/healthy") as response:
        assert (response.status, await response.text()) == (200, "healthy\n")


async def test_ready_is_503_until_everything_was_read_once() -> None:
    answers = iter([False, True])
    async with visiting(made(ready=lambda: next(answers))) as client:
        first, second = await client.get("/-/ready"), await client.get("/-/ready")
        assert (first.status, await first.text()) == (503, "starting\n")
        assert (second.status, await second.text()) == (200, "ready\n")


async def test_a_process_has_a_front_page_of_its_own() -> None:
    async def front(_: web.Request) -> web.Response:
        return web.Response(text="mine")

    app = application(name="r", page=page(), ready=lambda: True, front=front)
    async with visiting(app) as client, client.get("/") as response:
        assert await response.text() == "mine"


async def test_no_answer_says_what_the_server_is_made_of() -> None:
    async with visiting(made()) as client:
        for path in ("/metrics", "/nothing"):
            response = await client.get(path)
            assert response.headers["Server"] == "occ"
            assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/nothing", "/metrics/", "/-/", "/-/reload", "/debug", "/%2e%2e/etc/passwd"])
async def test_what_is_not_there_is_404(path: str) -> None:
    async with visiting(made()) as client, client.get(path) as response:
        assert response.status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/metrics", "/-/healthy", "/-/ready"])
async def test_what_can_only_be_read_is_405_for_all_else(method: str, path: str) -> None:
    async with visiting(made()) as client, client.request(method, path) as response:
        assert (response.status, "GET" in response.headers["Allow"]) == (405, True)


async def test_a_mistake_of_ours_is_500_without_its_trace_which_the_log_has(caplog: pytest.LogCaptureFixture) -> None:
    def render(_style: Format, _packed: bool) -> bytes:  # noqa: FBT001 - as Page has it
        raise ZeroDivisionError("s3cr3t detail")

    async with visiting(made(render)) as client, client.get("/metrics") as response:
        assert (response.status, await response.text()) == (500, "internal error; the log has it\n")
        async with client.get("/-/healthy") as other:
            assert other.status == 200
    assert "GET /metrics failed" in caplog.text
    assert "ZeroDivisionError: s3cr3t detail" in caplog.text


async def test_an_answer_on_purpose_is_no_mistake() -> None:
    app = made()

    async def teapot(_: web.Request) -> web.Response:
        raise web.HTTPForbidden(text="no")

    app.router.add_get("/teapot", teapot)
    async with visiting(app) as client, client.get("/teapot") as response:
        assert (response.status, await response.text()) == (403, "no")


class TestServing:
    async def test_port_0_lets_the_system_choose_and_the_log_says_where(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO")
        async with serving(made(), Address("127.0.0.1", 0)) as bound:
            assert bound.port > 0
            assert caplog.messages == [f"serving on http://{bound}"]
            async with aiohttp.ClientSession() as session, session.get(f"http://{bound}/metrics") as response:
                assert (await response.read()).startswith(PAGE)

    async def test_ipv6_is_served_where_there_is_one(self) -> None:
        try:
            async with serving(made(), Address("::1", 0)) as bound, aiohttp.ClientSession() as session:
                assert (await session.get(f"http://{bound}/-/healthy")).status == 200
        except OSError as error:
            pytest.skip(f"no IPv6 here: {error}")

    async def test_a_port_that_is_taken_is_an_error_and_nothing_stays_open(self) -> None:
        async with serving(made(), Address("127.0.0.1", 0)) as bound:
            with pytest.raises(ServeError, match=f"can not serve on {bound}: .*address already in use"):
                async with serving(made(), bound):
                    pass

    async def test_the_port_is_free_again_at_once(self) -> None:
        (port,) = free_ports(1)
        for _ in range(2):
            async with serving(made(), Address("127.0.0.1", port)) as bound:
                assert bound.port == port

    def test_the_longest_end_takes_less_than_2_seconds(self) -> None:
        """What is being answered has this long, and when it is cancelled as long again; then nodes are said goodbye to."""
        assert 2 * END_WITHIN + CLOSE_SECONDS < 2

    async def test_idle_connections_and_slow_handlers_do_not_keep_it(self) -> None:
        app, begun = made(), asyncio.Event()

        async def slow(_: web.Request) -> web.Response:
            begun.set()
            await asyncio.Event().wait()
            raise AssertionError

        app.router.add_get("/slow", slow)
        async with aiohttp.ClientSession() as session:
            async with asyncio.timeout(30), serving(app, Address("127.0.0.1", 0)) as bound:
                await (await session.get(f"http://{bound}/metrics")).read()
                _, idle = await asyncio.open_connection(bound.host, bound.port)
                waiting = asyncio.create_task(_failing(session.get(f"http://{bound}/slow")))
                await begun.wait()
            assert await waiting
            idle.close()

    @pytest.mark.parametrize("outcome", ["given up", "went on"])
    async def test_a_client_that_goes_away_may_cancel_what_it_asked_for(self, outcome: str) -> None:
        leaving_cancels = outcome == "given up"
        app, begun, outcomes, go_on = made(), asyncio.Event(), list[str](), asyncio.Event()

        async def slow(_: web.Request) -> web.Response:
            begun.set()
            try:
                await go_on.wait()
                outcomes.append("went on")
            except asyncio.CancelledError:
                outcomes.append("given up")
                raise
            return web.Response()

        app.router.add_get("/slow", slow)
        async with serving(app, Address("127.0.0.1", 0), leaving_cancels=leaving_cancels) as bound:
            _, writer = await asyncio.open_connection(bound.host, bound.port)
            writer.write(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await begun.wait()
            writer.transport.abort()
            if not leaving_cancels:
                async with aiohttp.ClientSession() as session:  # by then the server knows that the other has left
                    await session.get(f"http://{bound}/-/healthy")
                go_on.set()
            await until(lambda: outcomes)
        assert outcomes == [outcome]


async def _failing(asking: Awaitable[aiohttp.ClientResponse]) -> bool:
    try:
        return (await asking).status >= 500
    except aiohttp.ClientError:
        return True
