"""What is frozen, and the forms to freeze and to let go on."""

from __future__ import annotations

from typing import Any

from . import forms
from .forms import Fields
from .leaves import Deed, Leaf, Visit

MAX_LIFTED = 10


async def freeze(visit: Visit) -> dict[str, Any]:
    found = await visit.ask("freezes")
    scopes = [(scope, name) for scope, names in found.names.items() for name in names]
    return {
        "freezes": found,
        "standing": [each for each in found.freezes if each.lifted_at is None],
        "lifted": [each for each in found.freezes if each.lifted_at is not None][:MAX_LIFTED],
        "scopes": [(f"{scope}/{name}", f"{scope.capitalize()} {name}".strip()) for scope, name in scopes],
    }


def _scoped(fields: Fields) -> dict[str, Any]:
    """`what` is scope and name in one."""
    scope, _, name = fields.get("what", "").partition("/")
    return forms.body({**{key: value for key, value in fields.items() if key != "what"}, "scope": scope, "name": name})


def _to_freezes(_: Visit, __: Any) -> str:
    return "/freeze"


LEAVES = (
    Leaf(
        "/freeze",
        "freeze.html",
        freeze,
        {"freeze": Deed("freeze", _to_freezes, _scoped), "unfreeze": Deed("unfreeze", _to_freezes)},
    ),
)
