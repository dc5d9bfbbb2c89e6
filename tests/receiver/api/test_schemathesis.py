"""The real server, as a process of its own, held to its OpenAPI document by Schemathesis: what the document allows is taken or
refused for a reason it names, what it does not allow is refused, and every answer is as the document says. The seed is fixed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig

from receiver.api import OPERATIONS
from receiver.api.openapi import document
from receiver.api.operations import BASE, AnyOperation
from tests.receiver import acting
from tests.receiver.house import world
from tests.receiver.support import Process, alert, message, send, started

EXAMPLES = 20
"""For each operation, of each kind."""

# What is well-formed can be refused all the same: by its state, its bounds, the number of attempts, the moment.
CONFIG = SchemathesisConfig.from_dict(
    {
        "checks": {
            "positive_data_acceptance": {"expected-statuses": ["2xx", 401, 403, 404, 409, 422, 429]},
            "not_a_server_error": {"expected-statuses": ["2xx", "4xx", 503]},
        }
    }
)


@dataclass
class Served:
    """A running receiver, and who asks it: the tokens of operations that end a session, and by "" that of all others."""

    process: Process
    tokens: dict[str, str]


@pytest.fixture
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setenv("ENGINE_TOKEN", acting.ENGINE_TOKEN)
    async with world(tmp_path) as outside, aiohttp.ClientSession() as session:
        outside.write()
        async with started(tmp_path / "receiver.yml") as process:
            assert await send(session, process.url, message(alert())) == 200
            tokens = {}
            for name, person in (("logout_everywhere", "vic"), ("logout", "opal"), ("", "opal")):
                given_ = {"person": person, "password": acting.password(person)}
                async with session.post(f"{process.url}{BASE}/sessions", json=given_) as response:
                    tokens[name] = (await response.json())["token"]
            yield Served(process, tokens)
            assert await process.end() == 0
            _, log = await process.process.communicate()
            assert b"Traceback" not in log


def held(served: Served, operation: AnyOperation, mode: GenerationMode, seen: set[int]) -> Callable[[], None]:
    """Asks what the document allows of one operation, or what it does not, and judges every answer."""
    schema = schemathesis.openapi.from_dict(document(OPERATIONS), config=CONFIG)
    described = schema[f"{BASE}{operation.path}"][operation.method]
    bearer = (
        {} if operation.public else {"Authorization": f"Bearer {served.tokens.get(operation.name, served.tokens[''])}"}
    )

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=described.as_strategy(generation_mode=mode))
    def asked(case: Any) -> None:
        seen.add(case.call_and_validate(base_url=served.process.url, headers=bearer, timeout=30).status_code)

    return asked


ONCE = {"login", "logout", "logout_everywhere"}
"""Their sessions end, or are not to be had by guessing."""


async def test_every_operation_takes_what_it_says_and_nothing_else(served: Served) -> None:
    for operation in OPERATIONS:
        seen: set[int] = set()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            await asyncio.to_thread(held(served, operation, mode, seen))
        assert operation.name in ONCE or 401 not in seen, f"{operation.name} was never reached"
