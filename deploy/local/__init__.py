"""Kafka and PostgreSQL as real servers on this machine, without Docker, root or an installed Java.

    with LocalStack(Path("somewhere")) as stack:
        stack.kafka.bootstrap_servers   # 127.0.0.1:PORT
        stack.postgres.url              # postgresql://agent_runs@127.0.0.1:PORT/postgres

The servers stop when the process that started them ends, even if it is killed. `python -m deploy.local up` starts
servers that keep running until `down`, and the viewer beside them.

`stack` starts both servers. `kafka`, `postgresql` and `viewer` are one server each, on top of `server`, which starts a
process under a `supervisor`, waits until it is ready and remembers it in a `state_file`. `jars` downloads Kafka,
`binaries` finds PostgreSQL's programs, `lock` changes the locked version of Kafka.
"""

from deploy.local.errors import LocalStackError
from deploy.local.kafka import Kafka
from deploy.local.postgresql import PostgreSQL
from deploy.local.stack import LocalStack
from deploy.local.viewer import Viewer

__all__ = ["Kafka", "LocalStack", "LocalStackError", "PostgreSQL", "Viewer"]
