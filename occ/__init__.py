"""The kernel of the Operational Command Center: it knows no exchange and no chain."""

import gc

__version__ = "0.1.0"

PYTHONS_THRESHOLD = gc.get_threshold()
"""How often Python itself lets the garbage collector look."""

# What is imported stays until the end: to look through it as often as Python does by itself takes a sixth of the start. And while
# 500 nodes are asked, more than 50,000 objects are under way and all in use: looking at those costs a fifth of a poll.
gc.set_threshold(100_000, 20, 50)
