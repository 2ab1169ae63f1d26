"""PostgreSQL: connections, named queries, COPY, SQLSTATE, migrations. The only package that imports asyncpg."""
