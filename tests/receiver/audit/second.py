"""A second verifier, written from docs/audit.md alone: it shares no line with the first. It only says whether all holds."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

HEX = re.compile(r"[0-9a-f]{64}")


def rfc8785(value: Any) -> bytes:
    """Enough of it for strings, integers, lists and objects with ASCII keys."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def holds(export: bytes, folder: Path, *pems: bytes) -> bool:
    try:
        chain = _chain(export)
        checkpoints = _checkpoints(folder, pems)
        _together(chain, checkpoints)
    except (AssertionError, InvalidSignature, ValueError, KeyError, TypeError):
        return False
    return True


def _chain(export: bytes) -> list[tuple[dict[str, Any], str]]:
    lines = export.split(b"\n")
    assert lines.pop() == b""
    chain: list[tuple[dict[str, Any], str]] = []
    before = "0" * 64
    for number, line in enumerate(lines, 1):
        record = json.loads(line)
        assert set(record) == {"v", "seq", "prev", "at", "kind", "subject", "by", "data"}
        assert rfc8785(record) == line
        assert record["v"] == "occ-audit-v1"
        assert all(type(record[name]) is str for name in ("prev", "kind", "subject", "by"))
        assert type(record["seq"]) is type(record["at"]) is int
        assert 0 <= record["at"] < 2**53
        _strings(record["data"], dict)
        assert (record["seq"], record["prev"]) == (number, before)
        before = hashlib.sha256(b"occ-audit-v1\0" + line).hexdigest()
        chain.append((record, before))
    assert chain
    first = chain[0][0]
    assert first["kind"] == "database.created"
    assert re.fullmatch(r"database/[0-9a-f]{32}", first["subject"])
    return chain


def _strings(value: Any, *kinds: type) -> None:
    assert type(value) in (kinds or (dict, list, str))
    if isinstance(value, dict):
        assert all(key.isascii() for key in value)
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            _strings(each)


def _checkpoints(folder: Path, pems: tuple[bytes, ...]) -> list[dict[str, Any]]:
    keys = {}
    for pem in pems:
        key = load_pem_public_key(pem)
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        keys[hashlib.sha256(raw).hexdigest()] = key
    names = {"v", "number", "database", "seq", "hash", "at", "key", "previous", "signature"}
    found: list[dict[str, Any]] = []
    before = None
    for path in sorted(folder.glob("checkpoint-*.json")):
        content = path.read_bytes()
        checkpoint = json.loads(content)
        assert set(checkpoint) == names
        assert rfc8785(checkpoint) == content
        assert checkpoint["v"] == "occ-checkpoint-v1"
        assert path.name == f"checkpoint-{checkpoint['number']:010}.json"
        assert all(type(checkpoint[name]) is int for name in ("number", "seq", "at"))
        assert all(HEX.fullmatch(checkpoint[name]) for name in ("hash", "key", "previous"))
        if found:
            assert checkpoint["number"] == found[-1]["number"] + 1
            assert checkpoint["previous"] == before
        elif checkpoint["number"] == 1:
            assert checkpoint["previous"] == "0" * 64
        signature = checkpoint.pop("signature")
        assert re.fullmatch(r"[0-9a-f]{128}", signature)
        keys[checkpoint["key"]].verify(bytes.fromhex(signature), b"occ-checkpoint-v1\0" + rfc8785(checkpoint))  # type: ignore[union-attr,call-arg]
        before = hashlib.sha256(content).hexdigest()
        found.append(checkpoint)
    assert found
    return found


def _together(chain: list[tuple[dict[str, Any], str]], checkpoints: list[dict[str, Any]]) -> None:
    database = chain[0][0]["subject"].removeprefix("database/")

    def matches(checkpoint: dict[str, Any]) -> bool:
        return bool(checkpoint["seq"] <= len(chain) and chain[checkpoint["seq"] - 1][1] == checkpoint["hash"])

    given_up = 0
    for record, _ in chain:
        if record["kind"] == "audit.trouble" and "checkpoint" in record["data"]:
            number = int(record["data"]["checkpoint"])
            if any(each["number"] > number and each["seq"] >= record["seq"] and matches(each) for each in checkpoints):
                given_up = max(given_up, number)
    for checkpoint in checkpoints:
        assert checkpoint["database"] == database
        assert matches(checkpoint) or checkpoint["number"] <= given_up
