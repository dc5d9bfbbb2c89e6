"""One JSON-RPC 2.0 client over HTTP and WebSocket: a call or a batch is one request, and whatever comes back is classified.

A node that refuses batches is asked in smaller ones, down to single calls, and that is remembered (`batches.py`). What an
answer over HTTP may be is said in `http.py`, what a frame may be in `websocket.py`. No message repeats what the far side
sent, nor the URL.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import aiohttp
import orjson
from yarl import URL

from occ import http
from occ.batches import BatchLimit
from occ.config import Secret
from occ.errors import HttpError, RateLimitError, Reason, RpcError, SourceError
from occ.http import bad_response
from occ.websocket import HEARTBEAT_SECONDS, Feed, Line

T = TypeVar("T")

BATCH = "batch"
"""The method label of a request that carries several calls."""

SUBSCRIBE, UNSUBSCRIBE = "eth_subscribe", "eth_unsubscribe"

SUBSCRIBE_SECONDS = 10.0
"""How long it may take until a subscription is confirmed, the connection included."""

AT_ONCE = 8
"""Requests that stand in for one refused batch and are under way together."""

# Codes of JSON-RPC 2.0, of EIP-1474, and of what nodes send besides: 3 is a revert with its data, -32015 is that of
# OpenEthereum and Nethermind, which say so in the data alone.
_CODES = {
    3: Reason.REVERTED,
    -32015: Reason.REVERTED,
    -32601: Reason.NOT_SUPPORTED,
    -32004: Reason.NOT_SUPPORTED,
    -32005: Reason.RATE_LIMITED,
    429: Reason.RATE_LIMITED,
}

# What servers that take single calls alone, or fewer of them, say to a list.
_REFUSES_LISTS = {400, 405, 413, 415, 422, 501}

_SAYS_SIZE = re.compile(r"batch|too large|too big|size", re.IGNORECASE)
_SAYS_REVERTED = re.compile("revert", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Call:
    """A method and its parameters."""

    method: str
    params: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What an observer is told of each request: which method (or BATCH), how long, and how it failed, if it did.

    A batch of which only some calls failed has not, unless the node asked for patience in one of them.
    """

    method: str
    seconds: float
    error: SourceError | None


Observer = Callable[[Request], None]


def _unobserved(_request: Request) -> None:
    pass


class _Way(Protocol):
    """How requests reach the node."""

    async def exchange(self, body: bytes, numbers: Sequence[int]) -> Any: ...
    async def close(self) -> None: ...


class _Posts:
    """By HTTP, each for itself."""

    def __init__(self, session: aiohttp.ClientSession, url: Secret, *, again: bool) -> None:
        self._session = session
        self._url = URL(url.reveal())  # once: aiohttp takes a text apart anew for each request
        self._again = again

    async def exchange(self, body: bytes, numbers: Sequence[int]) -> Any:
        def answers(told: Any) -> bool:
            return len(numbers) == 1 and _is_error_of(numbers[0], told)

        return await http.ask(self._session, "POST", self._url, body, again=self._again, answers=answers)

    async def close(self) -> None:
        pass


class _BatchRefusedError(SourceError):
    """It may be the batch that the node does not like, and not what is in it."""

    def __init__(self, error: SourceError) -> None:
        super().__init__(error.reason, str(error))
        self.error = error


