"""What can be wrong with a node's answers, as pure functions of request and answer."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

WRONG_CHAIN_ID = 424242

Message = dict[str, Any]


class Fault(StrEnum):
    """One thing that goes wrong with a node, over HTTP and over WebSocket."""

    STALL = "stall"  # its head stays where it was when the fault was set
    DOWN = "down"  # connections are refused, the open ones closed
    SILENCE = "silence"  # accepts and never answers
    SLOW = "slow"  # answers rightly, some seconds later
    GARBAGE = "garbage"  # an HTML page
    EMPTY = "empty"  # 200 with nothing in it
    TRUNCATED = "truncated"  # the first half of the JSON
    WRONG_TYPES = "wrong_types"  # numbers where strings belong, lists where objects do
    NULL = "null"  # every result is null
    WRONG_ID = "wrong_id"  # answers to questions nobody asked
    ERROR = "error"  # a JSON-RPC error object
    UNAUTHORIZED = "unauthorized"  # 401
    RATE_LIMITED = "rate_limited"  # 429 with Retry-After
    SERVER_ERROR = "server_error"  # 503
    RESET = "reset"  # the socket is closed in the middle of the body
    WRONG_CHAIN = "wrong_chain"  # says that it is on another chain
    WRONG_STATE = "wrong_state"  # tells balances that nobody else does
    UNFINAL = "unfinal"  # its head goes on, and nothing more is safe or finalized
    FORK = "fork"  # goes on alone from where the chain was when the fault was set


def ask(fault: Fault | None, question: Any, heights: Mapping[str, str]) -> Any:
    """What is really asked of the node: where it stalls, block tags become the heights that they had."""
    if fault is Fault.UNFINAL:
        return _replace_tags(question, {tag: heights[tag] for tag in ("safe", "finalized")})
    return _replace_tags(question, heights) if fault is Fault.STALL else question


def tell(fault: Fault | None, question: Any, answer: Any, heights: Mapping[str, str]) -> Any:
    """What the client is told instead of the node's answer; a batch is changed one by one."""
    if fault is None:
        return answer
    if isinstance(answer, list):
        return [tell(fault, question, item, heights) for item in answer]
    method = _method(question, answer.get("id"))
    results = {"eth_blockNumber": heights["latest"]} if fault is Fault.STALL else _OVERRIDDEN.get(fault, {})
    if method in results:
        return {**answer, "result": results[method]}
    return _SPOILED.get(fault, _as_it_is)(answer)


def notify(fault: Fault | None, notification: Message) -> Message | None:
    """What the client is notified of instead; None for nothing: where the head stays, there is no new one."""
    if fault is Fault.STALL:
        return None
    told = notification["params"]
    match fault:
        case Fault.WRONG_TYPES:
            told = {**told, "result": _wrong_types(told["result"])}
        case Fault.NULL:
            told = {**told, "result": None}
        case Fault.WRONG_ID:
            told = {**told, "subscription": "0xdeadbeef"}
    return {**notification, "params": told}


def _method(question: Any, identity: Any) -> Any:
    asked = question if isinstance(question, list) else [question]
    return next((message.get("method") for message in asked if message.get("id") == identity), None)


def _replace_tags(value: Any, heights: Mapping[str, str]) -> Any:
    match value:
        case str():
            return heights.get(value, value)
        case list():
            return [_replace_tags(item, heights) for item in value]
        case dict():
            return {key: _replace_tags(item, heights) for key, item in value.items()}
        case _:
            return value


def _as_it_is(answer: Message) -> Message:
    return answer


def _with_result(change: Callable[[Any], Any]) -> Callable[[Message], Message]:
    return lambda answer: {**answer, "result": change(answer["result"])} if "result" in answer else answer


def _wrong_types(value: Any) -> Any:
    match value:
        case bool() | None:
            return "maybe"
        case str():
            return len(value)
        case list():
            return {str(place): item for place, item in enumerate(value)}
        case dict():
            return {key: _wrong_types(item) for key, item in value.items()}
        case _:
            return [value]


def _error(answer: Message) -> Message:
    return {"jsonrpc": "2.0", "id": answer.get("id"), "error": {"code": -32000, "message": "header not found"}}


# Faults that change each answer of a batch by itself.
_SPOILED: Mapping[Fault, Callable[[Message], Message]] = {
    Fault.WRONG_TYPES: _with_result(_wrong_types),
    Fault.NULL: _with_result(lambda _: None),
    Fault.WRONG_ID: lambda answer: {**answer, "id": 987654321},
    Fault.ERROR: _error,
}

# Faults that give a method another result.
_OVERRIDDEN: Mapping[Fault, Mapping[str, Any]] = {
    Fault.WRONG_STATE: {"eth_getBalance": "0x1337"},
    Fault.WRONG_CHAIN: {"eth_chainId": hex(WRONG_CHAIN_ID), "net_version": str(WRONG_CHAIN_ID)},
}

# Faults that need no node: status, type, body, further headers.
CANNED: Mapping[Fault, tuple[int, str, str, Mapping[str, str]]] = {
    Fault.GARBAGE: (200, "text/html", "<html><body><h1>It works!</h1></body></html>", {}),
    Fault.EMPTY: (200, "application/json", "", {}),
    Fault.UNAUTHORIZED: (401, "application/json", '{"error": "invalid project id"}', {}),
    Fault.RATE_LIMITED: (429, "application/json", '{"error": "too many requests"}', {"Retry-After": "1"}),
    Fault.SERVER_ERROR: (503, "text/plain", "upstream connect error", {}),
}
