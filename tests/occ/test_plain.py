"""A configuration as people may see it, and as a digest."""

from __future__ import annotations

from pydantic import Field

from occ.config import Model, Secret
from occ.logs import Masker
from occ.plain import fingerprint, masked


class Part(Model):
    name: str
    ratio: float = 0.5
    on: bool = True
    words: tuple[str, ...] = ()
    by_name: dict[str, str] = Field(default_factory=dict)


KEY = "c4n4ry-k3y"


class TestMasked:
    def test_what_is_plain_stays_as_it_is(self) -> None:
        part = Part(name="a", words=("x", "y"), by_name={"k": "v"})
        assert masked(part, str) == {"name": "a", "ratio": 0.5, "on": True, "words": ["x", "y"], "by_name": {"k": "v"}}

    def test_secrets_are_not_told_wherever_they_stand(self) -> None:
        found = masked({"a": Secret(KEY), "b": [Secret(KEY)], "c": {"d": (Secret(KEY),)}}, str)
        assert found == {"a": "***", "b": ["***"], "c": {"d": ["***"]}}

    def test_nor_are_words_that_contain_one(self) -> None:
        part = Part(name=f"node-{KEY}", by_name={KEY: KEY})
        assert KEY not in str(masked(part, Masker([KEY])))

    def test_what_is_none_of_these_is_a_word(self) -> None:
        assert masked([None, 1 + 2j], str) == [None, "(1+2j)"]


class TestFingerprint:
    def test_it_is_the_same_for_the_same(self) -> None:
        assert fingerprint(Part(name="a"), 1) == fingerprint(Part(name="a"), 1)

    def test_it_differs_with_any_part_also_with_a_secret(self) -> None:
        values = [
            Part(name="a"),
            Part(name="b"),
            Part(name="a", words=("x",)),
            Secret("one"),
            Secret("two"),
            {"k": Secret("one")},
        ]
        assert len({fingerprint(value) for value in values}) == len(values)

    def test_it_tells_nothing(self) -> None:
        assert KEY not in fingerprint(Secret(KEY))
