"""Runs the consumer with faults at named steps, or with a bug. The product itself has no such switch.

    FAULT_AT="SIGKILL before insert_events 2" python -m tests.support.fault_injection [--until-end]

sends the process SIGKILL before its second call of `insert_events`. Several faults are separated by `;`. The name
of one of the `bugs` gives the process that bug.
"""
