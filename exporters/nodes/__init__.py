"""Health of RPC nodes: is each one there, at the head, on the right chain; and what the head is, by more than one witness."""
