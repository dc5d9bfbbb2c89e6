"""Requests to targets: where they go, that they go once, and that it is known whether they went."""

from __future__ import annotations

import gzip
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from demo.processes import free_ports
from occ import http
from occ.config import Context
from receiver.actions import TooLate
from receiver.outgoing import MAX_ANSWER_BYTES, Call, NoAnswer, NotSent, Target, ask, line
from receiver.why import Why
from tests.occ.certificates import Authority
from tests.receiver.wire import ANSWER, listening, silent

TOKEN = "t0ken-of-the-engine"
HALT = Call("POST", "/halt", {"venue": "binance"})
LONG = 20.0


def target(url: str, **more: Any) -> Target:
    return Target.model_validate({"url": url} | more, context=Context(Path(), {"TOKEN": TOKEN}))


async def clear() -> None:
    pass


def left() -> float:
    return LONG


async def sent(url: str, call: Call = HALT, seconds: float = LONG, **more: Any) -> int:
    async with line(target(url, **more), clear, lambda: seconds) as way:
        return await way.send(call)


# --- where it goes ---------------------------------------------------------------------------------------------------


async def test_a_request_is_sent_to_the_path_below_the_targets_own_with_its_token() -> None:
    async with listening() as wire:
        assert await sent(f"{wire.url}/engine/", token={"env": "TOKEN"}) == 200
    head, _, body = wire.heard[0].partition("\r\n\r\n")
    assert head.startswith("POST /engine/halt HTTP/1.1\r\n")
    assert f"Authorization: Bearer {TOKEN}" in head
    assert body == '{"venue":"binance"}'


async def test_a_path_is_sent_as_it_is_encoded() -> None:
    async with listening() as wire:
        await sent(wire.url, Call("PUT", "/venues/a%2Fb%3F%24/halt"))
    assert wire.heard[0].startswith("PUT /venues/a%2Fb%3F%24/halt HTTP/1.1\r\n")


async def test_a_name_is_looked_up_once_and_all_of_an_attempt_goes_to_the_address_that_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (port,) = free_ports(1)
    async with listening(port=port) as first, listening(host="127.0.0.2", port=port) as second:
        asked = naming(monkeypatch, [["127.0.0.1", "127.0.0.2"], ["127.0.0.2"], ["127.0.0.2"]])
        async with line(target(f"http://engine.test:{port}"), clear, left) as way:
            for _ in range(3):
                assert await way.send(HALT) == 200
        assert (len(first.heard), len(second.heard), len(asked)) == (3, 0, 1)
        assert "Host: engine.test" in first.heard[0]


