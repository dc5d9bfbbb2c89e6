"""The demo's trading engine: what docs/engine.md asks of a desk's engine, as small as can be.

It quotes on venues or is halted there, has bounded parameters, remembers what it was told to do, and shows its metrics. It
trades with nobody. What is wrong with it on purpose is switched at /faults while it runs.
"""
