"""Chain families: one file each, named as `family` in the configuration.

A family file defines

- `Options(Model)`: the keys that it adds to a chain of the configuration;
- `async def read(source, targets, options) -> Mapping[Target, Reading | SourceError]`: the common reading of these nodes,
  where `source` speaks to the nodes of one chain (`Source`), and `options` is that chain;

and, where its nodes can do so,

- `async def survey(source, targets, options) -> Mapping[Target, Survey | SourceError]`: what they are able to do, asked
  rarely; it makes `expect` possible;
- `heads(source, target)`, a context with the blocks that a node announces, and `async def latest(source, target) -> Block`,
  its head by asking: they make `ws_url` possible.

A family that was tried on hand-written answers alone says `EXPERIMENTAL = True`.

Metrics, rules and boards exist for the common reading already.
"""

CONTRACT = ("Options", "read")
