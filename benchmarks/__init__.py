"""Ratios against peers and limits: `make bench`. One script per goal; never part of the tests."""
