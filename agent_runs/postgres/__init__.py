"""Opens connections to PostgreSQL as DATABASE_URL says, for the service and the reader, and cuts them at a deadline.

May import: certificate_dates, client_certificate, server_addresses, asyncpg.
"""
