"""`python -m tests.bench.emitter` measures what one call of the emitter costs an agent, compared with other libraries.

`__main__` runs each measurement in a process of its own, in rounds. `call_duration` measures a call of one of the
`targets`, `rare_values` a call with values that JSON does not have, `delivery_rate` events/s to a broker, and
`import_time` an import.
"""
