"""What to do about a server whose certificate has expired, or is not yet valid."""

import ssl
from typing import Final

_NOT_YET_VALID: Final = 9  # OpenSSL's codes: X509_V_ERR_CERT_NOT_YET_VALID
_EXPIRED: Final = 10  # X509_V_ERR_CERT_HAS_EXPIRED


def date_remedy(error: ssl.SSLCertVerificationError) -> str:
    """Return the remedy if the certificate, or that of its authority, is outside of its dates; else empty."""
    if error.verify_code in (_NOT_YET_VALID, _EXPIRED):
        return "renew the certificate of the server or of its authority, or correct the clock of this machine"
    return ""
