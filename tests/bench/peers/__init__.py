"""Other programs that carry events into PostgreSQL, set as their documentation says is fast: `make bench-peers`."""
