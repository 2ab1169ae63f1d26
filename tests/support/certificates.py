"""Certificates for tests, made by the program `openssl`."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from deploy.local.ports import HOST

_EC: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2")


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