class Client:
    """Speaks to one node: over HTTP, or over a WebSocket where the URL says so. The owner closes it, and the session.

    The caller sets the deadline of calls (`asyncio.timeout`). `reads_only` promises that no call changes anything, so that
    one which met a connection in the moment it closed may be sent once more.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: Secret,
        observe: Observer = _unobserved,
        *,
        reads_only: bool = False,
        clock: Callable[[], float] = time.monotonic,
        heartbeat: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._line = Line(session, url, heartbeat) if url.reveal().startswith(("ws:", "wss:")) else None
        self._way: _Way = self._line or _Posts(session, url, again=reads_only)
        self._observe = observe
        self._ids = itertools.count(1)
        self._limit = BatchLimit(clock)
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def largest_batch(self) -> int:
        """How many calls the node has taken in one request at most; 1 where it never took more."""
        return self._limit.proven

    async def close(self) -> None:
        """Ends what is open, and with it what is waited for there."""
        await self._way.close()

    async def call(self, call: Call) -> Any:
        """The result of one call. Raises SourceError; RpcError where the node answers with an error object."""
        number = next(self._ids)
        return await self._observed(call.method, self._called(_encoded(number, call), number))

    async def batch(self, calls: Sequence[Call]) -> list[Any | SourceError]:
        """The results of many calls, in their order; a call that failed has its SourceError there.

        That is one request, and more where the node does not take so many calls in one. Raises SourceError when nothing
        was answered at all.
        """
        return await self._all(calls) if calls else []

    @asynccontextmanager
    async def subscribe(self, *params: Any, within: float = SUBSCRIBE_SECONDS) -> AsyncIterator[AsyncIterator[Any]]:
        """What the node notifies, by `eth_subscribe` with these parameters, while the block runs.

        Raises SourceError when there is no subscription in time, and from the iterator when it is lost; nothing is tried
        again. A URL that is no WebSocket is `not_supported`.
        """
        async with AsyncExitStack() as stack:
            yield await self._observed(SUBSCRIBE, self._subscribed(stack, params, within))

    # --- one request -------------------------------------------------------------------------------------------------

    async def _observed(
        self, method: str, asking: Coroutine[Any, Any, T], complaint: Callable[[T], SourceError | None] = lambda _: None
    ) -> T:
        began = time.perf_counter()
        error: SourceError | None = SourceError(Reason.INTERNAL, "failed in our own code")
        try:
            answer = await asking
            error = complaint(answer)
        except SourceError as failure:
            error = failure
            raise
        except asyncio.CancelledError:
            error = SourceError(Reason.TIMEOUT, "given up by the caller")
            raise
        else:
            return answer
        finally:
            self._observe(Request(method, time.perf_counter() - began, error))

    async def _called(self, body: bytes, number: int) -> Any:
        _, answer = _result(await self._way.exchange(body, (number,)), {number})
        if isinstance(answer, SourceError):
            raise answer
        return answer

    async def _batched(self, body: bytes, numbers: Sequence[int]) -> list[Any | SourceError]:
        try:
            replies = await self._way.exchange(body, numbers)
        except HttpError as error:
            if error.status in _REFUSES_LISTS:
                raise _BatchRefusedError(error) from None
            raise
        return _results(replies, numbers)

    async def _subscribed(self, stack: AsyncExitStack, params: tuple[Any, ...], within: float) -> Feed:
        if self._line is None:
            raise SourceError(Reason.NOT_SUPPORTED, "no subscriptions over HTTP")
        number = next(self._ids)
        body = _encoded(number, Call(SUBSCRIBE, params))
        try:
            async with asyncio.timeout(within):
                reply, feed = await stack.enter_async_context(
                    self._line.subscribed(body, number, lambda ended: _encoded(number, Call(UNSUBSCRIBE, (ended,))))
                )
        except TimeoutError:
            raise SourceError(Reason.TIMEOUT, f"no subscription within {within:g} s") from None
        _, answer = _result(reply, {number})
        if isinstance(answer, SourceError):
            raise answer
        if feed.id is None:
            raise bad_response("an answer that is no subscription")
        return feed

    # --- batches -----------------------------------------------------------------------------------------------------

    async def _all(self, calls: Sequence[Call]) -> list[Any | SourceError]:
        """In one request, or side by side in as many as the limit asks for; of a size that is not proven, one goes ahead."""
        size = self._limit.size(len(calls))
        if size == len(calls):
            return await self._part(calls)
        if size > self._limit.proven:
            return [*await self._part(calls[:size]), *await self._all(calls[size:])]
        parts = [calls[start : start + size] for start in range(0, len(calls), size)]
        found = await asyncio.gather(*map(self._part, parts), return_exceptions=True)
        return _joined(parts, found)

    async def _part(self, calls: Sequence[Call]) -> list[Any | SourceError]:
        if len(calls) == 1:
            return [await self._alone(calls[0])]
        numbers = [next(self._ids) for _ in calls]
        body = orjson.dumps([_request(number, call) for number, call in zip(numbers, calls, strict=True)])
        try:
            async with self._gate:
                answers = await self._observed(BATCH, self._batched(body, numbers), _rate_limit)
        except _BatchRefusedError as refusal:
            return await self._in_less(calls, refusal.error)
        self._limit.accepted(len(calls))
        return answers

    async def _in_less(self, calls: Sequence[Call], refusal: SourceError) -> list[Any | SourceError]:
        """The batch was refused. It is the batch's fault when its first call alone is taken, else the node is ill."""
        try:
            first = await self._alone(calls[0])
        except SourceError:
            raise refusal from None
        if isinstance(first, SourceError) and str(first) == str(refusal):
            raise refusal
        self._limit.refused(len(calls))
        return [first, *await self._all(calls[1:])]

    async def _alone(self, call: Call) -> Any | RpcError:
        """The answer to one call of a batch; an error object is one."""
        async with self._gate:
            try:
                return await self.call(call)
            except RpcError as error:
                return error


