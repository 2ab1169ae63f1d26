"""A client certificate that cannot be used is refused with what to correct; nothing is asked at a terminal."""

import os
import pty
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from agent_runs.client_certificate import InvalidCertificate, load_client_certificate
from tests.support.certificates import make_certificate

PASSPHRASE = "S3cret"
ENDS_WITHIN_S = 60
LOAD = (
    "import ssl, sys; from agent_runs.client_certificate import load_client_certificate; "
    "load_client_certificate(ssl.create_default_context(), *sys.argv[1:])"
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with `plain`, `encrypted`, whose key has a passphrase, `both.pem`, and a file without any of them."""
    directory = tmp_path_factory.mktemp("certificates")
    make_certificate(directory, "plain")
    make_certificate(directory, "encrypted", passphrase=PASSPHRASE)
    both = (directory / "plain.key").read_bytes() + (directory / "plain.crt").read_bytes()
    (directory / "both.pem").write_bytes(both)
    (directory / "nothing").write_text("nothing")
    return directory


@pytest.mark.parametrize(
    ("certificate", "key", "password"),
    [
        ("plain.crt", "plain.key", None),
        ("plain.crt", "plain.key", "superfluous"),
        ("both.pem", None, None),
        ("encrypted.crt", "encrypted.key", PASSPHRASE),
    ],
)
def test_a_valid_certificate_is_loaded(files: Path, certificate: str, key: str | None, password: str | None) -> None:
    context = ssl.create_default_context()

    load_client_certificate(context, str(files / certificate), key and str(files / key), password)  # raises nothing


@pytest.mark.parametrize(
    ("certificate", "key", "password", "part", "problem"),
    [
        ("encrypted.crt", "encrypted.key", None, "password", "is not set, and must decrypt the private key in {key}"),
        ("encrypted.crt", "encrypted.key", "wr0ng", "password", "does not decrypt the private key in {key}"),
        ("encrypted.crt", "encrypted.key", "wr0ng" * 999, "password", "does not decrypt the private key in {key}"),
        (
            "encrypted.crt",
            "plain.key",
            None,
            "key",
            "{key} cannot be loaded with {certificate}: it is the key of another certificate",
        ),
        (
            "plain.crt",
            "encrypted.key",
            PASSPHRASE,
            "key",
            "{key} cannot be loaded with {certificate}: it is the key of another",
        ),
        ("plain.crt", "plain.crt", None, "key", "{key} cannot be loaded: it has no private key in PEM format"),
        ("plain.crt", None, None, "key", "{certificate} cannot be loaded: it has no private key in PEM format"),
        ("nothing", "plain.key", None, "certificate", "{certificate} cannot be loaded: it has no certificate in PEM"),
        ("missing", "plain.key", None, "certificate", "{certificate} cannot be read: No such file or directory"),
        ("plain.crt", "missing", None, "key", "{key} cannot be read: No such file or directory"),
        ("plain.crt", ".", None, "key", "{key} cannot be read: Is a directory"),
    ],
)
def test_the_error_names_what_must_be_corrected(
    files: Path, certificate: str, key: str | None, password: str | None, part: str, problem: str
) -> None:
    paths = {"certificate": str(files / certificate), "key": str(files / key) if key else ""}

    with pytest.raises(InvalidCertificate) as caught:
        load_client_certificate(ssl.create_default_context(), paths["certificate"], paths["key"] or None, password)

    assert caught.value.part == part
    assert str(caught.value).startswith(problem.format(**paths))
    assert "wr0ng" not in str(caught.value)


def test_no_passphrase_is_asked_for_at_a_terminal(files: Path) -> None:
    # Given a process with a terminal, when it loads a certificate whose key is encrypted, and has no passphrase,
    controller, terminal = pty.openpty()
    paths = [str(files / "encrypted.crt"), str(files / "encrypted.key")]
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *paths],
        stdin=terminal,
        stderr=subprocess.PIPE,
        start_new_session=True,
        timeout=ENDS_WITHIN_S,
        check=False,
    )
    os.close(controller)
    os.close(terminal)
    # then it ends with an error.
    assert b"is not set, and must decrypt the private key" in done.stderr
