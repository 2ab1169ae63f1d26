"""`python -m deploy.local up | down | status`: Kafka and PostgreSQL in the background, one pair for each checkout."""

import sys

from deploy.local.cli import main

sys.exit(main())
