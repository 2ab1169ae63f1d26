"""Measures the duration of an import in a new interpreter.

python -m tests.bench.emitter.import_time MODULE
"""

import json
import subprocess
import sys
from statistics import median
from typing import Final

_IMPORTS: Final = 15
_CODE: Final = "from time import perf_counter; started = perf_counter(); import {}; print(perf_counter() - started)"


def main(module: str) -> None:
    """Print the median of 15 imports as JSON, in milliseconds."""
    command = [sys.executable, "-c", _CODE.format(module)]
    seconds = [
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(_IMPORTS)
    ]
    print(json.dumps({"ms": median(seconds) * 1e3}))


if __name__ == "__main__":
    main(sys.argv[1])
