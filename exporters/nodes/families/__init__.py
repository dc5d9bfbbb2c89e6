"""Chain families: one file each, named as `family` in the configuration.

A family file defines

- `Options(Model)`: the keys that it adds to a chain of the configuration;
- `async def read(source, targets, options) -> Mapping[Target, Reading | SourceError]`: the common reading of these nodes,
  where `source` speaks to the nodes of one chain (`Source`), and `options` is that chain.

Metrics, rules and boards exist for the common reading already.
"""

CONTRACT = ("Options", "read")
