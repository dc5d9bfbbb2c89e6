"""Each fault as a client sees it, on a real node."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from demo.chain import CHAIN_ID, Anvil
from demo.faults import WRONG_CHAIN_ID, Fault
from demo.proxy import FaultProxy, administered
from demo.until import until


@pytest.fixture
async def chain() -> AsyncIterator[Anvil]:
    async with Anvil() as chain:
        await chain.mine(5)
        yield chain


@pytest.fixture
async def proxy(chain: Anvil) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(chain.url, ["alpha", "beta"]) as proxy:
        yield proxy


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as session:
        yield session


def question(method: str, *params: object, identity: int = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identity, "method": method, "params": params}


HASHES_ONLY = False  # of the transactions in a block
BATCH = [
    question("eth_chainId", identity=1),
    question("eth_blockNumber", identity=2),
    question("eth_getBlockByNumber", "latest", HASHES_ONLY, identity=3),
]


async def post(session: aiohttp.ClientSession, url: str, body: Any) -> Any:
    async with session.post(url, json=body) as response:
        assert response.status == 200
        return await response.json()


async def raw(session: aiohttp.ClientSession, url: str) -> tuple[int, str, str]:
    async with session.post(url, json=BATCH) as response:
        return response.status, response.content_type, await response.text()


async def height(session: aiohttp.ClientSession, url: str) -> int:
    return int((await post(session, url, question("eth_blockNumber")))["result"], 16)


async def test_without_a_fault_it_is_the_node_itself(
    chain: Anvil, proxy: FaultProxy, session: aiohttp.ClientSession
) -> None:
    direct = await post(session, chain.url, BATCH)
    assert await post(session, proxy.url("alpha"), BATCH) == direct
    assert await post(session, proxy.url("beta"), BATCH) == direct
    assert [int(direct[0]["result"], 16), int(direct[1]["result"], 16)] == [CHAIN_ID, 5]


@pytest.fixture
async def forked(chain: Anvil) -> AsyncIterator[FaultProxy]:
    async with Anvil() as other, FaultProxy(chain.url, ["alpha", "beta"], other.url) as proxy:
        yield proxy


async def block(session: aiohttp.ClientSession, url: str, tag: str | int) -> Any:
    asked = tag if isinstance(tag, str) else hex(tag)
    return (await post(session, url, question("eth_getBlockByNumber", asked, HASHES_ONLY)))["result"]


async def test_a_fork_has_the_same_blocks_up_to_the_switch_and_others_after_it(
    chain: Anvil, forked: FaultProxy, session: aiohttp.ClientSession
) -> None:
    await forked.set("beta", Fault.FORK)
    await chain.mine(3)

    async def grown() -> bool:
        return await height(session, forked.url("beta")) >= 7

    await until(grown, 30)
    alpha, beta = forked.url("alpha"), forked.url("beta")
    assert await block(session, alpha, 5) == await block(session, beta, 5)
    assert (await block(session, alpha, 6))["hash"] != (await block(session, beta, 6))["hash"]
    await forked.clear("beta")  # which closes what is connected
    async with aiohttp.ClientSession() as anew:
        assert await block(anew, beta, 6) == await block(anew, alpha, 6)


async def test_a_fork_needs_another_anvil(proxy: FaultProxy) -> None:
    with pytest.raises(ValueError, match="no other anvil"):
        await proxy.set("beta", Fault.FORK)
    assert proxy.nodes["beta"].fault is None


async def test_unfinal_lets_the_head_go_on_and_keeps_what_was_final(
    chain: Anvil, proxy: FaultProxy, session: aiohttp.ClientSession
) -> None:
    await chain.mine(20)
    before = {tag: await block(session, chain.url, tag) for tag in ("safe", "finalized")}
    await proxy.set("beta", Fault.UNFINAL)
    await chain.mine(20)
    assert {tag: await block(session, proxy.url("beta"), tag) for tag in before} == before
    assert (await block(session, proxy.url("beta"), "latest")) == (await block(session, chain.url, "latest"))
    assert (await block(session, proxy.url("alpha"), "finalized")) != before["finalized"]


async def test_somebody_who_only_wants_to_know_whether_it_is_there_is_told(
    proxy: FaultProxy, session: aiohttp.ClientSession
) -> None:
    async with session.get(proxy.url("alpha")) as response:
        assert (response.status, await response.text()) == (200, "alpha is there\n")


async def test_stall_serves_the_block_of_the_switch_and_leaves_the_other_node_alone(
    chain: Anvil, proxy: FaultProxy, session: aiohttp.ClientSession
) -> None:
    fifth = (await post(session, chain.url, BATCH))[2]["result"]
    await proxy.set("beta", Fault.STALL)
    await chain.mine(3)
    answers = await post(session, proxy.url("beta"), BATCH)
    assert answers[1]["result"] == hex(5)
    assert answers[2]["result"] == fifth
    assert await height(session, proxy.url("beta")) == 5
    assert await height(session, proxy.url("alpha")) == 8
    await proxy.clear("beta")
    assert await height(session, proxy.url("beta")) == 8


async def test_setting_stall_again_does_not_move_the_head(
    chain: Anvil, proxy: FaultProxy, session: aiohttp.ClientSession
) -> None:
    await proxy.set("beta", Fault.STALL)
    await chain.mine()
    await proxy.set("beta", Fault.STALL)
    assert await height(session, proxy.url("beta")) == 5


async def test_stall_keeps_what_is_safe_and_final_behind_the_head(
    chain: Anvil, proxy: FaultProxy, session: aiohttp.ClientSession
) -> None:
    await proxy.set("beta", Fault.STALL)
    await chain.mine(200)
    tags = ("latest", "safe", "finalized", "pending")
    blocks = [
        await post(session, proxy.url("beta"), question("eth_getBlockByNumber", tag, HASHES_ONLY)) for tag in tags
    ]
    assert [int(block["result"]["number"], 16) for block in blocks] == [5, 1, 0, 5]


async def test_down_refuses_also_who_was_connected_and_comes_back_at_the_same_port(
    proxy: FaultProxy, session: aiohttp.ClientSession
) -> None:
    before = proxy.url("beta")
    assert await height(session, before) == 5
    await proxy.set("beta", Fault.DOWN)
    with pytest.raises(aiohttp.ClientConnectionError):
        await height(session, before)
    async with aiohttp.ClientSession() as newcomer:
        with pytest.raises(aiohttp.ClientConnectorError) as refused:
            await height(newcomer, before)
    assert isinstance(refused.value.os_error, ConnectionRefusedError)
    assert await height(session, proxy.url("alpha")) == 5
    await proxy.clear("beta")
    assert proxy.url("beta") == before
    assert await height(session, before) == 5


async def test_silence_accepts_and_never_answers(proxy: FaultProxy, session: aiohttp.ClientSession) -> None:
    await proxy.set("beta", Fault.SILENCE)
    timeout = aiohttp.ClientTimeout(sock_connect=60, sock_read=0.3)
    async with aiohttp.ClientSession(timeout=timeout) as impatient:
        with pytest.raises(aiohttp.SocketTimeoutError):
            await height(impatient, proxy.url("beta"))
    assert await height(session, proxy.url("alpha")) == 5


async def test_slow_answers_rightly_after_the_given_time(proxy: FaultProxy, session: aiohttp.ClientSession) -> None:
    await proxy.set("beta", Fault.SLOW, seconds=0.3)
    clock = asyncio.get_running_loop().time
    began = clock()
    assert await height(session, proxy.url("beta")) == 5
    assert clock() - began >= 0.3


async def test_garbage_is_a_page(proxy: FaultProxy, session: aiohttp.ClientSession) -> None:
    await proxy.set("beta", Fault.GARBAGE)
    status, content_type, text = await raw(session, proxy.url("beta"))
    assert (status, content_type) == (200, "text/html")
    assert text.startswith("<html>")


async def test_empty(proxy: FaultProxy, session: aiohttp.ClientSession) -> None:
    await proxy.set("beta", Fault.EMPTY)
    assert await raw(session, proxy.url("beta")) == (200, "application/json", "")


async def test_truncated_is_the_first_half(proxy: FaultProxy, session: aiohttp.ClientSession) -> None:
    _, _, whole = await raw(session, proxy.url("beta"))
    await proxy.set("beta", Fault.TRUNCATED)
    status, _, half = await raw(session, proxy.url("beta"))
    assert status == 200
    assert half == whole[: len(whole) // 2] != ""


async def test_wrong_types(proxy: FaultProxy, session: aiohttp.ClientSession) -> None:
    await proxy.set("beta", Fault.WRONG_TYPES)
    chain_id, _, block = await post(session, proxy.url("beta"), BATCH)
    assert isinstance(chain_id["result"], int)
    assert isinstance(block["result"]["number"], int)
    assert isinstance(block["result"]["transactions"], dict)


async def test_null(proxy: FaultProxy, session: aiohttp.ClientSession) -> None:
    await proxy.set("beta", Fault.NULL)
    assert [answer["result"] for answer in await post(session, proxy.url("beta"), BATCH)] == [None] * 3


async def test_wrong_id(proxy: FaultProxy, session: aiohttp.ClientSession) -> None:
    await proxy.set("beta", Fault.WRONG_ID)
    assert not {1, 2, 3} & {answer["id"] for answer in await post(session, proxy.url("beta"), BATCH)}
    assert (await post(session, proxy.url("beta"), question("eth_chainId")))["id"] != 1


async def test_error_object(proxy: FaultProxy, session: aiohttp.ClientSession) -> None:
    await proxy.set("beta", Fault.ERROR)
    answers = await post(session, proxy.url("beta"), BATCH)
    assert [(answer["id"], answer["error"]["code"]) for answer in answers] == [(1, -32000), (2, -32000), (3, -32000)]
    assert all("result" not in answer for answer in answers)


@pytest.mark.parametrize(
    ("fault", "status"), [(Fault.UNAUTHORIZED, 401), (Fault.RATE_LIMITED, 429), (Fault.SERVER_ERROR, 503)]
)
async def test_status(proxy: FaultProxy, session: aiohttp.ClientSession, fault: Fault, status: int) -> None:
    await proxy.set("beta", fault)
    async with session.post(proxy.url("beta"), json=BATCH) as response:
        assert response.status == status
        assert response.headers.get("Retry-After") == ("1" if status == 429 else None)


async def test_reset_closes_in_the_middle_of_the_body(proxy: FaultProxy, session: aiohttp.ClientSession) -> None:
    await proxy.set("beta", Fault.RESET)
    with pytest.raises(aiohttp.ClientPayloadError):
        await raw(session, proxy.url("beta"))


async def test_wrong_chain(proxy: FaultProxy, session: aiohttp.ClientSession) -> None:
    await proxy.set("beta", Fault.WRONG_CHAIN)
    chain_id, number, _ = await post(session, proxy.url("beta"), BATCH)
    assert (int(chain_id["result"], 16), int(number["result"], 16)) == (WRONG_CHAIN_ID, 5)
    assert (await post(session, proxy.url("beta"), question("net_version")))["result"] == str(WRONG_CHAIN_ID)


@pytest.mark.parametrize("fault", Fault)
async def test_every_fault_can_be_lifted(forked: FaultProxy, session: aiohttp.ClientSession, fault: Fault) -> None:
    await forked.set("beta", fault)
    await forked.clear("beta")
    assert await height(session, forked.url("beta")) == 5


async def test_what_is_no_json_reaches_the_node(proxy: FaultProxy, session: aiohttp.ClientSession) -> None:
    async with session.post(proxy.url("alpha"), data=b"{", headers={"Content-Type": "application/json"}) as response:
        assert (await response.json())["error"]["code"] == -32600


async def test_a_dead_node_is_a_bad_gateway(session: aiohttp.ClientSession) -> None:
    async with Anvil() as chain:
        url = chain.url
    async with FaultProxy(url, ["alpha"]) as proxy, session.post(proxy.url("alpha"), json=BATCH) as response:
        assert response.status == 502


async def test_faults_are_switched_over_http(proxy: FaultProxy, session: aiohttp.ClientSession) -> None:
    async with administered(proxy) as admin:
        async with session.put(f"{admin}/nodes/beta/fault/slow?seconds=0.01") as response:
            shown = await response.json()
        assert [(node["name"], node["fault"]) for node in shown["nodes"]] == [("alpha", None), ("beta", "slow")]
        assert proxy.nodes["beta"].seconds == 0.01
        async with session.delete(f"{admin}/nodes/beta/fault") as response:
            assert response.status == 200
        async with session.get(f"{admin}/nodes") as response:
            shown = await response.json()
        assert {node["fault"] for node in shown["nodes"]} == {None}
        assert shown["faults"] == list(Fault)


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("nodes/delta/fault/stall", 404, "no node delta; nodes: alpha, beta"),
        ("nodes/beta/fault/flood", 400, "faults: stall, down"),
        ("nodes/beta/fault/slow?seconds=soon", 400, "soon"),
    ],
)
async def test_a_wrong_switch_is_refused(
    proxy: FaultProxy, session: aiohttp.ClientSession, path: str, status: int, says: str
) -> None:
    async with administered(proxy) as admin, session.put(f"{admin}/{path}") as response:
        assert response.status == status
        assert says in await response.text()
    assert proxy.nodes["beta"].fault is None


async def test_the_chain_mines_at_an_interval_and_stops(chain: Anvil) -> None:
    await chain.set_interval(1)

    async def grown() -> bool:
        return await chain.height() >= 6

    assert await until(grown, within=30)
    await chain.stop_mining()
    with pytest.raises(RuntimeError, match="eth_nothing"):
        await chain.rpc("eth_nothing")