def _joined(
    parts: Sequence[Sequence[Call]], found: Sequence[list[Any | SourceError] | BaseException]
) -> list[Any | SourceError]:
    """The answers of all parts. What befell a part as a whole befell each of its calls; if it befell all, it is raised."""
    failures = [outcome for outcome in found if isinstance(outcome, BaseException)]
    ours = [failure for failure in failures if not isinstance(failure, SourceError)]
    if ours or len(failures) == len(found):
        raise (ours or failures)[0]
    answers: list[Any | SourceError] = []
    for part, outcome in zip(parts, found, strict=True):
        answers += [outcome] * len(part) if isinstance(outcome, BaseException) else outcome
    return answers


# --- the wire --------------------------------------------------------------------------------------------------------


def _request(number: int, call: Call) -> Mapping[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": call.method, "params": call.params}


def _encoded(number: int, call: Call) -> bytes:
    return orjson.dumps(_request(number, call))


def _results(replies: Any, numbers: Sequence[int]) -> list[Any | SourceError]:
    """The results of a batch in the order of its calls."""
    if isinstance(replies, dict):
        raise _refusal(replies)
    if not isinstance(replies, list):
        raise bad_response(f"{_kind(replies)} where a list of answers belongs")
    if len(replies) == 1 < len(numbers) and isinstance(replies[0], dict) and replies[0].get("error") is not None:
        raise _refusal(replies[0])
    wanted, found = set(numbers), dict[int, Any]()
    for reply in replies:
        number, outcome = _result(reply, wanted)
        wanted.remove(number)
        found[number] = outcome
    silent = bad_response("no answer to this call of the batch")
    return [found.get(number, silent) for number in numbers]


def _refusal(reply: Mapping[str, Any]) -> SourceError:
    """What one answer to many calls means: that they are too many, unless it clearly means something else."""
    if reply.get("error") is None:
        return _BatchRefusedError(bad_response("one answer to a batch of calls"))
    error = _rpc_error(reply["error"])
    if isinstance(error, RateLimitError) and not _says(reply["error"], _SAYS_SIZE):
        return error
    return _BatchRefusedError(error)


def _result(reply: Any, wanted: set[int]) -> tuple[int, Any]:
    """The number of the call that is answered, and its result or SourceError. Raises bad_response for what fits no call."""
    if not isinstance(reply, dict):
        raise bad_response(f"{_kind(reply)} where an answer belongs")
    number = reply.get("id")
    if type(number) is not int or number not in wanted:
        if "error" in reply and number is None:
            raise _rpc_error(reply["error"])
        raise bad_response("an answer to a call that was not asked, or twice the same")
    if reply.get("error") is not None:
        return number, _rpc_error(reply["error"])
    if "result" not in reply:
        return number, bad_response("an answer without a result")
    return number, reply["result"]


def _is_error_of(number: int, told: Any) -> bool:
    """Whether this is the error object with which that call is answered, and nothing but that."""
    if not isinstance(told, dict) or told.get("id") != number or told.get("result") is not None:
        return False
    return isinstance(told.get("error"), dict) and type(told["error"].get("code")) is int


def _rpc_error(error: Any) -> SourceError:
    code = error.get("code") if isinstance(error, dict) else None
    if type(code) is not int or abs(code) >= 2**53:
        return bad_response("an error object without a code")
    reason = _CODES.get(code, Reason.RPC_ERROR)
    if reason is Reason.RPC_ERROR and _says(error, _SAYS_REVERTED):
        reason = Reason.REVERTED
    if reason is Reason.RATE_LIMITED:
        return RateLimitError(f"JSON-RPC error {code}: too many requests")
    return RpcError(reason, code, f"JSON-RPC error {code}")


def _says(error: Any, pattern: re.Pattern[str]) -> bool:
    message = error.get("message") if isinstance(error, dict) else None
    return isinstance(message, str) and pattern.search(message[:200]) is not None


def _rate_limit(answers: list[Any | SourceError]) -> SourceError | None:
    return next((answer for answer in answers if isinstance(answer, RateLimitError)), None)


def _kind(value: object) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "a string",
        int: "a number",
        float: "a number",
        bool: "true or false",
    }
    return names.get(type(value), "null")
