"""The `occ` command."""
