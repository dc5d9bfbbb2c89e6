"""The OpenAPI document, and the real server held to it by Schemathesis."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import schemathesis

from receiver.api import OPERATIONS
from receiver.api.errors import STATUS
from receiver.api.openapi import document
from receiver.api.operations import BASE
from receiver.why import SENTENCES
from tests.receiver.api.conftest import Whole


def test_it_is_valid_openapi_3_1() -> None:
    made = document(OPERATIONS)
    assert made["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(made).validate()


def test_every_operation_is_in_it_and_nothing_else() -> None:
    told = {(path, method) for path, methods in document(OPERATIONS)["paths"].items() for method in methods}
    assert told == {(f"{BASE}{operation.path}", operation.method.lower()) for operation in OPERATIONS}


def test_every_reference_leads_somewhere() -> None:
    made = document(OPERATIONS)
    references = set(re.findall(r'"\$ref":"#/components/schemas/(\w+)"', orjson.dumps(made).decode()))
    assert references <= set(made["components"]["schemas"])


def test_all_but_logging_in_want_somebody() -> None:
    open_ = [
        operation["operationId"]
        for methods in document(OPERATIONS)["paths"].values()
        for operation in methods.values()
        if not operation["security"]
    ]
    assert open_ == ["login"]


def test_the_page_about_the_api_names_every_operation_and_every_reason_with_its_status() -> None:
    page = (Path(__file__).parents[3] / "docs/api.md").read_text()
    assert [it.name for it in OPERATIONS if f"| `{it.method} {it.path}` | {it.summary} |" not in page] == []
    assert [why for why, status in STATUS.items() if f"| {status} | `{why}` | {SENTENCES[why]} |" not in page] == []


async def test_it_is_served_to_everybody_and_tells_nothing_of_this_place(whole: Whole) -> None:
    async with whole.client.get(f"{BASE}/openapi.json") as response:
        assert (response.status, response.content_type) == (200, "application/json")
        served: dict[str, Any] = await response.json()
    assert served == orjson.loads(orjson.dumps(document(OPERATIONS)))
    text = orjson.dumps(served).decode()
    assert [name for name in ("opal", "binance", "halt-all", str(whole.folder)) if name in text] == []
