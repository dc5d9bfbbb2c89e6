"""Goal 4: the gzip body of a page against `gzip.compress` of the same bytes."""

from __future__ import annotations

import gzip
import random

from isal import igzip

from benchmarks.harness import Part, Result, ratio
from benchmarks.pages import Ours
from occ.page import GZIP_LEVEL, Column


def _body() -> bytes:
    """A page of 10k series whose values look like measured ones: half small integers, half floats with many digits."""
    ours, chance = Ours(10, 10, 100), random.Random(1)
    for job, rows in enumerate(ours.rows):
        whole = [[float(chance.randrange(1000)) for _ in rows] for _ in ours.families[::2]]
        parts = [[chance.random() * 1e5 for _ in rows] for _ in ours.families[1::2]]
        values = [column for pair in zip(whole, parts, strict=True) for column in pair]
        ours.page.put(job, [Column(family, rows, column) for family, column in zip(ours.families, values, strict=True)])
    return ours.write()


def run() -> Result:
    """Time and size."""
    body = _body()
    ours, theirs = igzip.compress(body, GZIP_LEVEL), gzip.compress(body)
    assert gzip.decompress(ours) == body
    faster = ratio(lambda: gzip.compress(body), lambda: igzip.compress(body, GZIP_LEVEL), rounds=15)
    return Result(
        4,
        "gzip body against gzip.compress: time and size",
        (
            Part("faster:", faster, 15, at_least=True),
            Part("size:", len(ours) / len(theirs), 1.25, at_least=False),
        ),
    )
