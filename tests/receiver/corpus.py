"""Files that are wrong, each of which says in its head what is to be said of it."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from occ.config import Model, load
from occ.errors import ConfigError, Problem

FOLDER = Path(__file__).parent / "bad-config"


def check(path: Path, model: type[Model], env: Mapping[str, str]) -> None:
    """Exactly the expected is said, and nothing of what must not be repeated."""
    expected = re.findall(r"^# expect: (.*)$", path.read_text(), re.MULTILINE)
    assert expected, "the file does not say what is expected of it"
    with pytest.raises(ConfigError) as caught:
        load(path, model, env)
    assert said(caught.value) == expected
    assert "canary" not in str(caught.value)


def said(error: ConfigError) -> list[str]:
    return [f"{problem.line}: {problem.path}: {problem.message}" for problem in error.problems]


def places(value: object, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every part of a document."""
    yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*at, key))


def replaced(value: Any, at: tuple[str | int, ...], other: object) -> Any:
    """The document with something else in one place."""
    if not at:
        return other
    copied = copy.copy(value)
    copied[at[0]] = replaced(value[at[0]], at[1:], other)
    return copied


ODD: tuple[object, ...] = (None, True, -5, 0.5, "", "$venue", "${HOME}", [], [[]], {}, {"x": {}})


def check_oddly(folder: Path, text: str, model: type[Model], env: Mapping[str, str]) -> None:
    """Whatever stands where, the file is accepted or refused with a place on a line of it."""
    document = yaml.safe_load(text)
    path = folder / "odd.yml"
    for at in places(document):
        for odd in ODD:
            path.write_text(yaml.safe_dump(replaced(document, at, odd)))
            placed = all(problem.line or not problem.path for problem in problems(path, model, env))
            assert placed, (at, odd)


def problems(path: Path, model: type[Model], env: Mapping[str, str]) -> list[Problem]:
    """What is wrong with a file, if anything."""
    try:
        load(path, model, env)
    except ConfigError as error:
        return error.problems
    return []
