"""`python -m tests.bench.emitter`: what one call of the emitter costs an agent, beside other libraries.

`__main__` runs each measurement as a process of its own, in rounds: `call_duration` (a call of one of the `targets`),
`delivery_rate` (events/s to a live broker) and `import_time`.
"""
