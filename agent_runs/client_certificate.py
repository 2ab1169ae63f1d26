"""Loads a client certificate and its private key into a TLS context, and never prompts for a passphrase."""

import ssl
from pathlib import Path
from typing import Final, Literal

Part = Literal["certificate", "key", "password"]

# OpenSSL's reasons for a private key that is valid and not the certificate's.
_OTHER_KEY: Final = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")
_LONG_PATH: Final = 256  # characters


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
    if b"BEGIN OPENSSH" in key_text:
        convert = "ssh-keygen -p -m PKCS8 -f FILE converts it"
        raise InvalidCertificate(
            "key", f"{key or certificate} cannot be loaded: it has the format of OpenSSH; {convert}"
        )
    try:
        # Without a password, OpenSSL asks for the passphrase at the terminal, and the process waits for it.
        context.load_cert_chain(certificate, key, password or "")
    except (ssl.SSLError, ValueError) as error:  # ValueError: the password is longer than OpenSSL allows
        reason = getattr(error, "reason", None)
        if b"ENCRYPTED" in key_text and reason not in _OTHER_KEY:  # OpenSSL has no reason for a wrong password
            problem = "does not decrypt" if password else "is not set, and must decrypt"
            raise InvalidCertificate("password", f"{problem} the private key in {key or certificate}") from None
        problem = "it is the key of another certificate" if reason in _OTHER_KEY else f"not valid ({reason or error})"
        raise InvalidCertificate(
            "key", f"{key or certificate} cannot be loaded with {certificate}: {problem}"
        ) from None


def shown_path(path: str) -> str:
    """Return a path as messages show it: not if it may be the content of the file, which may be a secret."""
    return path if len(path) < _LONG_PATH and path.isprintable() and "-----" not in path else "the file"


def why_unreadable(path: str) -> str:
    """Return why the file cannot be read, as a sentence without subject; empty if it can."""
    if shown_path(path) != path:
        return "must be the path of a file, not its content"
    try:
        with Path(path).open("rb"):
            return ""
    except FileNotFoundError:
        return f"file {path!r} does not exist"
    except OSError as error:
        return f"file {path!r} cannot be read: {error.strerror}"


def _read(part: Part, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        problem = error.strerror
    # Not in `except`: a traceback would show the other error, with the path.
    raise InvalidCertificate(part, f"{shown_path(path)} cannot be read: {problem}")
