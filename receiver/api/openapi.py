"""The OpenAPI 3.1 document of a table of operations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from occ import __version__
from receiver.doors import COOKIE, SECURE_COOKIE
from receiver.why import SENTENCES, Why

from .errors import STATUS
from .operations import BASE, PATH_PATTERNS, AnyOperation, Nothing
from .shapes import Problem, Shape

Document = dict[str, Any]

PROOF = "X-OCC-Proof"

_REFERENCE = "#/components/schemas/{model}"
_PLACE = re.compile(r"\{(\w+)\}")


def document(operations: Iterable[AnyOperation]) -> Document:
    """What the operations take and answer. It says nothing of this installation."""
    operations = tuple(operations)
    schemas = _schemas(operations)
    paths: dict[str, Document] = {}
    for operation in operations:
        paths.setdefault(f"{BASE}{operation.path}", {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "OCC receiver",
            "version": __version__,
            "description": "Alerts, actions, requests, freezes and the audit of the receiver.",
        },
        "paths": paths,
        "components": {
            "schemas": {name: schemas[name] for name in sorted(schemas)},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": f"The token that POST {BASE}/sessions gives.",
                },
                "cookie": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": COOKIE,
                    "description": f"What a browser has; over TLS it is {SECURE_COOKIE}.",
                },
                "proof": {
                    "type": "apiKey",
                    "in": "header",
                    "name": PROOF,
                    "description": "With the cookie, to change.",
                },
            },
        },
    }


def _schemas(operations: Iterable[AnyOperation]) -> dict[str, Document]:
    shapes: set[tuple[type[Shape], str]] = {(Problem, "serialization")}
    for operation in operations:
        shapes |= {(operation.takes, "validation"), (operation.asks, "validation")}
        if not isinstance(operation.answers, str):
            shapes.add((operation.answers, "serialization"))
    ordered = sorted(((shape, mode) for shape, mode in shapes if shape is not Nothing), key=lambda it: it[0].__name__)
    _, made = models_json_schema(ordered, ref_template=_REFERENCE)  # type: ignore[arg-type]
    found: dict[str, Document] = made["$defs"]
    return found


def _operation(operation: AnyOperation, schemas: Mapping[str, Document]) -> Document:
    made: Document = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [*_places(operation.path), *_query(operation, schemas)],
        "responses": _responses(operation),
        "security": _security(operation),
    }
    if operation.takes is not Nothing:
        made["requestBody"] = {"required": True, "content": _json(operation.takes)}
    return made


def _security(operation: AnyOperation) -> list[Document]:
    if operation.public:
        return []
    cookie: Document = {"cookie": [], "proof": []} if operation.changes else {"cookie": []}
    return [{"bearer": []}, cookie]


def _places(path: str) -> Iterable[Document]:
    for name in _PLACE.findall(path):
        schema = {"type": "string", "pattern": f"^{PATH_PATTERNS[name]}$"}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query(operation: AnyOperation, schemas: Mapping[str, Document]) -> Iterable[Document]:
    if operation.asks is Nothing:
        return
    for name, schema in schemas[operation.asks.__name__]["properties"].items():
        yield {"name": name, "in": "query", "required": False, "schema": _given(schema)}


def _given(schema: Document) -> Document:
    """Of what may be left out, what it is when it is there: in a query nothing can be null."""
    if "anyOf" not in schema:
        return schema
    [found] = (each for each in schema["anyOf"] if each != {"type": "null"})
    return found  # type: ignore[no-any-return]


def _responses(operation: AnyOperation) -> Document:
    right = {operation.answers: {}} if isinstance(operation.answers, str) else _json(operation.answers)
    found = {str(operation.status): {"description": "Done.", "content": right}}
    for status in sorted(_failures(operation)):
        words = "; ".join(SENTENCES[why] for why, its in STATUS.items() if its == status)
        found[str(status)] = {"description": f"{words}.", "content": _json(Problem)}
    return found


def _failures(operation: AnyOperation) -> set[int]:
    found = {STATUS[Why.MALFORMED], STATUS[Why.INTERNAL], STATUS[Why.UNAVAILABLE]}
    found |= set() if operation.public else {401, 403}
    found |= {401, 403, 409, 413, 415, 422, 429} if operation.changes else set()
    named = "{" in operation.path or operation.asks is not Nothing or operation.changes
    return found | ({404} if named else set())


def _json(shape: type[Shape]) -> Document:
    return {"application/json": {"schema": {"$ref": _REFERENCE.format(model=shape.__name__)}}}
