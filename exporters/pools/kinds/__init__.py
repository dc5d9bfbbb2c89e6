"""Kinds of pools, oracles and positions: one file each, named as `kind` in the configuration.

A kind file defines

- `PoolReader(terms)`, for pools, with `Options(Model)`, the keys that it adds to a pool of the configuration;
- `FeedReader(terms)`, for oracles;
- `PositionReader(terms)`, for positions;

or several of them. A reader is made once for each item, of `terms` (`terms.py`): what the configuration says of it. Its
`steps()` are taken at every block (`steps.py`): it yields the calls that it needs, is given their replies, and returns the
common state (`PoolState`, `FeedState`, `PositionState`), or raises the SourceError of this one item. It remembers what does not
change; `base` of a pool's reader is the number of the base among its tokens, None before it is known. While a pool
gives the same for the same, its curve is to be the same object: then what trading costs is not worked out again.

A kind of pools may have, where its logs are to be counted,

- `EVENTS` in its reader: `swap`, `mint` or `burn` by first topic; and beside it `happened(topic, data) -> Happened`.

A pool's reader may have

- `TOPICS`, first topics of events after which what it remembers is no longer so; `heard(log)` is called for each of them, in
  their order, and `forget()` where it is not known what has happened;
- `reach(missing)`, steps that read the words of the bitmap for which its curve has raised UnknownTicksError; they return
  whether there was anything more to be read.

Metrics, rules and boards exist for the common states already.
"""

CONTRACT: tuple[str, ...] = ()
