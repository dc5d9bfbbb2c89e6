"""What a freeze stops. Who may freeze and lift is in test_desk.py, that no hand in the database lifts one in test_forged.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from receiver.freezes import Freeze, Scope, from_outside, stop


def freeze(scope: Scope, name: str = "") -> Freeze:
    return Freeze("f" * 16, scope, name, "otto", "I am not sure", 1)


@pytest.mark.parametrize(
    ("standing", "stops"),
    [
        (freeze(Scope.EVERYTHING), True),
        (freeze(Scope.ACTION, "halt"), True),
        (freeze(Scope.ACTION, "resume"), False),
        (freeze(Scope.TARGET, "engine"), True),
        (freeze(Scope.TARGET, "binance"), True),
        (freeze(Scope.TARGET, "desk-a"), False),
        (freeze(Scope.TARGET, "target"), False),
        (freeze(Scope.TARGET, "halt"), False),
    ],
)
def test_a_freeze_is_of_everything_an_action_or_a_target(standing: Freeze, stops: bool) -> None:  # noqa: FBT001
    assert standing.stops("halt", ["target/engine", "venue/binance/desk-a"]) is stops


def test_any_of_several_stops() -> None:
    standing = [freeze(Scope.ACTION, "resume"), freeze(Scope.TARGET, "engine")]
    assert stop(standing, "halt", ["target/engine"]) is standing[1]
    assert stop(standing, "halt", ["target/other"]) is None
    assert stop([], "halt", ["target/engine"]) is None


def test_nothing_outside_freezes_nothing(tmp_path: Path) -> None:
    assert from_outside(None, {}) is None
    assert from_outside(tmp_path / "freeze", {"OCC_FREEZE": ""}) is None
    assert from_outside(tmp_path / "nowhere/freeze", {}) is None


@pytest.mark.parametrize("value", ["1", "0", "no", " "])
def test_the_environment_freezes_whatever_it_says(value: str) -> None:
    assert from_outside(None, {"OCC_FREEZE": value}) == "OCC_FREEZE is set"


def test_a_file_freezes_while_it_is_there(tmp_path: Path) -> None:
    file = tmp_path / "freeze"
    file.touch()
    assert from_outside(file, {}) == "the freeze file is there"
    file.unlink()
    file.symlink_to(tmp_path / "gone")
    assert from_outside(file, {}) == "the freeze file is there"


def test_a_file_that_can_not_be_looked_at_freezes(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert from_outside(tmp_path / "file/freeze", {}) == "the freeze file can not be looked at: Not a directory"
