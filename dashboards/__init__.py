"""Grafana boards as code: the kit knows Grafana, `queries` PromQL, and one file per board which question stands where."""
