"""Answers that are wrong in one place each, for every place and every wrong thing to stand there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from types import ModuleType
from typing import Any

from exporters.nodes.__main__ import FAMILIES, NODES
from exporters.nodes.config import NodesConfig
from exporters.nodes.reading import Reading
from exporters.nodes.source import Source, targets
from occ import config, http
from occ.errors import Reason, SourceError
from occ.job import Pins
from occ.process import new_page

JUNK: tuple[Any, ...] = (None, True, -1, 1.5, 2**53, "", "-1", "9" * 30, [None], {"a": 1})


def wrong(answer: Any) -> Iterator[Any]:
    """The answer with junk in one place, for every place in it."""
    yield from JUNK
    for key, part in answer.items() if isinstance(answer, dict) else ():
        yield {name: value for name, value in answer.items() if name != key}
        yield from ({**answer, key: other} for other in wrong(part))
    for index, part in enumerate(answer) if isinstance(answer, list) else ():
        yield from ([*answer[:index], other, *answer[index + 1 :]] for other in wrong(part))


async def is_withstood(
    folder: Path, text: str, family: ModuleType, answers: Mapping[str, Any], sent: MutableMapping[str, Any], *, pin: int
) -> int:
    """How many wrong answers were sent, in `sent`, each of which made a reading or a bad_response; asserts so."""
    path, count = folder / "nodes.yml", 0
    path.write_text(text)
    loaded: NodesConfig = config.load(path, NODES.model).config
    (chain,) = loaded.chains
    (target,) = targets(chain)
    page, pins = new_page("nodes", "", FAMILIES), Pins()
    pins.set({chain.name: pin})
    async with http.session("nodes", page) as session:
        for place, answer in answers.items():
            for other in wrong(answer):
                sent.clear()
                sent[place] = other
                source = Source(chain, session, page, pins)
                outcome = (await family.read(source, (target,), chain))[target]
                told = outcome.reason if isinstance(outcome, SourceError) else type(outcome)
                assert told in (Reason.BAD_RESPONSE, Reading), f"{place}: {other!r}: {told}"
                count += 1
    return count
