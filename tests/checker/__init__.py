"""Is every record in exactly one place? An oracle that shares no code with what it judges.

It reads the topic and the four tables by itself, works out from the contract what the tables should say, and names
each difference. It imports nothing of the product: a bug that both had in common would be invisible to it.

    log        what Kafka accepted                tables     what the service wrote
    strict_json, contract, validity              one record: an event, or refused, and why
    status, model                                 a whole log: the one right outcome
    step, placement, fidelity, runs, watermark    the rules, one function each
    comparison                                    all rules, once over everything: pure
    replay                                        tables beside tables of the same log: pure
    increment                                     the same rules, snapshot by snapshot: pure
    reading, following                            the topic and the tables from their servers, once or as they grow
    watch, watcher                                snapshots judged while faults run, by a process of its own
"""

from tests.checker.comparison import compare, determinism, replay
from tests.checker.reading import check, read_log, read_tables
from tests.checker.violations import Rule, Violation
from tests.checker.watch import Watch, watching

__all__ = [
    "Rule",
    "Violation",
    "Watch",
    "check",
    "compare",
    "determinism",
    "read_log",
    "read_tables",
    "replay",
    "watching",
]
