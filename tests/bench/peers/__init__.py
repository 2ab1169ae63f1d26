"""Other programs that carry events into PostgreSQL, in their fastest settings: `make bench-peers`."""
