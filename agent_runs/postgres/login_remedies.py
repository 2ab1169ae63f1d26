"""What a user can do about a login that PostgreSQL refuses."""

from typing import Final

# By SQLSTATE, or by its class (the first two characters). The texts of the server may be in any language, so the remedy
# of class 28 names all that can be wrong: it has one code for a missing login, TLS and a client certificate.
LOGIN_REMEDIES: Final[dict[str, str]] = {
    "28P01": "correct the password in DATABASE_URL",
    "28": "create the login, allow it in pg_hba.conf, or correct user, sslmode, sslcert and sslkey in DATABASE_URL",
    "3D": "create the database, or correct its name in DATABASE_URL",
}
