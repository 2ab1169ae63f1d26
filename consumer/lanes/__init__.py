"""Batching, back-pressure, and what follows a failed transaction. Each lane writes its own partitions."""
