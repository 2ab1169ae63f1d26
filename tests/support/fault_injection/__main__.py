"""`python -m consumer run`, with a fault or a bug."""

import asyncio
import os
import sys

from consumer.service import serve
from consumer.settings import read_config
from consumer.telemetry.log_setup import set_up_logging
from tests.support.fault_injection.bugs import BUGS, install_bug
from tests.support.fault_injection.fault import Faults
from tests.support.fault_injection.steps import install_faults

if __name__ == "__main__":
    config = read_config(os.environ)
    set_up_logging(config.service)
    fault = os.environ["FAULT_AT"]
    if fault in BUGS:
        install_bug(fault)
    else:
        install_faults(Faults.parse(fault))
    asyncio.run(serve(config, to_end="--until-end" in sys.argv))
