"""What the protocols compute, in integers as they do: pure functions and frozen values, with no I/O."""
