"""Agents that emit while Kafka is hurt in every way, for as long as one likes; and then the sum.

`make chaos`, or `python -m tests.chaos --minutes 30 --seed 1`: every event that was said is stored, once and in order,
or its run says that it is missing.
"""
