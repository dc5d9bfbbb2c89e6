"""Actions and policies as a person writes them, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from occ.config import Loaded, Model, load
from receiver.catalogue import Catalogue
from receiver.policy import Approval, Policy
from tests.receiver.support import TOKEN

# Argon2id of "of the tests", 19 MiB and 2 passes, with a salt for each person.
_ARGON2ID = "$argon2id$v=19$m=19456,t=2,p=1"
_DIGEST = "zRH2edDGn4r8Y7GwJN5gVEdDcHV9LFCmEwhamBi2gkE"


def password_hash(number: int) -> str:
    """A well-formed hash that no password is known to have; another one for every number."""
    return f"{_ARGON2ID}${number:022d}${_DIGEST}"


SIGNING_KEY = """\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB
-----END PRIVATE KEY-----"""

ENV: Mapping[str, str] = {
    "AM_TOKEN": TOKEN,
    "MAC_KEY": "mac-key-of-the-tests" * 2,
    "AUDIT_KEY": SIGNING_KEY,
    "ENGINE_TOKEN": "engine-token-of-the-tests",
} | {f"HASH_{number}": password_hash(number) for number in range(10)}

ACTIONS = """\
targets:
  engine: {url: "http://engine.example:8000", token: {env: ENGINE_TOKEN}, operations: /operations}
actions:
  - name: halt
    title: Stop the engine on a venue
    protective: true
    steps:
      - {executor: http, target: engine, path: /halt, body: {venue: $venue}, expect: {status: 200}}
    offered_by: [{alertname: BookFrozen, severity: page}, {alertname: MarginUsageHigh}]
    parameters:
      venue: {from_label: venue, choices: [binance, deribit]}
    limits: {cooldown: 1m, per_day: 20}
    expires: {approval: 10m, execution: 2m}
    verify:
      query: 'engine_quoting{venue="$venue"} == 0'
      fresh: {exporter: engine, target: "$venue/all", check: quoting}
      within: 30s
    undo: resume
  - name: resume
    title: Let the engine quote on a venue again
    steps:
      - {executor: http, target: engine, path: /resume, body: {venue: $venue}}
    parameters:
      venue: {from_label: venue, choices: [binance, deribit]}
    verify: {query: 'engine_quoting{venue="$venue"} == 1', heartbeat: engine_heartbeat_timestamp_seconds, within: 30s}
  - name: order-size
    title: Set the largest order
    steps:
      - {executor: parameter, target: engine, name: max_order_usd, value: $size, min: 0, max: 50000}
    parameters:
      size: {from_label: size, number: {min: 0, max: 50000, step: 0.5}}
    verify: {query: engine_max_order_usd > 0, heartbeat: engine_heartbeat_timestamp_seconds, within: 30s}
"""

POLICY = """\
people:
  - {id: otto, password: {env: HASH_0}, roles: [operator]}
  - {id: tara, password: {env: HASH_1}, roles: [trader]}
  - {id: tom, password: {env: HASH_2}, roles: [trader, operator]}
  - {id: rita, password: {env: HASH_3}, roles: [risk]}
  - {id: both, password: {env: HASH_4}, roles: [trader, risk]}
  - {id: carl, password: {env: HASH_5}, roles: [commander]}
  - {id: cora, password: {env: HASH_6}, roles: [commander]}
  - {id: cleo, password: {env: HASH_7}, roles: [commander, admin]}
  - {id: vera, password: {env: HASH_8}, roles: [viewer]}
groups: {oncall: [otto, carl], everybody: "*"}
rules:
  - {action: halt, request: [operator], approvals: [], review: [risk]}
  - {action: "*", request: [operator], approvals: [{role: trader}, {role: risk}]}
freeze: {by: [oncall]}
"""

RECEIVER = """\
database: "sqlite:///receiver.db"
ingest: {bearer: {env: AM_TOKEN}}
prometheus: {url: "http://prometheus.example:9090"}
mac_key: {env: MAC_KEY}
audit: {signing_key: {env: AUDIT_KEY}, checkpoints: checkpoints}
actions: actions.yml
policy: policy.yml
"""


def loaded(folder: Path, model: type[Model], text: str) -> Loaded[Model]:
    path = folder / "file.yml"
    path.write_text(text)
    return load(path, model, ENV)


def catalogue(folder: Path, text: str = ACTIONS) -> Catalogue:
    found = loaded(folder, Catalogue, text).config
    assert isinstance(found, Catalogue)
    return found


def policy(folder: Path, text: str = POLICY) -> Policy:
    found = loaded(folder, Policy, text).config
    assert isinstance(found, Policy)
    return found


def receiver_files(folder: Path, *, actions: str = ACTIONS, policy: str = POLICY, receiver: str = RECEIVER) -> Path:
    """The receiver's three files; returns the one that names the others."""
    for name, text in (("actions", actions), ("policy", policy), ("receiver", receiver)):
        (folder / f"{name}.yml").write_text(text)
    return folder / "receiver.yml"


def approved(*people: str, roles: str = "trader risk commander operator") -> list[Approval]:
    """Approvals of these people, who held all these roles when they gave them."""
    return [Approval(person, frozenset(roles.split())) for person in people]
