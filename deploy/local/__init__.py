"""Kafka and PostgreSQL on this machine: real ones, without Docker, root or an installed Java.

    with LocalStack(Path("somewhere")) as stack:
        stack.kafka.bootstrap_servers   # 127.0.0.1:PORT
        stack.postgres.url              # postgresql://agent_runs@127.0.0.1:PORT/postgres

The servers end with the process that started them, however it ends. `python -m deploy.local up` starts ones that stay.
"""

from deploy.local.errors import LocalStackError
from deploy.local.kafka import Kafka
from deploy.local.postgresql import PostgreSQL
from deploy.local.stack import LocalStack

__all__ = ["Kafka", "LocalStack", "LocalStackError", "PostgreSQL"]
