"""Is every record in exactly one place? An oracle that shares no code with what it judges.

It reads the topic and the four tables by itself, works out from the contract what the tables should say, and names
each difference. It imports nothing of the product: a bug that both had in common would be invisible to it.

    log        what Kafka accepted                tables     what the service wrote
    strict_json, contract, judgement              one record: an event, or refused, and why
    status, model                                 a whole log: the one right outcome
    case, placement, fidelity, runs, watermark    the rules, one function each
    comparison                                    all rules: pure
    reading                                       the topic and the tables from their servers: the only I/O
"""

from tests.checker.comparison import compare
from tests.checker.reading import check, read_log, read_tables
from tests.checker.violations import Rule, Violation

__all__ = ["Rule", "Violation", "check", "compare", "read_log", "read_tables"]
