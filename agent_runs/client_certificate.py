"""Loads a client certificate and its private key into a TLS context, and never prompts for a passphrase."""

import ssl
from pathlib import Path
from typing import Literal

Part = Literal["certificate", "key", "password"]


class InvalidCertificate(ValueError):
    """A client certificate cannot be used. The message states why; it has paths of files, and no secret.

    Attributes:
        part: what must be corrected: the certificate, its private key, or the passphrase of the key.
    """

    def __init__(self, part: Part, problem: str) -> None:
        super().__init__(problem)
        self.part = part


def load_client_certificate(
    context: ssl.SSLContext, certificate: str, key: str | None, password: str | None = None
) -> None:
    """Load a certificate and its private key.

    Args:
        context: the TLS context of the connections.
        certificate: the path of a PEM file.
        key: the path of a PEM file; None if the key is in the file of the certificate.
        password: the passphrase of an encrypted key.

    Raises:
        InvalidCertificate: a file cannot be read, is not valid, or does not match the other one.
    """
    certificate_text, key_text = _read("certificate", certificate), _read("key", key or certificate)
    if b"-----BEGIN CERTIFICATE-----" not in certificate_text:
        raise InvalidCertificate("certificate", f"{certificate} cannot be loaded: it has no certificate in PEM format")
    if b"PRIVATE KEY-----" not in key_text:
        raise InvalidCertificate("key", f"{key or certificate} cannot be loaded: it has no private key in PEM format")
    try:
        # Without a password, OpenSSL asks for the passphrase at the terminal, and the process waits for it.
        context.load_cert_chain(certificate, key, password or "")
    except (ssl.SSLError, ValueError) as error:  # ValueError: the password is longer than OpenSSL allows
        reason = getattr(error, "reason", None)
        if b"ENCRYPTED" in key_text and reason != "KEY_VALUES_MISMATCH":  # OpenSSL has no reason for a wrong password
            problem = "does not decrypt" if password else "is not set, and must decrypt"
            raise InvalidCertificate("password", f"{problem} the private key in {key or certificate}") from None
        raise InvalidCertificate(
            "key", f"{key or certificate} cannot be loaded with {certificate}: not valid ({reason or error})"
        ) from None


def _read(part: Part, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidCertificate(part, f"{path} cannot be read: {error.strerror}") from None
