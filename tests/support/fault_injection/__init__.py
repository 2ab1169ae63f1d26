"""The consumer, put together so that it breaks where a test says. The product itself has no such switch.

    FAULT_AT="SIGKILL before insert_events 2" python -m tests.support.fault_injection [--until-end]

sends itself the signal just before it calls `insert_events` for the second time. Several faults are separated by `;`.
With the name of one of `bugs` it lives on, and does that wrong.
"""
