"""Taking up an assigned partition: stored offsets, lost logs, the circuit breaker, the `offsets` commands."""
