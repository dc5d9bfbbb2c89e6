"""What the receiver does by itself where an alert that fires offers an action, by the mode of the policy's rule:

- `off`: nothing.
- `shadow`: it records what it would have done.
- `propose`: it plans the action and asks people for it.
- `auto`: it asks for it, and nobody has to approve.

What it asks for is a request as any other: sealed, judged again at its start, carried on by the engine. It asks once for an
action and an episode, and only where every guard lets it: `guards` has those that follow from what is recorded here, `asking`
those that Prometheus must confirm. `facts` reads, `deciding` writes, `watch` goes round.
"""
