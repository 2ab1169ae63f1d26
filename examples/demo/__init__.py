"""The demo: agents publish events, two consumers store them, one consumer is killed, and no event is lost.

Run it with `make demo`, or with `python -m examples.demo` from the root of the repository. `__main__.py` is its table
of contents. It starts Kafka and PostgreSQL in a temporary directory and removes everything at the end.
"""
