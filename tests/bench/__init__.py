"""How fast the consumer is, beside the fastest that the same tables allow. docs/benchmarks.md says how to read it."""
