"""TLS of the connections to PostgreSQL, from the parameters of DATABASE_URL.

The driver would make these contexts itself. But it also looks for `~/.postgresql`, which is not a setting of the
service, and fails if the user may not read that directory.
"""

import ssl
from collections.abc import Callable, Mapping
from typing import Final, Literal

from agent_runs.certificate_dates import date_remedy
from agent_runs.client_certificate import InvalidCertificate, Part, load_client_certificate
from agent_runs.postgres.database_url import InvalidUrl

Tls = ssl.SSLContext | Literal[False]

_PARAMETERS: Final[dict[Part, str]] = {"certificate": "sslcert", "key": "sslkey", "password": "sslpassword"}
_VERSIONS: Final = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


def attempts(parameters: Mapping[str, str]) -> list[Tls]:
    """Return how to connect, in the order of the attempts: with a TLS context, or without TLS (False).

    Args:
        parameters: those of TLS, by libpq's names.

    Raises:
        InvalidUrl: a file cannot be loaded, or a parameter is not valid.
    """
    mode = parameters["sslmode"]
    if mode == "disable":
        return [False]
    context = _context(mode, parameters)
    if mode == "allow":
        return [False, context]
    return [context, False] if mode == "prefer" else [context]


def refusal(error: ssl.SSLError) -> str:
    """Return which side refuses the other one, and the remedy; empty if the error is not a refusal."""
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = date_remedy(error) or "correct the certificate, or sslrootcert and the host in DATABASE_URL"
        return f"the certificate of PostgreSQL is not accepted: {error.verify_message}: {remedy}"
    if "ALERT" in (error.reason or ""):
        return f"PostgreSQL refuses the TLS connection ({error.reason}): correct sslcert and sslkey in DATABASE_URL"
    return ""


def _context(mode: str, parameters: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # As with libpq, `require` verifies the server's certificate if the URL names a root certificate.
    verifies = mode.startswith("verify") or (mode == "require" and "sslrootcert" in parameters)
    context.check_hostname = mode == "verify-full"
    context.verify_mode = ssl.CERT_REQUIRED if verifies else ssl.CERT_NONE
    context.set_alpn_protocols(["postgresql"])
    # A file that is named must exist, though `prefer` verifies nothing.
    if verifies or "sslrootcert" in parameters or "sslcrl" in parameters:
        _load_authorities(context, parameters)
    if certificate := parameters.get("sslcert"):
        try:
            load_client_certificate(context, certificate, parameters.get("sslkey"), parameters.get("sslpassword"))
        except InvalidCertificate as error:
            raise InvalidUrl(f"{_PARAMETERS[error.part]}: {error}") from None
    elif "sslkey" in parameters:
        raise InvalidUrl("sslkey needs sslcert, the certificate of the key")
    if "ssl_min_protocol_version" in parameters:
        context.minimum_version = _version("ssl_min_protocol_version", parameters)
    if "ssl_max_protocol_version" in parameters:
        context.maximum_version = _version("ssl_max_protocol_version", parameters)
    return context


def _load_authorities(context: ssl.SSLContext, parameters: Mapping[str, str]) -> None:
    mode, root, revoked = parameters["sslmode"], parameters.get("sslrootcert"), parameters.get("sslcrl")
    if root is None:
        raise InvalidUrl(
            f"{f'sslmode={mode}' if mode.startswith('verify') else 'sslcrl'} needs sslrootcert=FILE, or "
            "sslrootcert=system for the certificate authorities of the system"
        )
    if root == "system":
        context.load_default_certs()
    else:
        _load(parameters, "sslrootcert", lambda: context.load_verify_locations(cafile=root))
    if revoked is not None:
        _load(parameters, "sslcrl", lambda: context.load_verify_locations(cafile=revoked))
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN


def _load(parameters: Mapping[str, str], name: str, load: Callable[[], None]) -> None:
    try:
        load()
    except OSError as error:  # an SSLError too, if the content is not valid
        reason = f"not valid ({error.reason})" if isinstance(error, ssl.SSLError) else error.strerror
        raise InvalidUrl(f"{name}={parameters[name]} cannot be loaded: {reason}") from error


def _version(name: str, parameters: Mapping[str, str]) -> ssl.TLSVersion:
    if parameters[name] not in _VERSIONS:
        raise InvalidUrl(f"{name} must be one of {', '.join(_VERSIONS)}")
    return _VERSIONS[parameters[name]]
