"""How long an import takes a fresh interpreter, which has loaded nothing else.

python -m tests.bench.emitter.imports MODULE
"""

import json
import subprocess
import sys
from statistics import median
from typing import Final

_TIMES: Final = 15
_CODE: Final = "from time import perf_counter; began = perf_counter(); import {}; print(perf_counter() - began)"


def main(module: str) -> None:
    """Print the median in milliseconds, as JSON."""
    command = [sys.executable, "-c", _CODE.format(module)]
    seconds = [float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(_TIMES)]
    print(json.dumps({"ms": median(seconds) * 1e3}))


if __name__ == "__main__":
    main(sys.argv[1])
