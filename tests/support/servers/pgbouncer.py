"""PgBouncer in front of a PostgreSQL server, if the program is installed."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local import ports
from deploy.local.users import make_private_directory, unprivileged_prefix
from tests.support.waiting import until

PROGRAM = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
CONFIGURATION = """
[databases]
* = host={host} port={server_port} user={user}

[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {connections}
"""


@asynccontextmanager
async def pgbouncer(
    database_url: str, directory: Path, connections: int, mode: str = "transaction", settings: str = ""
) -> AsyncIterator[str]:
    """The URL of the database through PgBouncer, which logs in as the user of the URL, without a password.

    Args:
        database_url: of the database behind it.
        directory: PgBouncer gets a directory in it.
        connections: how many connections to the server it has.
        mode: its `pool_mode`.
        settings: further lines of its settings.
    """
    assert PROGRAM is not None
    url, port = urlsplit(database_url), ports.free_port()
    home = directory / f"pgbouncer-{port}"
    make_private_directory(home)
    file = home / "pgbouncer.ini"
    values = {"host": url.hostname, "server_port": url.port, "user": url.username, "port": port, "mode": mode}
    file.write_text(f"{CONFIGURATION.format(**values, connections=connections)}{settings}\n")
    prefix = unprivileged_prefix(home)
    process = await asyncio.create_subprocess_exec(*prefix, PROGRAM, "--quiet", str(file))

    async def accepts() -> bool:
        try:
            _, writer = await asyncio.open_connection(url.hostname, port)
        except OSError:
            return False
        writer.close()
        return True

    try:
        await until(accepts, "PgBouncer accepts connections")
        yield url._replace(netloc=f"{url.username}@{url.hostname}:{port}").geturl()
    finally:
        process.kill()
        await process.wait()
