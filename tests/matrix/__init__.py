"""Runs the emitter and the consumer where users run them, and writes the result to docs/compatibility.md.

`python -m tests.matrix` (`make matrix`) runs each row of `rows`: existing tests, with another Python, against other
servers, or with packages that `make setup` does not install. `row` defines a row, `execution` runs it, and `table`
writes it. `interpreters` and `postgresql` find what a row needs.
"""
