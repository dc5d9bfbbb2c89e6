"""The files of a receiver that acts: people, what they may do, and keys. Passwords are `<id>'s password`."""

from __future__ import annotations

import functools
from pathlib import Path

from argon2 import PasswordHasher
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.receiver.support import config_file

PEOPLE = {
    "vic": ("viewer",),
    "opal": ("operator",),
    "otto": ("operator",),
    "tara": ("trader",),
    "rita": ("risk",),
    "cora": ("commander",),
    "carl": ("commander",),
    "ada": ("admin",),
}
"""One of each role, and two where two are needed."""

MAC_KEY = "m4c-key-of-the-tests-" * 2
ENGINE_TOKEN = "3ngine-t0ken-of-the-tests"

POLICY = """
rules:
  - {action: halt, request: [operator], approvals: [], review: [risk]}
  - {action: "*", request: [operator, trader], approvals: [{role: trader, count: 1}, {role: risk, count: 1}], review: [commander]}
freeze: {by: [operator, trader], unfreeze: {role: commander, count: 2}}
release: {role: commander, count: 2}
"""

ACTIONS = """
targets: {{engine: {{url: "{engine}", token: {{env: ENGINE_TOKEN}}, operations: /operations}}}}
actions:
  - name: halt
    title: Stop the engine on a venue
    protective: true
    steps: [{{executor: http, target: engine, path: /halt, body: {{venue: $venue}}, expect: {{status: 200}}}}]
    offered_by: [{{alertname: NodeLagging}}]
    parameters: {{venue: {{from_label: venue, choices: [binance, deribit]}}}}
    verify: {{query: 'engine_quoting{{venue="$venue"}} == 0', heartbeat: engine_heartbeat, within: 30s}}
  - name: resume
    title: Let the engine quote again
    undo: halt
    steps: [{{executor: http, target: engine, path: /resume, body: {{venue: $venue}}, expect: {{status: 200}}}}]
    parameters: {{venue: {{choices: [binance, deribit]}}}}
    verify: {{query: 'engine_quoting{{venue="$venue"}} == 1', heartbeat: engine_heartbeat, within: 30s}}
"""


def password(person: str) -> str:
    return f"{person}'s password"


@functools.cache
def hashed(password: str) -> str:
    """By the least that the policy takes, since every test pays for it."""
    return PasswordHasher(2, 19_456, 1).hash(password)


@functools.cache
def signing_key() -> str:
    kind, form = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    return Ed25519PrivateKey.generate().private_bytes(form, kind, serialization.NoEncryption()).decode()


def policy(folder: Path, people: dict[str, tuple[str, ...]] | None = None, rules: str = POLICY) -> None:
    """policy.yml, with a file for each password."""
    (folder / "people").mkdir(exist_ok=True)
    lines = []
    for name, roles in (PEOPLE if people is None else people).items():
        (folder / f"people/{name}.hash").write_text(hashed(password(name)))
        lines.append(f"  - {{id: {name}, password: {{file: people/{name}.hash}}, roles: [{', '.join(roles)}]}}")
    (folder / "policy.yml").write_text("people:\n" + "\n".join(lines) + rules)


def files(
    folder: Path, *, engine: str = "http://127.0.0.1:1", prometheus: str = "http://127.0.0.1:1", more: str = ""
) -> Path:
    """receiver.yml and all that it names."""
    (folder / "actions.yml").write_text(ACTIONS.format(engine=engine))
    (folder / "audit.key").write_text(signing_key())
    (folder / "receiver.mac").write_text(MAC_KEY)
    policy(folder)
    return config_file(
        folder,
        f"""prometheus: {{url: "{prometheus}"}}
mac_key: {{file: receiver.mac}}
actions: actions.yml
policy: policy.yml
audit: {{signing_key: {{file: audit.key}}, checkpoints: "{folder}/checkpoints"}}
{more}""",
    )


ENVIRONMENT = {"AM_TOKEN": "t0ken-of-the-tests", "ENGINE_TOKEN": ENGINE_TOKEN}
