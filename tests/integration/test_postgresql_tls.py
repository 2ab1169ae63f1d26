"""Connections to PostgreSQL over TLS. The server of the tests has none, so a proxy adds it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from consumer.errors import LoginRefused
from consumer.postgres.store import Store
from consumer.settings import DatabaseConfig
from deploy.local.ports import HOST
from tests.support.certificates import make_certificate, make_expired_certificate

SSL_REQUEST_BYTES = 8


@dataclass
class TlsProxy:
    """Accepts connections with TLS, and passes their content on to PostgreSQL.

    Attributes:
        accepted: the number of connections whose handshake succeeded.
    """

    target: tuple[str, int]
    context: ssl.SSLContext
    url: str = ""
    accepted: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the request for TLS, and carry the bytes of one connection."""
        await reader.readexactly(SSL_REQUEST_BYTES)
        writer.write(b"S")
        try:
            await writer.start_tls(self.context)
        except OSError:
            return writer.close()  # the client does not accept the certificate
        self.accepted += 1
        server_reader, server_writer = await asyncio.open_connection(*self.target)
        carried = [_carry(reader, server_writer), _carry(server_reader, writer)]
        self.tasks |= {asyncio.create_task(each) for each in carried}
        return None


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
    except OSError:
        pass
    writer.close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with `right.crt`, for this host, `expired.crt`, which it signed, and `other.crt`; with their keys."""
    directory = tmp_path_factory.mktemp("certificates")
    make_certificate(directory, "right")
    make_certificate(directory, "other")
    make_expired_certificate(directory, "expired", issuer="right")
    return directory


@asynccontextmanager
async def _proxy(database: str, certificate: Path) -> AsyncIterator[TlsProxy]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    parts = urlsplit(database)
    proxy = TlsProxy((parts.hostname or "", parts.port or 0), context)
    server = await asyncio.start_server(proxy.serve, HOST, 0)
    async with server:
        proxy.url = parts._replace(netloc=f"{parts.username}@{HOST}:{server.sockets[0].getsockname()[1]}").geturl()
        yield proxy
    await asyncio.gather(*proxy.tasks)


@pytest.fixture
async def proxy(database: str, certificates: Path) -> AsyncIterator[TlsProxy]:
    async with _proxy(database, certificates / "right.crt") as proxy:
        yield proxy


async def _connect(url: str) -> None:
    store = await Store.connect(DatabaseConfig(url=url), "t")
    assert len(await store.fetch("backend_pid")) == 1
    await store.close()


@pytest.mark.parametrize("mode", ["prefer", "require", "verify-ca", "verify-full"])
async def test_a_connection_uses_tls_if_the_server_has_it(proxy: TlsProxy, certificates: Path, mode: str) -> None:
    await _connect(f"{proxy.url}?sslmode={mode}&sslrootcert={certificates}/right.crt")

    assert proxy.accepted == 1


async def test_tls_is_the_default(proxy: TlsProxy) -> None:
    await _connect(proxy.url)

    assert proxy.accepted == 1


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_a_certificate_that_another_authority_signed_is_refused(
    proxy: TlsProxy, certificates: Path, mode: str
) -> None:
    with pytest.raises(LoginRefused, match="sslrootcert"):
        await _connect(f"{proxy.url}?sslmode={mode}&sslrootcert={certificates}/other.crt")


async def test_a_certificate_that_has_expired_is_refused_with_the_remedy(database: str, certificates: Path) -> None:
    async with _proxy(database, certificates / "expired.crt") as proxy:
        with pytest.raises(LoginRefused, match="certificate has expired: renew the certificate"):
            await _connect(f"{proxy.url}?sslmode=verify-full&sslrootcert={certificates}/right.crt")


async def test_a_certificate_of_another_host_is_refused_by_full_verification(
    proxy: TlsProxy, certificates: Path
) -> None:
    parameters = f"sslrootcert={certificates}/right.crt"
    url = proxy.url.replace(HOST, "localhost")
    await _connect(f"{url}?sslmode=verify-ca&{parameters}")
    with pytest.raises(LoginRefused, match="not valid for 'localhost'"):
        await _connect(f"{url}?sslmode=verify-full&{parameters}")


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
async def test_a_connection_without_tls_is_made_if_the_mode_allows_it(database: str, mode: str) -> None:
    await _connect(f"{database}?sslmode={mode}")


async def test_a_connection_without_tls_is_refused_if_the_mode_requires_it(database: str) -> None:
    with pytest.raises(LoginRefused, match=r"rejected SSL upgrade.*or sslmode in DATABASE_URL"):
        await _connect(f"{database}?sslmode=require")
