"""`python -m consumer run`, with breakable parts."""

import asyncio
import os
import sys

from consumer.config import read_config
from consumer.service import serve
from consumer.telemetry.observer import set_up_logging
from tests.support.fault_injection.bugs import BUGS, buggy_parts
from tests.support.fault_injection.fault import Faults
from tests.support.fault_injection.parts import breakable_parts

if __name__ == "__main__":
    config = read_config(os.environ)
    set_up_logging(config.service)
    fault = os.environ["FAULT_AT"]
    parts = buggy_parts(fault) if fault in BUGS else breakable_parts(Faults.parse(fault))
    asyncio.run(serve(config, to_end="--until-end" in sys.argv, parts=parts))
