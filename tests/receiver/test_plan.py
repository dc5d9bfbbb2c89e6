"""The plan: equal plans have equal hashes in every process, and whatever an approval covers is in them."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver import canonical
from receiver.catalogue import Expires, Limits, Verify
from receiver.plan import EpisodeKey, Plan
from tests.receiver.support import NOW

PLAN = Plan(
    action="halt",
    definition="d" * 64,
    rule="e" * 64,
    parameters={"venue": "binance", "size": "1.5"},
    steps=({"executor": "http", "target": "engine", "body": {"venue": "binance", "b": 1}}, {"executor": "parameter"}),
    verify=Verify.model_validate({"query": "up == 0", "heartbeat": "beat", "within": "30s"}),
    limits=Limits.model_validate({"cooldown": "1m"}),
    expires=Expires(),
    episode=EpisodeKey("alertmanager", "0123456789abcdef", NOW),
)

# Worked out once by hand, with json and hashlib alone.
BYTES = (
    b'{"action":"halt","definition":"' + b"d" * 64 + b'","episode":{"fingerprint":"0123456789abcdef",'
    b'"source":"alertmanager","starts_at":"1790000000000000"},"expires":{"approval":600,"execution":120},'
    b'"limits":{"cooldown":60,"per_day":null},"parameters":{"size":"1.5","venue":"binance"},"rule":"'
    + b"e"
    * 64
    + b'",'
    b'"steps":[{"body":{"b":1,"venue":"binance"},"executor":"http","target":"engine"},{"executor":"parameter"}],'
    b'"v":"occ-plan-v1","verify":{"fresh":null,"heartbeat":"beat","query":"up == 0","within":30}}'
)


def test_the_bytes_are_these_for_ever() -> None:
    assert PLAN.bytes == BYTES
    assert PLAN.hash == canonical.sha256(BYTES)
    assert json.dumps(json.loads(BYTES), sort_keys=True, separators=(",", ":")).encode() == BYTES


@pytest.mark.parametrize("seed", ["0", "1", "random"])
def test_another_process_comes_to_the_same_hash(seed: str) -> None:
    program = "from tests.receiver.test_plan import PLAN; print(PLAN.hash)"
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert ran.stdout.strip() == PLAN.hash


OTHERS: Mapping[str, Any] = {
    "action": "resume",
    "definition": "c" * 64,
    "rule": None,
    "parameters": {"venue": "binance", "size": "1.50"},
    "steps": tuple(reversed(PLAN.steps)),
    "verify": PLAN.verify.model_copy(update={"query": "up == 1"}),
    "limits": Limits(per_day=1),
    "expires": Expires.model_validate({"approval": "9m"}),
    "episode": EpisodeKey("alertmanager", "0123456789abcdef", NOW + 1),
}


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Plan)])
def test_whatever_changes_it_is_another_plan(field: str) -> None:
    assert dataclasses.replace(PLAN, **{field: OTHERS[field]}).hash != PLAN.hash


@pytest.mark.parametrize(
    "episode",
    [None, EpisodeKey("other", "0123456789abcdef", NOW), EpisodeKey("alertmanager", "1123456789abcdef", NOW)],
)
def test_another_alert_is_another_plan(episode: EpisodeKey | None) -> None:
    assert dataclasses.replace(PLAN, episode=episode).hash != PLAN.hash


def shuffled(value: Any, chance: random.Random) -> Any:
    """The same with every mapping in another order, and lists for tuples."""
    match value:
        case dict():
            items = [(key, shuffled(item, chance)) for key, item in value.items()]
            chance.shuffle(items)
            return dict(items)
        case list():
            return tuple(shuffled(item, chance) for item in value)
        case _:
            return value


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    TEXT
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.booleans()
    | st.none()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)
DOES = st.dictionaries(TEXT, VALUES, max_size=4)


@given(DOES, st.randoms())
def test_the_order_of_what_a_step_does_is_of_no_matter(does: dict[str, Any], chance: random.Random) -> None:
    one = dataclasses.replace(PLAN, steps=(does,))
    assert dataclasses.replace(PLAN, steps=(shuffled(does, chance),)).hash == one.hash


@given(DOES, DOES)
def test_two_steps_have_the_same_hash_only_if_they_do_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    same = dataclasses.replace(PLAN, steps=(one,)).hash == dataclasses.replace(PLAN, steps=(other,)).hash
    assert same is (as_json(one) == as_json(other))


def as_json(value: object) -> str:
    """Numbers as ECMAScript writes them: 1 and 1.0 are one."""
    text = json.dumps(value, sort_keys=True)
    return json.dumps(json.loads(text, parse_float=_number), sort_keys=True)


def _number(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < 1e21 else number


def test_what_json_does_not_carry_exactly_is_refused() -> None:
    for number in (2**53, -(2**53), float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"."):
            _ = dataclasses.replace(PLAN, steps=({"n": number},)).bytes
