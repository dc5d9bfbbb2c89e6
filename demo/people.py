"""The people of the demo: who they are, what they may do, and a password for each, made anew for every run."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from receiver.people import hashed


@dataclass(frozen=True)
class Person:
    """Somebody who is ready to log in; `does` is what they are there for."""

    id: str
    roles: tuple[str, ...]
    does: str


OLGA = Person("olga", ("operator",), "is on call, and asks for what is to be done")
TOM = Person("tom", ("trader", "commander"), "approves as a trader")
RITA = Person("rita", ("risk", "commander"), "approves for risk")
DRILL = Person("drill", ("viewer",), "is who `occ drill` looks as")
PEOPLE = (OLGA, TOM, RITA, DRILL)
HANDS = (OLGA, TOM, RITA)
"""Those that somebody may play."""


BY_ITSELF = {"pull-quotes": "auto", "halt-in-crash": "shadow"}
"""What the receiver does by itself, and what it would do."""


def secret_files(folder: Path) -> Mapping[Path, str]:
    """What the receiver needs to know people and to prove its audit: passwords, their hashes, and two keys."""
    files = {
        folder / "receiver.mac": secrets.token_hex(32),
        folder / "audit.key": Ed25519PrivateKey.generate()
        .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        .decode(),
    }
    for person in PEOPLE:
        password = "-".join(secrets.token_hex(2) for _ in range(4))
        files |= {password_file(folder, person): password, folder / f"{person.id}.hash": hashed(password)}
    return files


def password_file(folder: Path, person: Person) -> Path:
    return folder / f"{person.id}.password"


def policy(folder: Path, freeze: Path) -> dict[str, Any]:
    """policy.yml: two other people approve what moves money, whoever asks for it."""
    known = [
        {"id": person.id, "password": {"file": str(folder / f"{person.id}.hash")}, "roles": list(person.roles)}
        for person in PEOPLE
    ]
    both = [{"role": "trader", "count": 1}, {"role": "risk", "count": 1}]
    return {
        "people": known,
        "groups": {"oncall": [OLGA.id, TOM.id], "everybody": "*"},
        "rules": [
            {"action": "*", "request": ["operator", "commander"], "approvals": both, "review": ["risk"]},
            *(
                {"action": name, "request": ["operator"], "approvals": [], "review": ["risk"], "automation": mode}
                for name, mode in BY_ITSELF.items()
            ),
        ],
        # As shipped, by the demo's time scale; what is done in an hour is not, since drills are done at one go.
        "automation": {"grace": "30s", "storm": {"alerts": 4, "within": "20s"}, "per_hour": 100},
        "escalation": [{"severity": "page", "acknowledge_within": "5m", "then": ["oncall", "commander", "everybody"]}],
        "freeze": {"file": str(freeze), "by": ["oncall", "risk"], "unfreeze": {"role": "commander", "count": 2}},
        "release": {"role": "commander", "count": 2},
    }