async def test_an_attempt_stays_with_the_address_that_it_reached_first(monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    naming(monkeypatch, [["127.0.0.3", "127.0.0.1"]])
    async with listening(port=port) as wire, line(target(f"http://engine.test:{port}"), clear, left) as way:
        assert await way.send(HALT) == 200
        async with listening(host="127.0.0.3", port=port) as there_now:
            assert await way.send(HALT) == 200
    assert (len(wire.heard), len(there_now.heard)) == (2, 0)


@pytest.mark.parametrize("address", ["169.254.169.254", "224.0.0.1", "0.0.0.0"])
async def test_a_name_that_leads_to_an_address_no_target_has_is_not_connected_to(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    naming(monkeypatch, [[address]])
    with pytest.raises(NotSent, match="not known"):
        await sent("http://engine.test:80")


def naming(monkeypatch: pytest.MonkeyPatch, answers: list[list[str]]) -> list[str]:
    """The system's look-up of names is faked: nothing else tells two answers in a row apart."""
    asked = list[str]()

    def look_up(host: str, port: int, *_: object, **__: object) -> list[tuple[Any, ...]]:
        asked.append(host)
        found = answers[len(asked) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"])
async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    async with listening() as wire, listening() as proxy:
        monkeypatch.setenv(variable, proxy.url)
        assert await sent(wire.url) == 200
    assert (len(wire.heard), len(proxy.heard)) == (1, 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_is_not_followed(status: int) -> None:
    async with listening() as other:
        leading = f"HTTP/1.1 {status} Over there\r\nLocation: {other.url}/\r\nContent-Length: 0\r\n\r\n".encode()
        async with listening(leading) as wire:
            assert await sent(wire.url) == status
            assert (await ask(target(wire.url), "/operations/x"))[0] == status
    assert other.connections == []


async def test_nothing_of_an_answer_is_kept_for_the_next_request(monkeypatch: pytest.MonkeyPatch) -> None:
    naming(monkeypatch, [["127.0.0.1"]])
    setting = ANSWER.replace(b"\r\n", b"\r\nSet-Cookie: a=b; Path=/\r\n", 1)
    async with listening(setting) as wire, line(target(f"http://engine.test:{wire.port}"), clear, left) as way:
        await way.send(HALT)
        await way.send(HALT)
    assert len(wire.connections) == 2, "each has a connection of its own"
    assert "cookie" not in wire.heard[1].lower()


# --- TLS -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ssl.SSLContext]]:
    """TLS contexts of servers by the names that their certificates hold; this process trusts who issued them."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))

    def serve(name: str) -> ssl.SSLContext:
        pair = authority.issue("server", name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        return context

    http.tls.cache_clear()
    yield serve
    http.tls.cache_clear()


async def test_the_name_of_the_configuration_is_the_one_that_tls_checks(
    served: Callable[[str], ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    naming(monkeypatch, [["127.0.0.1"]])
    async with listening(tls=served("engine.test")) as wire:
        assert await sent(f"https://engine.test:{wire.port}") == 200


@pytest.mark.parametrize("name", ["other.test", "127.0.0.1"])
async def test_a_certificate_of_another_name_ends_it_before_anything_is_sent(
    served: Callable[[str], ssl.SSLContext], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    naming(monkeypatch, [["127.0.0.1"]])
    async with listening(tls=served(name)) as wire:
        with pytest.raises(NotSent, match="TLS failed"):
            await sent(f"https://engine.test:{wire.port}")
    assert wire.heard == []


# --- whether it went -------------------------------------------------------------------------------------------------


async def test_where_nobody_listens_nothing_was_sent() -> None:
    (port,) = free_ports(1)
    with pytest.raises(NotSent, match="can not connect"):
        await sent(f"http://127.0.0.1:{port}")


async def test_a_handshake_that_never_ends_has_sent_nothing() -> None:
    async with listening(silent) as wire:
        with pytest.raises(NotSent, match="no answer in time"):
            await sent(f"https://127.0.0.1:{wire.port}", seconds=0.3)


async def test_when_the_time_is_over_nothing_is_sent() -> None:
    async with listening() as wire:
        with pytest.raises(NotSent):
            await sent(wire.url, seconds=-1.0)
    assert wire.heard == []


BROKEN = {
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 O",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "a head without end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_what_was_sent_and_not_answered_is_told_apart_and_never_sent_again(answer: bytes, method: str) -> None:
    async with listening(answer) as wire:
        with pytest.raises(NoAnswer):
            await sent(wire.url, Call(method, "/halt", {}))
    assert len(wire.heard) == 1


async def test_an_answer_that_does_not_come_in_time_is_none() -> None:
    async with listening(silent) as wire:
        with pytest.raises(NoAnswer, match="no answer in time"):
            await sent(wire.url, seconds=4.0)
    assert len(wire.heard) == 1


async def test_a_status_is_an_answer_whatever_becomes_of_the_body() -> None:
    for body in (b"Content-Length: 1000\r\n\r\nhalf", b"Content-Length: 999999999999\r\n\r\n"):
        async with listening(b"HTTP/1.1 200 OK\r\n" + body) as wire:
            assert await sent(wire.url) == 200


async def test_whether_it_may_go_is_asked_when_all_is_connected_and_before_each_request() -> None:
    asked = 0

    async def once() -> None:
        nonlocal asked
        assert len(wire.heard) == asked, "the request had gone already"
        asked += 1
        if asked > 1:
            raise TooLate(Why.DEADLINE)

    async with listening() as wire, line(target(wire.url), once, left) as way:
        assert await way.send(HALT) == 200
        with pytest.raises(TooLate, match="deadline"):
            await way.send(HALT)
    assert (asked, len(wire.heard)) == (2, 1)


# --- what comes back -------------------------------------------------------------------------------------------------


def answered(body: bytes, *headers: str) -> bytes:
    head = "".join(f"{line}\r\n" for line in ("HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers))
    return head.encode() + b"\r\n" + body


async def test_the_json_of_an_answer_is_read() -> None:
    async with listening(answered(b'{"applied":true}')) as wire:
        assert await ask(target(wire.url), "/operations/x") == (200, {"applied": True})
    assert wire.heard[0].startswith("GET /operations/x HTTP/1.1\r\n")


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b'{"a": NaN}', b"\xff"])
async def test_what_is_no_json_is_none(body: bytes) -> None:
    async with listening(answered(body)) as wire:
        assert await ask(target(wire.url), "/x") == (200, None)


async def test_an_answer_larger_than_the_cap_is_given_up() -> None:
    async with listening(answered(b'"' + b"x" * MAX_ANSWER_BYTES + b'"')) as wire:
        with pytest.raises(NoAnswer, match="more than 65536 bytes"):
            await ask(target(wire.url), "/x")


async def test_nothing_is_unpacked() -> None:
    async with listening(answered(gzip.compress(b'{"applied":true}'), "Content-Encoding: gzip")) as wire:
        assert await ask(target(wire.url), "/x") == (200, None)
    assert "Accept-Encoding: identity" in wire.heard[0]


@pytest.mark.parametrize("answer", [b"", b"canary-body\r\n\r\n", b"HTTP/1.1 canary\r\n\r\n"])
async def test_an_error_tells_neither_address_nor_token_nor_what_was_answered(answer: bytes) -> None:
    async with listening(answer) as wire:
        with pytest.raises(NoAnswer) as caught:
            await sent(f"{wire.url}/canary-path", token={"env": "TOKEN"})
    assert not [word for word in ("canary", TOKEN, str(wire.port), "127.0.0.1") if word in str(caught.value)]
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


# --- what a target may be --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Idempotency-Key", "X-OCC-Fence", "If-Match"])
@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b"])
async def test_a_header_can_not_be_smuggled_in(name: str, value: str) -> None:
    async with listening() as wire:
        with pytest.raises(ValueError, match="header"):
            await sent(wire.url, Call("POST", "/halt", {}, {name: value}))
    assert wire.heard == []


@pytest.mark.parametrize(
    "url",
    [
        "http://user:pass@engine:1",
        "http://user@engine:1",
        "http://engine:1/?key=abc",
        "http://engine/#x",
        "ftp://engine",
    ],
)
def test_a_targets_url_holds_a_place_and_nothing_else(url: str) -> None:
    with pytest.raises(ValidationError):
        target(url)


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "nul\0", "ümlaut"])
def test_a_token_that_no_header_can_carry_is_refused_at_load(token: str) -> None:
    with pytest.raises(ValidationError, match="ASCII") as caught:
        Target.model_validate({"url": "http://engine", "token": {"env": "T"}}, context=Context(Path(), {"T": token}))
    assert token not in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://engine:80/a", "http://ENGINE./b", True),
        ("https://engine", "https://engine:443", True),
        ("http://engine", "https://engine", False),
        ("http://engine:1", "http://engine:2", False),
        ("http://engine:1", "http://other:1", False),
    ],
)
def test_targets_of_one_host_and_port_are_one_server(one: str, other: str, *, same: bool) -> None:
    definitions = [target(url).definition() for url in (one, other)]
    assert len({definition["server_sha256"] for definition in definitions}) == 2 - same


def test_the_definition_covers_where_a_target_is_and_tells_it_to_nobody() -> None:
    one, other = target("http://engine:1").definition(), target("http://engine:2").definition()
    assert one["url_sha256"] != other["url_sha256"]
    assert "engine" not in str(one)
    assert TOKEN not in str(target("http://engine:1", token={"env": "TOKEN"}).definition())
