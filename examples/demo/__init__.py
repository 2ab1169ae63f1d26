"""The whole system in half a minute: agents, Kafka, consumers, a crash, PostgreSQL, and proof that nothing is missing.

`make demo`, or `python -m examples.demo` from the root of the repository.
"""
