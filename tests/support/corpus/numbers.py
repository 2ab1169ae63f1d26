"""Numbers that JSONB cannot hold, and those at the limits that it can."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.corpus.sample import STORED, Sample, with_literal

_OUT_OF_RANGE = "1e131072 -1e131072 1e200000 1e-16384 1.0e-16383 0e-16384 1E+9999999999999 1e-9999999999999"
_IN_RANGE = """
    1e400 -1e400 1e131071 1e-16383 0e131072 0e-16383 -0 -0.0 0.1 1E5 1e+5 1e00000000000000000005 18446744073709551616
    123456789012345678901234567890.123456789
"""


def numbers() -> Iterator[Sample]:
    out_of_range = [*_OUT_OF_RANGE.split(), "9" * 131_073, "0." + "0" * 16_383 + "1", "1e" + "9" * 5_000]
    for literal in out_of_range:
        yield Sample(f"the number {literal[:20]}, {len(literal)}", "store_rejected", with_literal(literal))
    yield Sample("a bad number in an unknown type", "store_rejected", with_literal('{"a":[1e131072]}', "note", "x"))
    yield Sample("a bad number in an unknown field", "store_rejected", with_literal("1e131072", "run_waiting", "x"))
    yield Sample("a bad number overridden", "store_rejected", with_literal('{"a":1e131072,"a":1}'))
    yield Sample("a bad number and a NUL", "store_rejected", with_literal('["\\u0000",1e131072]'))
    yield Sample("a bad number in a result", "store_rejected", with_literal("1e131072", "run_completed", "result"))
    in_range = [*_IN_RANGE.split(), "9" * 5_000, "9" * 131_072]
    for literal in in_range:
        yield Sample(f"the number {literal[:20]}, {len(literal)}", STORED, with_literal(literal))
