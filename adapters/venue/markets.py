"""Loads the markets of a venue in a thread: of 3,000 ccxt makes objects for a second, in which nothing else would run.

The thread has an exchange of its own and asks by the living one, which keeps its limits, keys and sockets to one loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from occ import http
from occ.errors import Reason, SourceError

from . import library

Ask = Callable[..., Future[Any]]

_ANY: Any = object  # ccxt's class comes after `_Apart`, and has no types
_OF_THE_LOOP = frozenset({"markets_loading", "reloading_markets"})


class _Apart(_ANY):  # type: ignore[misc]
    """An exchange whose requests are sent by another."""

    def __init__(self, ask: Ask, config: Mapping[str, Any]) -> None:
        self.ask = ask
        super().__init__(config)

    async def fetch2(self, *request: Any, **named: Any) -> Any:
        """Every request of ccxt."""
        return await asyncio.wrap_future(self.ask(*request, **named))


async def load(living: Any, exchange: str, config: Mapping[str, Any]) -> None:
    """Gives the living exchange new markets, at once and only when all are there. Raises what ccxt raises, and SourceError."""
    loop, ended, asked = asyncio.get_running_loop(), False, list[Future[Any]]()

    def ask(*request: Any, **named: Any) -> Future[Any]:
        if ended:
            raise SourceError(Reason.INTERNAL, "closed on this side")
        asked.append(asyncio.run_coroutine_threadsafe(living.fetch2(*request, **named), loop))
        return asked[-1]

    # Not the loop's own threads, which look up names: those could all be waiting here for a name.
    thread = ThreadPoolExecutor(1)
    loading = loop.run_in_executor(thread, copy_context().run, _loaded, exchange, ask, config)
    try:
        attributes, options = await asyncio.shield(loading)
    except asyncio.CancelledError:
        ended = True
        for request in asked:
            request.cancel()
        await asyncio.gather(loading, return_exceptions=True)
        raise
    finally:
        thread.shutdown(wait=False)
    living.options.update(options)
    for name, value in attributes.items():
        setattr(living, name, value)


def _loaded(exchange: str, ask: Ask, config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What loading the markets has changed in an exchange: its attributes, and its options."""
    return asyncio.run(_load(exchange, ask, config))


async def _load(exchange: str, ask: Ask, config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    apart = library.extended(exchange, _Apart)(ask, config)
    attributes, options = dict(vars(apart)), dict(apart.options)
    await apart.load_markets()
    if not apart.markets:
        raise http.bad_response("an answer without any market")
    changed = _changed(attributes, vars(apart))
    return {name: value for name, value in changed.items() if name not in _OF_THE_LOOP}, _changed(
        options, apart.options
    )


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in after.items() if name not in before or before[name] is not value}
