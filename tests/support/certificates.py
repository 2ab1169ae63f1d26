"""Certificates for tests, made by the program `openssl`."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from deploy.local.ports import HOST

_EC: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2")
_EXPIRED: Final = ("-startdate", "20200101000000Z", "-enddate", "20200102000000Z")
_AUTHORITY: Final = """
[ca]
default_ca = authority
[authority]
database = {directory}/{name}.list
new_certs_dir = {directory}
serial = {directory}/{name}.serial
default_md = sha256
policy = policy
copy_extensions = copy
[policy]
commonName = supplied
"""


def make_certificate(directory: Path, name: str, *, issuer: str = "", passphrase: str = "") -> None:
    """Write `NAME.crt` and `NAME.key`: a certificate for this host, and its private key.

    Args:
        directory: where to write.
        name: the common name, too.
        issuer: the name of the certificate that signs it; empty: it signs itself.
        passphrase: encrypts the key; empty: the key is not encrypted.
    """
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the program `openssl` is needed to make certificates")
    command = [openssl, "req", "-x509", *_EC, "-subj", f"/CN={name}", "-addext", f"subjectAltName=IP:{HOST}"]
    command += ["-keyout", f"{directory}/{name}.key", "-out", f"{directory}/{name}.crt"]
    command += ["-passout", f"pass:{passphrase}"] if passphrase else ["-nodes"]
    if issuer:
        command += ["-CA", f"{directory}/{issuer}.crt", "-CAkey", f"{directory}/{issuer}.key"]
    subprocess.run(command, check=True, capture_output=True)


def make_expired_certificate(directory: Path, name: str, issuer: str) -> None:
    """Write `NAME.crt` and `NAME.key`: as `make_certificate`, but the certificate has expired."""
    make_certificate(directory, name)  # for its key
    openssl = shutil.which("openssl") or "openssl"
    certificate, key = f"{directory}/{name}.crt", f"{directory}/{name}.key"
    # `openssl req` cannot set a date in the past; `openssl ca` can, and needs a configuration and a list of its work.
    (directory / f"{name}.list").touch()
    (directory / f"{name}.cnf").write_text(_AUTHORITY.format(directory=directory, name=name))
    request = [*("-in", f"{directory}/{name}.csr"), "-out", certificate]
    signed_by = ["-cert", f"{directory}/{issuer}.crt", "-keyfile", f"{directory}/{issuer}.key"]
    commands = [
        [openssl, "x509", "-x509toreq", "-copy_extensions", "copyall", *("-in", certificate), *("-signkey", key)],
        [openssl, "ca", "-batch", "-notext", "-create_serial", "-config", f"{directory}/{name}.cnf", *_EXPIRED],
    ]
    subprocess.run([*commands[0], "-out", f"{directory}/{name}.csr"], check=True, capture_output=True)
    subprocess.run([*commands[1], *request, *signed_by], check=True, capture_output=True)
