"""The whole centre on real parts, on one machine, with faults that can be switched while it runs."""
