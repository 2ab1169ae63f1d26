"""`python -m deploy.local up | down | status`: Kafka and PostgreSQL in the background, one pair a checkout."""

import sys

from deploy.local.cli import main

sys.exit(main())
