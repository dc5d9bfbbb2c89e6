"""The PromQL of each board, as named functions."""
