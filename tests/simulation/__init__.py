"""Deterministic simulation: the real consumer runs against models of Kafka, PostgreSQL and time, in one event loop.

`make simulate`, or `python -m tests.simulation --minutes 5`, plays more than a thousand schedules a minute. A seed
determines the whole schedule: the records, the number of consumers, the order of callbacks, the duration of each
request, and the faults. A failure can therefore be reproduced from its seed.

    schedule      plays one seed: records, faults, recovery, checks
    event_loop    an asyncio event loop with virtual time, which draws the process that runs next
    environment   the models together, and the patches that put them in place of the service's clients
    kafka/        topic (the log), group (the coordinator), client (the group consumer), topic_reader
    postgres/     tables (rows and locks), queries (the named queries), server (backends), store (the connection)
    consumers     consumer processes that are started, stopped, frozen and killed
    workload      the records that are published
    faults        the faults that are injected
    check         the checker applied to the models, and the invariants of each commit
    mutations     deliberate bugs in the service that the simulation must find

The tests of this package are in it: `test_schedules` plays schedules, and `test_postgres_model_*` run the same calls on
the model of PostgreSQL and on a real server.
"""
