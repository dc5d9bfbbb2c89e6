"""One package per exporter; each runs alone as `python -m exporters.<name>`."""
