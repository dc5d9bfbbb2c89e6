"""The kernel of the Operational Command Center: it knows no exchange and no chain."""

__version__ = "0.1.0"
