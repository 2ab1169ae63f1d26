"""An independent end-to-end checker: is every record stored in exactly one place, and the right one?

It reads the topic and the tables with its own clients, computes from the contract what the tables should contain, and
reports each difference as a violation of a rule. It imports nothing of the product: it could not detect a bug in shared
code.

    log, tables, violations                     the values: records, rows, rules and violations
    strict_json, contract, classify             one record: an event, or rejected and why
    model                                       a log: the expected content of the tables
    step                                        what the rules check, with indexes
    record_rules, run_rules, offset_rules       the rules, a function each
    comparison                                  all rules for a whole log; tables compared with tables
    incremental                                 all rules, snapshot by snapshot
    reading, following                          read the topic and the tables: once, or as they grow
    watch, watch_process                        check snapshots while the service runs, in a process of its own
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
