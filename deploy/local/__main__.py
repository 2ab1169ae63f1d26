"""`python -m deploy.local up | down | status`: Kafka, PostgreSQL and the viewer in the background, per checkout."""

import sys

from deploy.local.cli import main

sys.exit(main())
