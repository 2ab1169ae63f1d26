"""The service and the reader log in to a PostgreSQL that requires TLS: with SCRAM, and with client certificates."""

import re
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import pytest

from agent_runs.reader import DatabaseNotReady, DatabaseUnavailable, Reader
from consumer.errors import ConnectionLost, LoginRefused
from consumer.postgres.store import Store
from consumer.settings import DatabaseConfig
from deploy.local import PostgreSQL
from deploy.local.postgresql import SUPERUSER
from deploy.local.users import UNPRIVILEGED_USER, is_root
from tests.support.certificates import make_certificate, make_expired_certificate
from tests.support.messages import events_of
from tests.support.scene import Scene
from tests.support.servers import TemplateDatabase
from tests.support.servers.clients import execute
from tests.support.servers.logins import CONSUMER, PASSWORD
from tests.support.servers.postgresql_versions import binaries_with_tls

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PASSPHRASE = "k3y-S3cret"
BY_CERTIFICATE, BY_PASSWORD = "test_by_certificate", "test_by_password"
# The superuser of the tests logs in without TLS; nobody else does.
HBA = f"""
host    all {SUPERUSER}      127.0.0.1/32 trust
hostssl all {BY_CERTIFICATE} 127.0.0.1/32 cert
hostssl all {BY_PASSWORD}    127.0.0.1/32 scram-sha-256
"""


@dataclass(frozen=True)
class TlsServer:
    """A server with a certificate of a private authority.

    Attributes:
        files: a directory with `ca.crt`, `other.crt`, and the certificate of a login with an encrypted key.
    """

    server: PostgreSQL
    files: Path

    def url(self, database: str, login: str, **changes: str) -> str:
        """The URL of a database for a login, with full verification and these changes of its parameters."""
        parameters = {"sslmode": "verify-full", "sslrootcert": f"{self.files}/ca.crt"}
        if login == BY_CERTIFICATE:
            files = {"sslcert": f"{self.files}/{login}.crt", "sslkey": f"{self.files}/{login}.key"}
            parameters |= {**files, "sslpassword": PASSPHRASE}
        query = "&".join(f"{name}={value}" for name, value in (parameters | changes).items() if value)
        user = f"{login}:{PASSWORD}" if login == BY_PASSWORD else login
        return urlsplit(database)._replace(netloc=f"{user}@127.0.0.1:{self.server.port}", query=query).geturl()


@pytest.fixture(scope="module")
def tls() -> Iterator[TlsServer]:
    with TemporaryDirectory(prefix="agent-runs-tests-") as name:
        directory = Path(name)
        binaries = binaries_with_tls(directory)
        files = directory / "certificates"
        files.mkdir()
        for authority in ("ca", "other"):
            make_certificate(files, authority)
        make_certificate(files, "server", issuer="ca")
        make_certificate(files, BY_CERTIFICATE, issuer="ca", passphrase=PASSPHRASE)
        make_expired_certificate(files, "expired", issuer="ca")
        (files / "pg_hba.conf").write_text(HBA)
        directory.chmod(0o755)
        if is_root():  # PostgreSQL runs as this user, and requires that its key belongs to it
            shutil.chown(files / "server.key", UNPRIVILEGED_USER)
        settings = {
            "ssl": "on",
            "ssl_cert_file": f"{files}/server.crt",
            "ssl_key_file": f"{files}/server.key",
            "ssl_ca_file": f"{files}/ca.crt",
            "hba_file": f"{files}/pg_hba.conf",
        }
        with PostgreSQL(directory / "server", durable=False, settings=settings, binaries=binaries) as server:
            yield TlsServer(server, files)
            server.kill()


@pytest.fixture
async def on_tls(tls: TlsServer, scene: Scene) -> AsyncIterator[Scene]:
    """A scene whose database is on the server with TLS, with two logins of consumers; its URL is the superuser's."""
    template = await TemplateDatabase.create(tls.server.url)
    logins = [f"CREATE ROLE {BY_CERTIFICATE} LOGIN", f"CREATE ROLE {BY_PASSWORD} LOGIN PASSWORD '{PASSWORD}'"]
    for statement in logins:
        await execute(tls.server.url, f"{statement} IN ROLE {CONSUMER}")
    yield replace(scene, database=template.url_of(template.name))
    await template.drop(template.name)
    await execute(tls.server.url, f"DROP ROLE {BY_CERTIFICATE}, {BY_PASSWORD}")


async def refusal(url: str) -> set[str]:
    """Return what the errors of the service and of the reader have in common when a connection is refused.

    Their classes differ for a client certificate: what arrives first is the reason, or the end of the connection.
    """
    with pytest.raises((LoginRefused, ConnectionLost)) as of_service:
        await Store.connect(DatabaseConfig(url=url), "topic")
    async with Reader(url) as reader:
        with pytest.raises((DatabaseNotReady, DatabaseUnavailable)) as of_reader:
            await reader.get_run("run")
    return _words(of_service.value) & _words(of_reader.value)


def _words(error: Exception) -> set[str]:
    return set(re.findall(r"\w+", str(error)))


@pytest.mark.parametrize("login", [BY_CERTIFICATE, BY_PASSWORD])
async def test_consumer_and_reader_log_in_with_a_certificate_or_a_password(
    tls: TlsServer, on_tls: Scene, login: str
) -> None:
    url = tls.url(on_tls.database, login)
    await on_tls.publish(*events_of("run", "a", "b"))
    await on_tls.consume(DATABASE_URL=url)
    await on_tls.assert_consistent(dead_letters=False)
    async with Reader(url) as reader:
        run = await reader.get_run("run")
    assert run is not None
    assert [event.id for event in run.events] == ["a", "b"]


async def test_a_login_that_the_server_refuses_is_told_with_the_remedy(tls: TlsServer, on_tls: Scene) -> None:
    url = on_tls.database
    without_certificate = {"sslcert": "", "sslkey": "", "sslpassword": ""}
    assert "sslcert" in await refusal(tls.url(url, BY_CERTIFICATE, **without_certificate))
    for name in ("other", "expired"):
        files = {"sslcert": f"{tls.files}/{name}.crt", "sslkey": f"{tls.files}/{name}.key", "sslpassword": ""}
        assert "sslcert" in await refusal(tls.url(url, BY_CERTIFICATE, **files))
    assert "sslrootcert" in await refusal(tls.url(url, BY_PASSWORD, sslrootcert=f"{tls.files}/other.crt"))
    assert "password" in await refusal(tls.url(url, BY_PASSWORD).replace(PASSWORD, "wrong"))
    assert "sslmode" in await refusal(tls.url(url, BY_PASSWORD, sslmode="disable"))
