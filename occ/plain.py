"""A configuration as plain data: masked, for people; or as a digest, to know whether a part of it has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from pydantic import BaseModel

from occ.config import Secret
from occ.logs import MASK


def masked(value: object, mask: Callable[[str], str]) -> object:
    """Plain data (mappings, lists, words, numbers) without a secret; what else contains one goes through `mask`."""
    match value:
        case BaseModel():
            return {name: masked(getattr(value, name), mask) for name in type(value).model_fields}
        case Mapping():
            return {mask(str(key)): masked(item, mask) for key, item in value.items()}
        case tuple() | list() | set() | frozenset():
            return [masked(item, mask) for item in value]
        case bool() | int() | float() | None:
            return value
        case Secret():
            return MASK
        case _:
            return mask(str(value))


def fingerprint(*values: object) -> str:
    """A digest that differs when any part of the values differs, secrets included. It tells nothing of them."""
    return hashlib.sha256(repr([_laid_open(value) for value in values]).encode()).hexdigest()[:16]


def _laid_open(value: object) -> object:
    match value:
        case BaseModel():
            return {name: _laid_open(getattr(value, name)) for name in type(value).model_fields}
        case Mapping():
            return {key: _laid_open(item) for key, item in value.items()}
        case tuple() | list():
            return [_laid_open(item) for item in value]
        case Secret():
            return value.reveal()
        case _:
            return value
